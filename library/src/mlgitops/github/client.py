"""The Git host by REST: GitHub, Enterprise Server or Gitea. Only `waiting` knows PyGithub too."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.github.waiting import Patience, Refused

PUBLIC = "https://api.github.com"
PATIENCE = "120"  # seconds of waiting for a Git host that is down or limits requests
TIMEOUT = 15  # seconds of one request
PAGE = 50  # entries; the most that Gitea gives
LONGEST = 60_000  # characters; GitHub takes 65,536
CUT = "\n\n(cut: the rest is too long for a Git host)\n"
DISPATCH = "workflow_dispatch"
NAME = re.compile(r"[\w.-]+/[\w.-]+")
SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class GitHost:
    """A repository on a Git host. Every method waits and tries again while it is not itself."""

    def __init__(self, repository: str, api: str, token: str, patience: float) -> None:
        """Name the repository (owner/name) and the API's address; nothing is asked yet."""
        from github import Auth, Github

        self.repository, self.patience = repository, Patience(patience, api)
        self.requester = Github(
            auth=Auth.Token(token), base_url=api, retry=None, timeout=TIMEOUT,
            seconds_between_requests=None, seconds_between_writes=None,
        ).requester  # fmt: skip

    def call(self, verb: str, path: str, body: Any = None, **query: Any) -> tuple[Any, Any]:
        """Headers and content of an answer; `path` is below the repository, or starts at //."""
        start = f"/repos/{self.repository}"
        url = path[1:] if path.startswith("//") else start + path

        found: tuple[Any, Any] = self.patience.ask(
            lambda: self.requester.requestJsonAndCheck(
                verb, url, parameters=query or None, input=body
            ),
            f"{verb} {path}",
        )
        return found

    def get(self, path: str, **query: Any) -> Any:
        """The content of one answer."""
        return self.call("GET", path, **query)[1]

    def pages(self, path: str, key: str = "", **query: Any) -> Iterator[Any]:
        """The entries of a list, or of the list under a key, page after page."""
        for page in count(1):
            sizes = {"per_page": PAGE, "limit": PAGE, "page": page}
            headers, found = self.call("GET", path, **query, **sizes)
            yield from found[key] if key and isinstance(found, dict) else found  # Gitea: a list
            if 'rel="next"' not in headers.get("link", ""):
                return

    def post(self, path: str, body: Any) -> Any:
        """The content of the answer to a POST."""
        return self.call("POST", path, body)[1]

    def patch(self, path: str, body: Any) -> Any:
        """The content of the answer to a PATCH."""
        return self.call("PATCH", path, body)[1]

    def put(self, path: str, body: Any) -> Any:
        """The content of the answer to a PUT."""
        return self.call("PUT", path, body)[1]

    def delete(self, path: str) -> None:
        """Delete what a path names."""
        self.call("DELETE", path)

    @cached_property
    def facts(self) -> Any:
        """What the host says of the repository: default_branch, html_url, permissions and more."""
        return self.get("")

    def pull(self, branch: str, state: str = "open") -> Any:
        """The newest pull request of a branch of this repository, not of a fork; None if none."""
        owner = self.repository.split("/")[0]
        for one in self.pages("/pulls", state=state, head=f"{owner}:{branch}"):
            place = (one["head"].get("repo") or {}).get("full_name", "")
            if one["head"]["ref"] == branch and place.lower() == self.repository.lower():
                return one
        return None

    def dispatch(self, workflow: str, branch: str, **inputs: str) -> None:
        """Start a workflow on a branch: pushes by a workflow's own token start none."""
        more = {"inputs": inputs} if inputs else {}
        self.post(f"/actions/workflows/{workflow}/dispatches", {"ref": branch, **more})

    def has_dispatch(self, workflow: str, sha: str) -> bool:
        """Whether a workflow was dispatched on a commit; False where the Git host does not say.

        A pull request's own run does not count: it may wait for a person's approval forever.
        """
        path = f"/actions/workflows/{workflow}/runs"
        try:
            found = self.get(path, head_sha=sha, event=DISPATCH)
        except Refused:
            return False
        return any(run.get("event") == DISPATCH for run in found.get("workflow_runs") or ())

    def automerge(self, pull: Any) -> None:
        """Merge a pull request once its checks pass; GitHub's GraphQL only."""
        method = "MERGE" if self.facts.get("allow_merge_commit", True) else "SQUASH"
        wanted = {"pullRequestId": pull.get("node_id"), "mergeMethod": method}
        self.patience.ask(
            lambda: self.requester.graphql_named_mutation(
                "enablePullRequestAutoMerge", wanted, "clientMutationId"
            ),
            "auto-merge",
        )


