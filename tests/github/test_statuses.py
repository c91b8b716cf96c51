"""The verdict on a change as a status of its head, and its approval; a fake GitHub answers."""

import shutil

import pytest
from judged_pull import PAGE, RUN, SHA, states, words, write_verdict
from mlgitops.core import job_output
from mlgitops.core.errors import UserError
from mlgitops.github.statuses import statuses

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("owners")]


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


def test_a_change_of_rules_gets_a_label_once_and_another_change_none(github, pull):
    write_verdict("passed")
    statuses(SHA, labels="rules")
    assert pull["labels"] == []
    write_verdict("needs approval", "rules changed: 2")
    statuses(SHA, labels="rules")
    statuses(SHA, labels="rules")
    assert [one["name"] for one in pull["labels"]] == ["rules"]
