"""The Git host: whose token, which repository, and what is done while it is down or limits us."""

import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import fake_github
import pytest
from fake_github import FakeGitHub
from made_origin import git
from mlgitops.core.errors import UserError
from mlgitops.github import client
from mlgitops.github.waiting import Refused

pytestmark = pytest.mark.slow

LIMITED = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)
PRIMARY = "API rate limit exceeded for installation ID 1."


@pytest.fixture
def there(github):
    return client.connect()


def requests_of(github):
    return len(github.state["requests"])


@pytest.mark.parametrize("status", [500, 502, 503, 0])
@pytest.mark.parametrize("verb", ["get", "post"])
def test_it_asks_again_after_what_passes(there, github, status, verb):
    github.fail("", status, times=3)
    if verb == "get":
        assert there.facts["default_branch"] == "main"
    else:
        there.post("/labels", {"name": "retrain", "color": "ededed"})
    assert requests_of(github) == 4


@pytest.mark.parametrize(
    ("status", "message", "headers"),
    [
        (403, LIMITED, {}),
        (403, PRIMARY, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}),
        (403, "Slow down", {"Retry-After": "0"}),
        (429, "Too many requests", {}),
    ],
)
def test_it_waits_where_requests_are_limited(there, github, status, message, headers):
    github.fail("", status, message, headers=headers, times=1)
    assert there.facts["default_branch"] == "main"
    assert requests_of(github) == 2


def test_it_waits_as_long_as_it_is_told(there, github):
    github.fail("", 429, "Slow down", headers={"Retry-After": "1"}, times=1)
    there.patience, start = there.patience._replace(seconds=3), time.monotonic()
    assert there.facts
    assert time.monotonic() - start >= 1


def test_a_limit_beyond_patience_is_said_at_once(there, github):
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 1800)}
    github.fail("", 403, PRIMARY, headers=reset)
    start = time.monotonic()
    with pytest.raises(UserError, match=r"limits the requests(.|\n)*run this again in 30 min"):
        there.get("")
    assert time.monotonic() - start < 60
    assert requests_of(github) == 1


def test_patience_ends(there, github):
    github.fail("", 503, "Unavailable")
    start = time.monotonic()
    with pytest.raises(UserError, match="does not answer: 503 Unavailable\nrun this again later"):
        there.get("")
    assert time.monotonic() - start < 60
    assert 2 <= requests_of(github) <= 8


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_what_is_refused_is_asked_once(there, github, status):
    github.fail("", status, "No\nway")
    with pytest.raises(Refused, match=f"GET /x: {status} No way") as refused:
        there.get("/x")
    assert refused.value.status == status
    assert len(str(refused.value).splitlines()) <= 2
    assert requests_of(github) == 1


def test_a_run_that_waits_for_a_persons_approval_has_not_started(there, github):
    sha = "a" * 40
    waiting = {"head_sha": sha, "event": "pull_request", "conclusion": "action_required"}
    github.state["runs"].append(waiting)
    assert not there.has_dispatch("check.yml", sha)
    github.state["dispatches"].append({"workflow": "check.yml", "sha": sha, "ref": "better"})
    assert there.has_dispatch("check.yml", sha)
    assert not there.has_dispatch("check.yml", "b" * 40)


def test_pages_follow_each_other(there, github):
    github.state["labels"] = [{"name": f"l{n}", "color": "ededed"} for n in range(120)]
    assert [one["name"] for one in there.pages("/labels")] == [f"l{n}" for n in range(120)]
    assert requests_of(github) == 3


@pytest.mark.parametrize("place", [{"full_name": "mallory/bees"}, None])
def test_a_git_host_that_lists_others_too_is_not_believed(there, github, place):
    head = {"ref": "bot/x", "label": "acme:bot/x", "repo": place, "sha": "0" * 40}
    github.state["pulls"].append({"number": 1, "state": "open", "head": head})
    assert there.pull("bot/x") is None
    head["repo"] = {"full_name": "Acme/Bees"}
    assert there.pull("bot/x")["number"] == 1
    assert there.pull("bot/y") is None


@pytest.mark.parametrize(
    ("url", "name", "host"),
    [
        ("https://github.com/acme/bees.git", "acme/bees", "github.com"),
        ("https://user:secret@github.com/acme/bees", "acme/bees", "github.com"),
        ("git@github.com:acme/bees.git", "acme/bees", "github.com"),
        ("ssh://git@ssh.github.com:443/acme/bees.git/", "acme/bees", "ssh.github.com"),
        ("https://git.example.org/tea/acme/be.es.git", "acme/be.es", "git.example.org"),
    ],
)
def test_origin_names_the_repository(clone, monkeypatch, url, name, host):
    monkeypatch.delenv("GITHUB_REPOSITORY")
    git(clone, "remote", "set-url", "origin", url)
    assert client.place() == (name, host)


