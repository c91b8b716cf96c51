"""The verdict on a change as a status of its head, and its approval; a fake GitHub answers."""

import json
import shutil
from pathlib import Path

import pytest
from made_project import TEMPLATE
from mlgitops.core import job_output
from mlgitops.core.errors import UserError
from mlgitops.github.approve import approve
from mlgitops.github.settings import RULESET
from mlgitops.github.statuses import statuses

pytestmark = pytest.mark.slow

SHA, PAGE = "a" * 40, "https://github.com/acme/bees/actions/runs/1"
FILES = (RULESET, Path(".github/CODEOWNERS"))
RUN = {"id": 7, "event": "workflow_dispatch", "head_sha": SHA, "head_branch": "better"}


@pytest.fixture(autouse=True)
def rules(clone):
    """The ruleset and the owners of the project, in the checkout of the default branch."""
    RULESET.parent.mkdir(parents=True)
    for path in FILES:
        text = (TEMPLATE / path).read_text("utf-8")
        path.write_text(text.replace("{{ cookiecutter.github_owner }}", "Grace"), "utf-8")
    Path("gate.yaml").write_text("approve: {by: review}\n")


def write_verdict(state, *reasons, head=SHA):
    job_output.start(job_output.JUDGED)
    facts = {"head": head, "state": state, "reasons": reasons}
    (job_output.JUDGED / "verdict.json").write_text(json.dumps(facts))


def states(github, sha=SHA):
    """State of each context as GitHub counts it: the newest."""
    return {one["context"]: one["state"] for one in github.state["statuses"] if one["sha"] == sha}


def words(github):
    return github.state["statuses"][-1]["description"]


@pytest.fixture
def pull(github):
    """The open pull request of the head."""
    place = {"full_name": "acme/bees"}
    head = {"ref": "better", "label": "acme:better", "repo": place, "sha": SHA}
    made = {"number": 1, "state": "open", "head": head, "labels": [], "reviews": []}
    github.state["pulls"].append(made)
    github.git = None
    github.sha = lambda _: None  # the head is what the pull request says
    return made


def review(pull, login="grace", state="APPROVED", sha=SHA, **more):
    pull["reviews"].append({"user": {"login": login}, "state": state, "commit_id": sha, **more})


@pytest.mark.parametrize(
    ("state", "wanted"),
    [("passed", "success"), ("refused", "failure"), ("needs approval", "failure")],
)
def test_a_verdict_is_a_status(github, pull, state, wanted):
    write_verdict(state, "rules changed: 1")
    statuses(SHA, url=PAGE)
    assert states(github) == {"gate": wanted}
    assert github.state["statuses"][0]["target_url"] == PAGE


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"state": "passed"}', '{"head": "x", "state": "passed", "reasons": []}',
     f'{{"head": "{SHA}", "state": "green", "reasons": []}}'],
)  # fmt: skip
def test_what_is_no_verdict_on_this_head_is_refused(github, text):
    job_output.start(job_output.JUDGED)
    (job_output.JUDGED / "verdict.json").write_text(text)
    statuses(SHA)
    assert states(github) == {"gate": "failure"}
    assert words(github) == "refused: the check left no verdict"


def test_no_verdict_at_all_is_refused(github):
    shutil.rmtree(job_output.JUDGED, ignore_errors=True)
    statuses(SHA)
    assert states(github) == {"gate": "failure"}


def test_an_owners_approval_of_this_head_lets_it_pass(github, pull):
    write_verdict("needs approval", "rules changed: 1")
    review(pull)
    statuses(SHA)
    assert states(github) == {"gate": "success"}
    assert words(github) == "approved by grace: rules changed: 1"


