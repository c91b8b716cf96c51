"""Where a commit comes from: what trained its model, on which branch, by which code."""

import re
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from mlgitops.core import paths
from mlgitops.git.repository import git
from mlgitops.git.runner import run

MERGED = (re.compile(r"^Merge (?:remote-tracking )?branch '([^']+)'"),
          re.compile(r"^Merge pull request \S+ from [^/\s]+/(\S+)"))  # fmt: skip
REQUEST = re.compile(r"^Merge pull request #(\d+) |\(#(\d+)\)$")


def origin(commit: str) -> str | None:
    """The trained commit that a commit has its dvc.lock from, which may be itself."""
    found = git("rev-list", "-1", "--end-of-options", commit, "--", paths.LOCK.as_posix())
    return (found or "").strip() or None


def current() -> str:
    """The branch that is checked out; else a remote's branch at this commit, or ""."""
    name = (git("branch", "--show-current") or "").strip()
    here = git("for-each-ref", "--points-at=HEAD", "--format=%(refname:lstrip=3)", "refs/remotes")
    return name or next((line for line in (here or "").splitlines() if line != "HEAD"), "")


def merges() -> dict[str, str]:
    """The subject of the merge by which a commit came to HEAD's own line, for those that did."""
    found = git("log", "--topo-order", "--format=%H%x1f%P%x1f%s") or ""
    entries = [line.split("\x1f", 2) for line in found.splitlines()]
    parents = {sha: before.split() for sha, before, _ in entries}
    subjects = {sha: subject for sha, _, subject in entries}
    line = list(_line(next(iter(parents), ""), parents))
    own, brought = set(line), {}
    for merge in reversed(line):
        todo = parents[merge][1:]
        while todo:
            commit = todo.pop()
            if commit in parents and commit not in own and commit not in brought:
                brought[commit] = subjects[merge]
                todo += parents[commit]
    return brought


def _line(commit: str, parents: dict[str, list[str]]) -> Iterator[str]:
    """The first parents of a commit, itself first."""
    while commit in parents:
        yield commit
        commit = next(iter(parents[commit]), "")


def folder(commit: str, path: str, into: Path) -> Path:
    """A folder of a commit as Git has it, copied below `into`."""
    archive = run("archive", "--format=tar", commit, path)
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(into, filter="data")
    return into / path


def branch(merge: str) -> str:
    """The branch that the subject of a merge names; "" if it names none."""
    return next((found[1] for one in MERGED if (found := one.match(merge))), "")


def request(subject: str) -> str:
    """The number of the pull request that a subject names; "" if it names none."""
    found = REQUEST.search(subject)
    return found[1] or found[2] if found else ""
