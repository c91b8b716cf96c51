"""Commits that are made beside the working tree, and pushed. HEAD, index and files stay as is."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.git.runner import Failed, run

BOT = {
    "NAME": "github-actions[bot]",
    "EMAIL": "41898282+github-actions[bot]@users.noreply.github.com",
}
MOVED = re.compile(r"stale info|fetch first|non-fast-forward|cannot lock ref")
DENIED = re.compile(r"denied|permission|403|protected|could not read Username|Authentication", re.I)


class Moved(UserError):
    """Somebody else pushed to the branch meanwhile."""


def git(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """What a Git command prints, without the last newline; a Failed if it fails."""
    return run(*arguments, env=env).decode("utf-8", errors="replace").removesuffix("\n")


def identity() -> dict[str, str]:
    """The author's variables that nobody set: the workflow's bot."""
    return {
        f"GIT_{who}_{what}": value
        for what, value in BOT.items()
        if not repository.git("config", f"user.{what.lower()}")
        for who in ("AUTHOR", "COMMITTER")
        if not os.environ.get(f"GIT_{who}_{what}")
    }


def branch(name: str) -> str:
    """The name, if it can be a branch's."""
    if repository.git("check-ref-format", f"refs/heads/{name}") is None or name.startswith("-"):
        raise UserError(f"BRANCH={name!r} is no name of a branch")
    return name


def commit(tree: str, parent: str, title: str) -> str:
    """The sha of a new commit of a tree."""
    return git("commit-tree", tree, "-p", parent, "-m", title, env=identity())


def tree(name: str) -> str:
    """The sha of the tree of a commit."""
    return git("rev-parse", "--verify", "--end-of-options", f"{name}^{{tree}}")


def working_tree() -> str:
    """The sha of a tree with everything that lies here and is not ignored."""
    with TemporaryDirectory() as folder:
        index = Path(folder, "index")
        real = Path(git("rev-parse", "--git-path", "index"))
        if real.exists():  # What was added by force is meant.
            # With its time: Git reads again what is not older than the index, so that a file which
            # changed within a second, to another of the same size, is seen.
            shutil.copy2(real, index)
        env = {"GIT_INDEX_FILE": str(index)}
        git("add", "--all", "--", git("rev-parse", "--show-toplevel"), env=env)
        return git("write-tree", env=env)


def remote_head(name: str) -> str | None:
    """The head of a branch of origin, with its commits; None if there is no such branch."""
    if not git("ls-remote", "--heads", "origin", f"refs/heads/{name}"):
        return None
    git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin",
        f"+refs/heads/{name}:refs/ops/{name}")  # fmt: skip
    try:
        return git("rev-parse", "--verify", f"refs/ops/{name}")
    finally:
        git("update-ref", "-d", f"refs/ops/{name}")


def push(sha: str, name: str, before: str | None) -> None:
    """Make a commit the head of a branch of origin, if the head is `before` (None: no branch)."""
    lease = f"--force-with-lease=refs/heads/{name}:{before or ''}"
    try:
        # No hooks: they check a person's own push, and the branch is checked on the Git host.
        git("push", "--quiet", "--no-verify", lease, "origin", f"{sha}:refs/heads/{name}")
    except Failed as error:
        if MOVED.search(error.words):
            raise Moved(f"somebody else pushed to {name} just now: run this again") from None
        if "without `workflows` permission" in error.words:
            raise UserError(
                f"the push to {name} changes .github/workflows, which the workflow's own token may "
                "not: push it yourself"
            ) from None
        if DENIED.search(error.words):
            raise UserError(
                f"origin refuses the push to {name}: {' '.join(error.words.split())[-200:]}\n"
                "the job needs `contents: write` and a checkout that keeps its credentials"
            ) from None
        raise
