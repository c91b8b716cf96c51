"""Proposals to a real bare repository and a server that behaves like GitHub."""

import os
import socket
import sys
from pathlib import Path

import pytest
from made_origin import git
from mlgitops.core import cli
from mlgitops.core.errors import UserError
from mlgitops.git import commits
from mlgitops.github.pull_request import propose

BRANCH, TITLE = "bot/retrain", "Retrain on new data"
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clone")]


@pytest.fixture
def body(tmp_path):
    path = tmp_path / "body.md"
    path.write_text("Because.\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def run(body):
    def call(title=TITLE, branch=BRANCH, labels="", auto=False):
        propose(branch, title, body, labels, auto)

    return call


def change(text="schema: '2.0'\nstages: {}\n", name="dvc.lock"):
    Path(name).write_text(text, encoding="utf-8")


def test_what_changed_is_one_commit_on_the_branch_and_one_pull_request(run, github, origin, clone):
    change()
    change("new", "notes.md")
    change("SECRET=1", ".env")
    run(labels="retrain, data,")
    (pull,) = github.state["pulls"]
    assert (pull["title"], pull["body"], pull["base"]["ref"]) == (TITLE, "Because.\n", "main")
    assert [one["name"] for one in pull["labels"]] == ["retrain", "data"]
    assert git(origin, "log", "--format=%s|%an|%cn", "main..bot/retrain") == (
        f"{TITLE}|github-actions[bot]|github-actions[bot]"
    )
    assert git(origin, "diff", "--name-only", "main", "bot/retrain") == "dvc.lock\nnotes.md"
    assert [(one["workflow"], one["ref"]) for one in github.state["dispatches"]] == [
        ("check.yml", BRANCH)
    ]
    assert git(clone, "branch", "--show-current") == "main"
    assert git(clone, "status", "--porcelain") == "M dvc.lock\n?? notes.md"
    assert git(clone, "for-each-ref", "refs/ops") == ""


def test_a_change_within_a_second_to_the_same_size_is_proposed(run, origin, clone):
    git(clone, "config", "core.trustctime", "false")
    git(clone, "config", "core.checkstat", "minimal")
    lock, index = Path("dvc.lock"), Path(".git/index")
    os.utime(lock, (1_700_000_000, 1_700_000_000))
    git(clone, "update-index", "--refresh")
    change(lock.read_text("utf-8").replace("2.0", "2.1"))
    for path in (lock, index):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    run()
    assert git(origin, "diff", "--name-only", "main", BRANCH) == "dvc.lock"


def test_the_same_again_changes_nothing(run, github, origin, capsys):
    change()
    run(labels="retrain")
    sha, writes = git(origin, "rev-parse", BRANCH), len(write_requests(github))
    run(labels="retrain")
    assert git(origin, "rev-parse", BRANCH) == sha
    assert len(write_requests(github)) == writes
    assert "up to date" in capsys.readouterr().out


def write_requests(github):
    return [one for one in github.state["requests"] if one["method"] != "GET"]


def test_a_new_change_replaces_the_commit_and_updates_the_pull_request(run, github, origin, body):
    change()
    run()
    change("schema: '2.0'\nstages: {a: b}\n")
    Path(body).write_text("Another reason.\n")
    run("Retrain again")
    (pull,) = github.state["pulls"]
    assert (pull["title"], pull["body"]) == ("Retrain again", "Another reason.\n")
    assert git(origin, "log", "--format=%s", "main..bot/retrain") == "Retrain again"
    assert len(github.state["dispatches"]) == 2


def test_a_branch_that_is_left_over_is_taken(run, github, origin, clone):
    git(clone, "push", "--quiet", "origin", f"main:refs/heads/{BRANCH}")
    change()
    run()
    assert len(github.state["pulls"]) == 1
    assert git(origin, "log", "--format=%s", f"main..{BRANCH}") == TITLE


def test_a_proposal_for_an_older_main_is_made_for_the_newest(run, github, origin, clone):
    change()
    run()
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "Other")
    git(clone, "push", "--quiet", "origin", "main")
    run()
    assert git(origin, "rev-parse", f"{BRANCH}^") == git(origin, "rev-parse", "main")
    assert len(github.state["pulls"]) == 1


