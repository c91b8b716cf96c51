"""One comment on a pull request, on a server that behaves like GitHub."""

import json
from pathlib import Path

import pytest
from made_origin import git
from mlgitops.core.errors import UserError
from mlgitops.github.comment import comment

pytestmark = pytest.mark.slow

TEXT = "<!-- report -->\n# Passed\n"


@pytest.fixture(autouse=True)
def pull(clone, github):
    """Pull request 1 of the branch that is checked out."""
    git(clone, "switch", "--quiet", "--create", "better")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "Better")
    git(clone, "push", "--quiet", "origin", "better")
    place = {"full_name": "acme/bees"}
    head = {"ref": "better", "label": "acme:better", "repo": place, "sha": "0" * 40}
    made = {"number": 1, "node_id": "PR_1", "state": "open", "head": head, "labels": []}
    github.state["pulls"].append(made)
    return made


@pytest.fixture
def body(tmp_path):
    path = tmp_path / "report.md"
    path.write_text(TEXT, encoding="utf-8")
    return path


def bodies(github):
    return [one["body"] for one in github.state["comments"]]


def test_it_is_made_once_and_updated_in_place(github, body, capsys):
    comment(str(body))
    body.write_text(TEXT + "More\n")
    comment(str(body))
    comment(str(body))
    (one,) = github.state["comments"]
    assert (one["issue"], one["body"], one["edits"]) == (1, TEXT + "More\n", 1)
    assert capsys.readouterr().out.splitlines()[-1] == "the comment on #1 is up to date"


def test_the_summary_always_gets_the_text(body, tmp_path, monkeypatch):
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    page.write_text("before\n")
    comment(str(body))
    assert page.read_text() == "before\n" + TEXT


def test_other_comments_and_other_markers_are_left(github, body):
    bot, person = {"login": "github-actions[bot]", "type": "Bot"}, {"login": "eve", "type": "User"}
    others = [
        {"id": 1, "issue": 1, "body": "<!-- other -->\n", "user": bot, "edits": 0},
        {"id": 2, "issue": 1, "body": f"> {TEXT}", "user": bot, "edits": 0},
        {"id": 3, "issue": 1, "body": TEXT, "user": person, "edits": 0},
        {"id": 4, "issue": 2, "body": TEXT, "user": bot, "edits": 0},
    ]
    github.state["comments"] += json.loads(json.dumps(others))
    body.write_text(TEXT + "More\n")
    comment(str(body))
    assert github.state["comments"][:4] == others
    assert bodies(github)[4] == TEXT + "More\n"


def test_ones_own_is_found_by_a_persons_token(github, body, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "person")
    comment(str(body))
    body.write_text(TEXT + "More\n")
    comment(str(body))
    assert bodies(github) == [TEXT + "More\n"]


def test_the_comment_is_found_on_a_later_page(github, body):
    comment(str(body))
    ours = github.state["comments"].pop()
    person = {"login": "eve", "type": "User"}
    github.state["comments"] += [
        {"id": n, "issue": 1, "body": "hm", "user": person, "edits": 0} for n in range(100, 220)
    ]
    github.state["comments"].append(ours | {"id": 500})
    body.write_text(TEXT + "More\n")
    comment(str(body))
    assert github.state["comments"][-1]["body"] == TEXT + "More\n"
    assert len(github.state["comments"]) == 121


def test_a_second_one_is_removed(github, body):
    comment(str(body))
    github.state["comments"].append(github.state["comments"][0] | {"id": 9})
    comment(str(body))
    assert [one["id"] for one in github.state["comments"]] == [1]