APPROVALS = {
    "of another head": {"sha": "b" * 40},
    "of somebody else": {"login": "eve", "author_association": "COLLABORATOR"},
    "that was dismissed": {"state": "DISMISSED"},
    "that Gitea calls stale": {"stale": True},
    "that Gitea calls dismissed": {"dismissed": True},
    "that asks for changes": {"state": "CHANGES_REQUESTED"},
    "that is a remark": {"state": "COMMENTED"},
}


@pytest.mark.parametrize("kind", APPROVALS)
def test_an_approval_is_none(github, pull, kind):
    write_verdict("needs approval", "rules changed: 1")
    review(pull, **APPROVALS[kind])
    statuses(SHA)
    assert states(github) == {"gate": "failure"}
    assert words(github).startswith("needs approval: ")


def test_the_newest_review_of_a_person_counts_and_a_remark_takes_nothing_back(github, pull):
    write_verdict("needs approval", "rules changed: 1")
    review(pull)
    review(pull, state="COMMENTED")
    statuses(SHA)
    assert states(github) == {"gate": "success"}
    review(pull, state="CHANGES_REQUESTED")
    statuses(SHA)
    assert states(github) == {"gate": "failure"}


def test_where_a_team_owns_the_rules_an_insider_approves_and_a_stranger_does_not(github, pull):
    path = FILES[1]
    path.write_text(path.read_text("utf-8").replace("@Grace", "@acme/approvers"), "utf-8")
    write_verdict("needs approval", "rules changed: 1")
    review(pull, login="eve", author_association="CONTRIBUTOR")
    statuses(SHA)
    assert states(github) == {"gate": "failure"}
    review(pull, login="linus", author_association="MEMBER")
    statuses(SHA)
    assert states(github) == {"gate": "success"}


def comment(github, body, login="Grace"):
    github.state["comments"].append(
        {"id": len(github.state["comments"]) + 1, "issue": 1, "body": body,
         "user": {"login": login, "type": "User"}}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "login", "wanted"),
    [
        (f"/approve {SHA[:12]}", "Grace", "success"),
        (f" /approve {SHA}\n", "grace", "success"),
        (f"/approve {SHA[:12]}", "eve", "failure"),
        ("/approve " + "b" * 12, "Grace", "failure"),
        ("/approve", "Grace", "failure"),
        (f"> /approve {SHA[:12]}", "Grace", "failure"),
        (f"/approve {SHA[:6]}", "Grace", "failure"),
    ],
)
def test_a_person_alone_approves_by_a_comment_with_the_commit(github, pull, body, login, wanted):
    Path("gate.yaml").write_text("approve: {by: comment}\n")
    write_verdict("needs approval", "rules changed: 1")
    review(pull)  # counts for nothing here
    comment(github, body, login)
    statuses(SHA)
    assert states(github) == {"gate": wanted}


def test_a_comment_approves_nothing_where_reviews_do(github, pull):
    write_verdict("needs approval", "rules changed: 1")
    comment(github, f"/approve {SHA[:12]}")
    statuses(SHA)
    assert states(github) == {"gate": "failure"}


def jobs(**ends):
    return [{"name": name, "conclusion": end} for name, end in ends.items()]


def test_a_dispatched_run_gets_a_status_for_each_required_job(github):
    github.state["runs"] = [RUN | {"jobs": jobs(check="success", pipeline="failure", other="x")}]
    write_verdict("passed")
    statuses(SHA, run="7")
    assert states(github) == {"gate": "success", "check": "success", "pipeline": "failure"}


@pytest.mark.parametrize("end", ["failure", "cancelled", "skipped", "neutral", None, "Success"])
def test_whatever_is_not_a_success_is_a_failure(github, end):
    github.state["runs"] = [RUN | {"jobs": jobs(check=end)}]
    write_verdict("passed")
    statuses(SHA, run="7")
    assert states(github) == {"gate": "success", "check": "failure", "pipeline": "failure"}