def test_a_closed_pull_request_stays_closed_and_a_new_one_is_made(run, github):
    change()
    run()
    github.state["pulls"][0]["state"] = "closed"
    run()
    assert [(one["number"], one["state"]) for one in github.state["pulls"]] == [
        (1, "closed"),
        (2, "open"),
    ]


def test_a_forks_branch_of_the_same_name_is_another_one(run, github):
    change()
    run()
    github.state["pulls"][0]["head"]["repo"] = {"full_name": "mallory/bees"}
    github.state["pulls"][0]["state"] = "open"
    github.state["pulls"][0]["head"]["ref"] = BRANCH
    github.state["pulls"][0]["head"]["label"] = f"mallory:{BRANCH}"
    before = dict(github.state["pulls"][0])
    with pytest.raises(
        UserError, match="already exists"
    ):  # The server's rule; ours is not to edit.
        run("Another title")
    assert github.state["pulls"][0]["title"] == before["title"]


def test_commits_on_top_of_the_same_proposal_are_kept(run, github, origin, clone, tmp_path):
    change()
    run()
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", "--branch", BRANCH, str(origin), str(other))
    (other / "reviewed.md").write_text("by a person")
    git(other, "add", "--all")
    git(other, "commit", "--quiet", "--message", "By a person")
    git(other, "push", "--quiet", "origin", BRANCH)
    run()
    assert git(origin, "log", "--format=%s", f"main..{BRANCH}") == f"By a person\n{TITLE}"


def test_a_clone_of_the_newest_commit_is_enough(run, github, origin, clone, tmp_path, monkeypatch):
    change()
    run()
    for n in range(3):
        git(clone, "commit", "--quiet", "--allow-empty", "--message", f"Other {n}")
    git(clone, "push", "--quiet", "origin", "main")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{origin}", str(shallow))
    monkeypatch.chdir(shallow)
    change("schema: '2.0'\nstages: {a: b}\n")
    run()
    run()
    assert git(origin, "log", "--format=%s", f"main..{BRANCH}") == TITLE
    assert git(origin, "rev-parse", f"{BRANCH}^") == git(origin, "rev-parse", "main")
    assert len(github.state["pulls"]) == 1
    assert len(github.state["dispatches"]) == 2


def test_nothing_changed_is_said(run, github, capsys):
    run()
    assert capsys.readouterr().out == "nothing changed: nothing to propose\n"
    assert not write_requests(github)


def test_an_open_proposal_that_main_has_already_is_closed(run, github, origin, clone, capsys):
    change()
    run()
    git(origin, "update-ref", "refs/heads/main", BRANCH)
    git(clone, "checkout", "--quiet", "--", ".")
    git(clone, "pull", "--quiet", "origin", "main")
    run()
    assert github.state["pulls"][0]["state"] == "closed"
    assert "main needs no change" in capsys.readouterr().out
    assert "nothing left to propose" in github.state["comments"][0]["body"]


def test_an_old_checkout_closes_nothing(run, github, origin, clone, capsys):
    change()
    run()
    git(origin, "update-ref", "refs/heads/main", BRANCH)
    git(clone, "checkout", "--quiet", "--", ".")
    run()
    assert github.state["pulls"][0]["state"] == "open"
    assert "not the newest main" in capsys.readouterr().out


def test_settings_that_forbid_pull_requests_leave_the_branch_and_the_way(
    run, github, origin, tmp_path, monkeypatch
):
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    github.state["permissions"]["can_approve_pull_request_reviews"] = False
    change()
    run()
    said = page.read_text()
    assert f"{github.page()}/compare/main...{BRANCH}?expand=1" in said
    assert "Allow GitHub Actions to create and approve pull requests" in said
    assert git(origin, "log", "--format=%s", f"main..{BRANCH}") == TITLE
    github.state["permissions"]["can_approve_pull_request_reviews"] = True
    run()
    assert len(github.state["pulls"]) == 1
    assert len(github.state["dispatches"]) == 1


def test_a_token_that_may_only_read_is_an_error(run, github, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "read")
    change()
    with pytest.raises(
        UserError, match="403 Resource not accessible by integration\nthe token may"
    ):
        run()


def test_a_dispatch_that_failed_is_made_up_for(run, github, capsys):
    github.fail("/dispatches$", 403, "Resource not accessible by integration", times=1)
    change()
    with pytest.raises(UserError, match="dispatches: 403"):
        run()
    run()
    run()
    assert len(github.state["dispatches"]) == 1
    assert len(github.state["pulls"]) == 1