@pytest.mark.parametrize("name", ["bees", "a/b/c", "a/b;c", "../x?y", "a b/c"])
def test_a_name_that_is_no_repository_is_refused(github, monkeypatch, name):
    monkeypatch.setenv("GITHUB_REPOSITORY", name)
    with pytest.raises(UserError, match="GITHUB_REPOSITORY=owner/name"):
        client.connect()


def test_without_origin_it_asks_which_repository(clone, monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY")
    git(clone, "remote", "remove", "origin")
    with pytest.raises(UserError, match="git remote add origin"):
        client.connect()


def test_another_git_host_needs_its_address(clone, monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY")
    monkeypatch.delenv("GITHUB_API_URL")
    git(clone, "remote", "set-url", "origin", "https://git.example.org/acme/bees.git")
    with pytest.raises(UserError, match=r"https://git\.example\.org/api/v1 for Gitea"):
        client.connect()


def test_github_is_the_git_host_if_nothing_else_is_said(clone, monkeypatch):
    monkeypatch.delenv("GITHUB_API_URL")
    assert client.connect().patience.api == "https://api.github.com"


def tool(folder, text):
    """A program `gh` that is found first."""
    path = folder / "bin/gh"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)
    return str(path.parent)


def test_gh_knows_the_token_where_the_environment_does_not(github, monkeypatch, tmp_path):
    monkeypatch.delenv("GITHUB_TOKEN")
    said = "import sys; print('t-' + '-'.join(sys.argv[1:]))"
    monkeypatch.setenv("PATH", tool(tmp_path, said))
    assert client.token("github.com") == "t-auth-token---hostname-github.com"


@pytest.mark.parametrize("text", ["raise SystemExit(1)", "", None])
def test_a_missing_token_is_a_mistake(github, monkeypatch, tmp_path, text):
    monkeypatch.setenv("GITHUB_TOKEN", " ")
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty) if text is None else tool(tmp_path, text))
    with pytest.raises(UserError, match="set GITHUB_TOKEN, or run `gh auth login`"):
        client.connect()


def test_a_token_that_is_not_accepted_is_said(github, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "old")
    with pytest.raises(UserError, match="401 Bad credentials\nthe token is not accepted"):
        assert client.connect().facts


def test_a_token_never_shows_in_a_message(github, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_secret")
    for status in (401, 503, 0):
        github.fail("", status, times=99)
        with pytest.raises(UserError) as error:
            assert client.connect().facts
        assert "ghp_secret" not in str(error.value)
        github.state["failures"].clear()


def test_patience_is_a_number(github, monkeypatch):
    monkeypatch.setenv("GIT_HOST_PATIENCE", "long")
    with pytest.raises(UserError, match="GIT_HOST_PATIENCE"):
        client.connect()


def test_an_event_that_is_none_is_empty(tmp_path, monkeypatch):
    for text in ("", "[1]", "{"):
        (tmp_path / "event.json").write_text(text)
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
        assert client.event() == {}
    monkeypatch.delenv("GITHUB_EVENT_PATH")
    assert client.event() == {}


def test_only_two_modules_know_the_library():
    sources = Path(client.__file__).parents[1].rglob("*.py")
    knows = re.compile(r"(?m)^\s*(from|import) github\b")
    knowing = sorted(path.name for path in sources if knows.search(path.read_text("utf-8")))
    assert knowing == ["client.py", "waiting.py"]


def test_the_stand_in_runs_as_a_program(tmp_path):
    module = Path(fake_github.__file__)
    with subprocess.Popen(
        [sys.executable, str(module), "0", "--repository", "a/b"], stdout=subprocess.PIPE, text=True
    ) as process:
        address = process.stdout.readline().strip()
        there = client.GitHost("a/b", address, "workflow", 1)
        there.post("/labels", {"name": "retrain", "color": "ededed"})
        state = urllib.request.urlopen(f"{address}/_state").read()
        process.terminate()
    assert b'"retrain"' in state


def test_the_stand_in_refuses_what_github_refuses(github):
    assert isinstance(github, FakeGitHub)
    there = client.GitHost("acme/bees", github.url, "read", 1)
    with pytest.raises(Refused, match="not accessible by integration"):
        there.post("/labels", {"name": "x", "color": "ededed"})
    for path in ("/nothing", "/pulls/7", "/actions/workflows/none.yml/runs"):
        with pytest.raises(Refused, match="404"):
            there.get(path)