def test_a_token_that_may_only_read_leaves_the_summary(body, github, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_TOKEN", "read")
    comment(str(body))
    said = capsys.readouterr().out
    assert said.startswith(TEXT)
    assert "may only read" in said
    assert not github.state["comments"]


def test_the_number_comes_first_then_the_event_then_the_branch(
    github, body, tmp_path, monkeypatch, pull
):
    for number in (2, 3):
        head = pull["head"] | {"ref": f"b{number}", "label": f"acme:b{number}"}
        github.state["pulls"].append(pull | {"number": number, "head": head})
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 2}}))
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    comment(str(body), "3")
    comment(str(body))
    event.write_text(json.dumps({"issue": {"number": 77}}))
    comment(str(body))
    assert [one["issue"] for one in github.state["comments"]] == [3, 2, 1]


def test_the_branch_of_a_workflow_is_the_one_that_its_variables_name(body, github, monkeypatch):
    monkeypatch.setenv("GITHUB_REF_NAME", "better")
    monkeypatch.chdir(Path(body).parent)
    comment(str(body))
    assert len(github.state["comments"]) == 1


def test_without_a_pull_request_there_is_no_comment(body, github, capsys):
    github.state["pulls"].clear()
    comment(str(body))
    assert capsys.readouterr().out == TEXT + "no pull request is open: no comment\n"


def test_a_text_about_the_newest_commit_is_a_comment(github, body, clone):
    comment(str(body), head=git(clone, "rev-parse", "HEAD"))
    assert bodies(github) == [TEXT]


def test_an_older_run_leaves_the_newer_comment_and_says_so(
    github, body, clone, tmp_path, monkeypatch
):
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    older = git(clone, "rev-parse", "HEAD")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "Better still")
    git(clone, "push", "--quiet", "origin", "better")
    newer = git(clone, "rev-parse", "HEAD")
    comment(str(body), head=newer)
    body.write_text(TEXT + "Of yesterday\n")
    comment(str(body), head=older)
    assert bodies(github) == [TEXT]
    told = f"no comment: #1 is at {newer[:7]} by now, and this is about {older[:7]}"
    assert page.read_text().startswith(f"{TEXT}{TEXT}Of yesterday\n\n{told}")


def test_a_head_that_is_no_commit_is_refused(body, github):
    with pytest.raises(UserError, match="HEAD='main' is not the sha"):
        comment(str(body), head="main")
    assert not github.state["requests"]


@pytest.mark.parametrize("text", ["# Report\n", "", "<!-- a\nb -->", "<!-- report --> x\n"])
def test_a_text_without_a_marker_is_refused(body, github, text):
    body.write_text(text)
    with pytest.raises(UserError, match="marker"):
        comment(str(body))
    assert not github.state["requests"]


def test_a_text_that_is_a_link_is_refused(body, clone, github):
    body.unlink()
    body.symlink_to(clone / ".git/config")
    with pytest.raises(UserError, match="is a link"):
        comment(str(body))
    assert not github.state["requests"]


RUN = "https://git.example/acme/bees/actions/runs/7"


def test_a_job_that_left_no_report_replaces_an_older_one(github, body, tmp_path, monkeypatch):
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    comment(str(body), url=RUN)
    comment(str(tmp_path / "result/report.md"), url=RUN)
    (one,) = bodies(github)
    assert one.startswith("<!-- report -->\n## ❌ No report\n")
    assert f"The job judge ended without a report: {RUN}\n" in one
    assert page.read_text("utf-8") == TEXT + one


def test_a_file_that_is_not_there_is_a_mistake_where_no_run_is_named(body, github):
    body.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        comment(str(body))
    body.symlink_to("nowhere")
    with pytest.raises(UserError, match="is a link"):
        comment(str(body), url=RUN)
    assert not github.state["requests"]


@pytest.mark.parametrize("number", ["x", "-1", "1/../2"])
def test_a_number_that_is_none_is_refused(body, number):
    with pytest.raises(UserError, match="NUMBER"):
        comment(str(body), number)


def test_a_number_that_is_not_there_is_an_error(body):
    with pytest.raises(UserError, match="404"):
        comment(str(body), "99")


def test_a_git_host_that_is_down_is_an_error(body, github):
    github.fail("/comments", 502, "Bad gateway")
    with pytest.raises(UserError, match="does not answer: 502"):
        comment(str(body))