def token(host: str) -> str:
    """GITHUB_TOKEN, else what `gh auth token` knows for the host."""
    if given := os.environ.get("GITHUB_TOKEN", "").strip():
        return given
    try:
        done = subprocess.run(  # noqa: S603
            ["gh", "auth", "token", "--hostname", host],  # noqa: S607
            capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip
    except FileNotFoundError:
        done = None
    if done and done.returncode == 0 and done.stdout.strip():
        return done.stdout.strip()
    raise UserError("no token: set GITHUB_TOKEN, or run `gh auth login`; docs/github.md")


def place() -> tuple[str, str]:
    """GITHUB_REPOSITORY, else the name in the URL of origin; with its address, "" if unsaid."""
    if given := os.environ.get("GITHUB_REPOSITORY", "").strip():
        name, host = given, ""
    else:
        url = (repository.git("remote", "get-url", "origin") or "").strip()
        if "://" not in url:  # git@host:owner/name
            url = re.sub(r"^([^/:]+):", r"ssh://\1/", url)
        parts = urlsplit(url)
        name = "/".join(parts.path.strip("/").split("/")[-2:])
        port = f":{parts.port}" if parts.port and parts.scheme in ("http", "https") else ""
        host = (parts.hostname or "") + port
        host = f"http://{host}" if parts.scheme == "http" else host
        name = name.removesuffix(".git")
    if not NAME.fullmatch(name):
        raise UserError(
            "say which repository: set GITHUB_REPOSITORY=owner/name, or: git remote add origin URL"
        )
    return name, host


def connect() -> GitHost:
    """The repository that the environment or origin names, on the Git host at GITHUB_API_URL."""
    name, host = place()
    api = os.environ.get("GITHUB_API_URL", "").strip().rstrip("/")
    if not api and host not in ("", "github.com", "ssh.github.com"):
        start = host if "://" in host else f"https://{host}"
        raise UserError(
            f"origin is at {host}: set GITHUB_API_URL, {start}/api/v3 for GitHub Enterprise "
            f"Server, {start}/api/v1 for Gitea"
        )
    host = host.rpartition("//")[2].partition(":")[0]
    known = host.removeprefix("ssh.") or urlsplit(api or PUBLIC).hostname or ""
    return GitHost(name, api or PUBLIC, token(known.removeprefix("api.")), patience())


def patience() -> float:
    """GIT_HOST_PATIENCE: the seconds of waiting that a command may take for the Git host."""
    given = os.environ.get("GIT_HOST_PATIENCE") or PATIENCE
    try:
        return float(given)
    except ValueError:
        raise UserError(f"GIT_HOST_PATIENCE is {given!r}, not a number of seconds") from None


def body(path: str) -> str:
    """The text of a file, as long as a Git host takes it."""
    if Path(path).is_symlink():
        raise UserError(f"BODY={path} is a link: another job must not choose what is read here")
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"BODY={path} cannot be read: {error}") from None
    return text if len(text) <= LONGEST else text[:LONGEST] + CUT


def escape_commands(value: object) -> str:
    """What others wrote, for a log: on one line, in which a workflow's runner sees no command."""
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(value))
    return re.sub(r":(?=:)|##(?=\[)", r"\g<0> ", text)


def page(text: str) -> bool:
    """Add text to the page of the workflow's run; False outside of one."""
    there = os.environ.get("GITHUB_STEP_SUMMARY")
    if there:
        with Path(there).open("a", encoding="utf-8") as file:
            file.write(text.rstrip("\n") + "\n")
    return bool(there)


def summary(text: str) -> None:
    """Add text to the page of the workflow's run; outside of one, print it."""
    if not page(text):
        print(text.rstrip("\n"))


def event() -> dict[str, Any]:
    """What started the workflow; empty outside of one."""
    try:
        found = json.loads(Path(os.environ.get("GITHUB_EVENT_PATH", "")).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sha(given: str) -> str:
    """HEAD, if it is the whole sha of a commit."""
    if not SHA.fullmatch(given):
        raise UserError(f"HEAD={given!r} is not the sha of a commit")
    return given


def quote_name(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")
