"""Which run of check.yml has ended, as the event or the Git host says."""

import threading

import pytest
from mlgitops.core.errors import UserError
from mlgitops.github import checkrun, client

pytestmark = pytest.mark.slow
SHA, OTHER = "a" * 40, "b" * 40


@pytest.fixture(autouse=True)
def output(clone, tmp_path, monkeypatch):
    path = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(path))
    monkeypatch.setattr(checkrun, "PAUSE", 0.05)
    return path


def run(number, status="completed", path="check.yml@refs/heads/x", sha=SHA):
    return {"id": number, "status": status, "path": path, "head_sha": sha}


def test_the_run_of_the_event_is_told_without_asking(github, output):
    checkrun.checkrun(SHA, "7")
    assert output.read_text() == f"head={SHA}\nrun=7\n"
    assert not github.state["requests"]


@pytest.mark.parametrize("path", ["check.yml@refs/heads/x", ".github/workflows/check.yml"])
def test_the_newest_run_of_the_check_on_the_head_is_waited_for(github, output, path):
    running = run(9, "in_progress", path)
    github.state["runs"] = [
        run(1, path=path), running, run(10, path="judge.yml@refs/heads/x"), run(11, sha=OTHER),
    ]  # fmt: skip
    threading.Timer(0.3, lambda: running.update(status="completed")).start()
    checkrun.checkrun(SHA)
    assert "run=9" in output.read_text()


def test_a_check_that_never_ends_is_an_error(github, monkeypatch):
    monkeypatch.setattr(checkrun, "LONGEST", 0.2)
    with pytest.raises(UserError, match="has not ended"):
        checkrun.checkrun(SHA)


def test_on_gitea_the_judge_is_dispatched_with_the_check(github, monkeypatch):
    github.state["workflows"].append({"id": 2, "path": ".github/workflows/judge.yml"})
    checkrun.start_check(client.connect(), "main", SHA)
    assert [one["workflow"] for one in github.state["dispatches"]] == ["check.yml"]
    github.state["dispatches"].clear()
    monkeypatch.setenv("GITEA_ACTIONS", "true")
    checkrun.start_check(client.connect(), "main", SHA)
    found = {one["workflow"]: one["inputs"] for one in github.state["dispatches"]}
    assert found == {"check.yml": {}, "judge.yml": {"head": SHA}}