def test_gitea_gets_the_names_that_it_gives_to_jobs_itself(github, monkeypatch):
    monkeypatch.setenv("GITEA_ACTIONS", "true")
    github.state["runs"] = [RUN | {"jobs": jobs(check="success", pipeline="success")}]
    write_verdict("passed")
    statuses(SHA, run="7")
    names = {"gate", "check / check (pull_request)", "check / pipeline (pull_request)"}
    assert states(github) == dict.fromkeys(names, "success")


def test_the_run_of_a_pull_request_has_check_runs_and_gets_no_more(github):
    github.state["runs"] = [RUN | {"event": "pull_request", "jobs": jobs(check="failure")}]
    write_verdict("passed")
    statuses(SHA, run="7")
    assert states(github) == {"gate": "success"}


def test_a_second_time_writes_nothing_and_another_end_counts(github):
    write_verdict("refused", "minimum: log_loss: worse")
    statuses(SHA, url=PAGE)
    statuses(SHA, url=PAGE)
    assert len(github.state["statuses"]) == 1
    write_verdict("passed")
    statuses(SHA, url=PAGE)
    assert states(github)["gate"] == "success"


@pytest.mark.parametrize("head", ["", "main", "a" * 39, "../../x"])
def test_a_head_that_is_no_commit_is_refused(github, head):
    with pytest.raises(UserError, match="HEAD="):
        statuses(head)
    assert not github.state["requests"]


def test_a_token_that_may_not_is_an_error_that_leaves_nothing(github, monkeypatch):
    write_verdict("passed")
    monkeypatch.setenv("GITHUB_TOKEN", "read")
    with pytest.raises(UserError, match=r"403 .*\nthe token may not do this"):
        statuses(SHA)
    assert states(github) == {}


def test_a_status_that_was_cut_off_is_written_all_the_same(github):
    github.fail("/statuses/", 502, "Bad gateway", times=1, late=True)
    write_verdict("passed")
    statuses(SHA)
    assert states(github) == {"gate": "success"}


def test_gitea_says_status_where_github_says_state(github):
    write_verdict("passed")
    statuses(SHA, url=PAGE)
    for one in github.state["statuses"]:
        one["status"] = one.pop("state")
    statuses(SHA, url=PAGE)
    assert len(github.state["statuses"]) == 1


def test_what_others_wrote_is_no_command_of_the_runner(github, capsys):
    write_verdict("refused", "::error::owned\n::add-mask::x")
    statuses(SHA)
    assert "::" not in capsys.readouterr().out


def wait(pull):
    write_verdict("needs approval", "rules changed: 1")
    statuses(SHA)


def test_an_approval_turns_the_status_green_and_its_end_red_again(github, pull):
    wait(pull)
    approve(SHA)
    assert states(github) == {"gate": "failure"}
    review(pull)
    approve(SHA)
    assert states(github) == {"gate": "success"}
    pull["reviews"][0]["state"] = "DISMISSED"
    approve(SHA)
    assert states(github) == {"gate": "failure"}
    assert words(github) == "needs approval: rules changed: 1"


def test_a_comment_names_its_pull_request(github, pull):
    wait(pull)
    review(pull)
    approve(number="1")
    assert states(github) == {"gate": "success"}


def test_a_new_head_is_not_approved(github, pull):
    wait(pull)
    review(pull)
    pull["head"]["sha"] = "b" * 40
    approve(number="1")
    assert states(github, "b" * 40) == {}


@pytest.mark.parametrize("state", ["refused", "passed"])
def test_an_approval_changes_no_other_verdict(github, pull, state):
    write_verdict(state, "minimum: log_loss: worse")
    statuses(SHA)
    before = states(github)
    review(pull)
    approve(SHA)
    assert states(github) == before
    assert len(github.state["statuses"]) == 1


def test_without_a_pull_request_there_is_nothing_to_approve(github, capsys):
    approve(SHA)
    assert "nothing to approve" in capsys.readouterr().out
    with pytest.raises(UserError, match="HEAD="):
        approve()