def test_a_request_that_was_cut_off_after_it_worked_opens_no_second_one(run, github):
    github.fail("/pulls$", 0, method="POST", times=1, late=True)
    change()
    run()
    assert len(github.state["pulls"]) == 1
    assert len(github.state["dispatches"]) == 1


@pytest.mark.parametrize(
    "branch", ["main", "bot", "bot/", "feature/bot/x", "bot/a b", "bot/..", ""]
)
def test_a_branch_of_people_is_refused(run, github, branch):
    change()
    with pytest.raises(UserError, match="BRANCH="):
        run(branch=branch)
    assert not github.state["requests"]


@pytest.mark.parametrize("title", ["", " ", "a\nb", "x" * 201, "\x1b[31m"])
def test_a_title_that_is_no_line_is_refused(run, title):
    change()
    with pytest.raises(UserError, match="TITLE"):
        run(title)


def test_outside_text_is_data(run, github, origin, body):
    title = '$(touch owned) `x` "q" -m --amend %s {{x}}'
    Path(body).write_text("${HOME} <!-- x -->\n")
    change()
    run(title)
    assert github.state["pulls"][0]["title"] == title
    assert git(origin, "log", "--format=%s", f"main..{BRANCH}") == title
    assert not Path("owned").exists()


def test_a_missing_body_is_a_mistake(run, body):
    Path(body).unlink()
    with pytest.raises(UserError, match="cannot be read"):
        run()


def test_a_long_body_is_cut(run, github, body):
    Path(body).write_text("é" * 70_000)
    change()
    run()
    assert len(github.state["pulls"][0]["body"]) < 65_536
    assert "cut" in github.state["pulls"][0]["body"]


def test_it_merges_itself_where_that_is_allowed_and_says_where_not(run, github, capsys):
    change()
    run(auto=True)
    assert "not allowed for this repository" in capsys.readouterr().out
    github.state["allow_auto_merge"] = True
    run(auto=True)
    assert "merges itself" in capsys.readouterr().out
    assert github.state["pulls"][0]["auto_merge"] == {"merge_method": "merge"}


def test_labels_that_are_not_permitted_do_not_stop_it(run, github, capsys):
    github.fail("/labels$", 403, "Resource not accessible by integration")
    change()
    run(labels="retrain")
    assert "without the labels retrain" in capsys.readouterr().out
    assert github.state["dispatches"]


def test_a_push_of_another_at_the_same_moment_is_not_lost(run, origin, clone, monkeypatch, github):
    make = commits.commit

    def slow(*arguments):
        git(origin, "update-ref", f"refs/heads/{BRANCH}", "main")
        return make(*arguments)

    monkeypatch.setattr(commits, "commit", slow)
    change()
    with pytest.raises(UserError, match="somebody else pushed to bot/retrain just now: run this"):
        run()
    assert git(origin, "rev-parse", BRANCH) == git(origin, "rev-parse", "main")
    assert not github.state["pulls"]


def test_a_push_that_origin_refuses_is_said(run, origin, tmp_path):
    hook = origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho permission denied to bot >&2\nexit 1\n")
    hook.chmod(0o755)
    change()
    with pytest.raises(UserError, match=r"refuses the push to bot/retrain(.|\n)*contents: write"):
        run()


def test_hooks_of_a_person_do_not_run(run, clone, github):
    hook = clone / ".git/hooks/pre-push"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    change()
    run()
    assert github.state["pulls"]


def test_ones_own_name_is_kept(run, origin, clone):
    git(clone, "config", "user.name", "Grace")
    git(clone, "config", "user.email", "grace@example.org")
    change()
    run()
    assert git(origin, "log", "-1", "--format=%an %ae", BRANCH) == "Grace grace@example.org"


@pytest.mark.usefixtures("github")
def test_the_command_says_in_two_lines_that_the_git_host_is_down(monkeypatch, capsys, body):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("GITHUB_API_URL", address)
    monkeypatch.setattr(
        sys,
        "argv",
        ["mlgitops", "ci", "propose", "--branch", BRANCH, "--title", TITLE, "--body", body],
    )
    change()
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert said.startswith(f"mlgitops ci propose: {address} does not answer: ")
    assert said.endswith("\nrun this again later\n")
    assert len(said.splitlines()) == 2
    assert os.environ["GITHUB_API_URL"] == address
