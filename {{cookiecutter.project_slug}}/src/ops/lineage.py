"""Where a commit comes from: what trained its model, on which branch, by which code."""

import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from ops.history import git

MERGED = (re.compile(r"^Merge (?:remote-tracking )?branch '([^']+)'"),
          re.compile(r"^Merge pull request \S+ from [^/\s]+/(\S+)"))  # fmt: skip


def origin(commit: str) -> str | None:
    """The trained commit that a commit has its dvc.lock from, which may be itself."""
    found = git("rev-list", "-1", "--end-of-options", commit, "--", "dvc.lock")
    return (found or "").strip() or None


def current() -> str:
    """The branch that is checked out; else a remote's branch at this commit, or ""."""
    name = (git("branch", "--show-current") or "").strip()
    here = git("for-each-ref", "--points-at=HEAD", "--format=%(refname:lstrip=3)", "refs/remotes")
    return name or next((line for line in (here or "").splitlines() if line != "HEAD"), "")


def branches() -> dict[str, str]:
    """The branch of each commit of HEAD's history: the current one's, or as its merge names it."""
    found = git("log", "--topo-order", "--format=%H%x1f%P%x1f%s") or ""
    entries = [line.split("\x1f", 2) for line in found.splitlines()]
    parents = {sha: before.split() for sha, before, _ in entries}
    subjects = {sha: subject for sha, _, subject in entries}
    chain = next(iter(parents), None)
    named: dict[str, str] = {}
    merges = []
    while chain:
        named[chain] = current() if not named else next(iter(named.values()))
        merges.append(chain)
        chain = next(iter(parents.get(chain, [])), None)
    for merge in reversed(merges):
        _name(parents[merge][1:], merged(subjects[merge]), parents, named)
    return named


def folder(commit: str, path: str, into: Path) -> Path:
    """A folder of a commit as Git has it, copied below `into`."""
    command = ["git", "archive", "--format=tar", commit, path]
    archive = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(into, filter="data")
    return into / path


def merged(subject: str) -> str:
    """The branch that the subject of a merge names; "" if it names none."""
    return next((found[1] for one in MERGED if (found := one.match(subject))), "")


def _name(
    todo: list[str], branch: str, parents: dict[str, list[str]], named: dict[str, str]
) -> None:
    while todo:
        commit = todo.pop()
        if commit in parents and commit not in named:
            named[commit] = branch
            todo += parents[commit]
