"""`mlgitops ci save`: what another job made is committed to a pull request's branch, if it may be.

The job that made it ran the pull request's code and could write nothing. This one can write, runs
the code of another commit, and takes a patch from the first: data, of which every path is checked.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from mlgitops.core.errors import UserError, join_names
from mlgitops.git import commits, repository
from mlgitops.git.commits import Moved, git
from mlgitops.git.runner import Failed, run
from mlgitops.github import client
from mlgitops.github.approvals import pull_of
from mlgitops.github.checkrun import start_check
from mlgitops.github.client import GitHost
from mlgitops.github.options import Branch, Changes, Head

PATCH = "changes.patch"
TITLE = "Update what the pipeline made"
PLAIN, NOTHING = "100644", "000000"
MADE = re.compile(
    r"dvc\.lock|data/[^/]+\.dvc|docs/(model-card|data-sheet)\.md|artifacts/([^./][^/]*/)*[^./][^/]*"
)
OBJECT = re.compile(r"store/(?:[^./][^/]*/)*files/md5/([0-9a-f]{2})/([0-9a-f]{30})(?:\.dir)?")


class Changed(NamedTuple):
    """A path of a patch: its modes and objects before and after, and A, M, D or T."""

    before: str
    after: str
    old: str
    new: str
    status: str
    path: str


def save(changes: Changes, branch: Branch = "", head: Head = "") -> None:
    """Commit a patch of what the pipeline made to a branch, and start the checks there.

    Without BRANCH it is that of the open pull request of HEAD, if it is this repository's.
    """
    patch = patch_path(changes)
    if patch is None:
        print("the patch is empty: nothing to save")
        return
    there, wanted = client.connect(), head_of_patch(head)
    branch = branch or branch_of(there, wanted)
    if not branch:
        print("no open pull request of a branch here has this head: nothing to save")
        return
    commits.branch(branch)
    if branch == there.facts["default_branch"]:
        raise UserError(f"BRANCH={branch}: what CI makes goes to a pull request's branch only")
    now = commits.remote_head(branch)
    if now is None:
        raise UserError(f"origin has no branch {branch}: was it deleted, or is it a fork's?")
    print(push_patch(there, branch, wanted or now, now, patch))


def branch_of(there: GitHost, head: str) -> str:
    """The branch of the open pull request with this head; "" if none, or if it is a fork's.

    A proposal that was dispatched may have no pull request yet: the Git host says its branch.
    """
    ended = client.event().get("workflow_run") or {}
    if ended.get("event") == client.DISPATCH and ended.get("head_sha") == head:
        branch = str(ended.get("head_branch") or "")
        return "" if branch == there.facts["default_branch"] else branch
    pull = pull_of(there, head)
    place = ((pull or {}).get("head") or {}).get("repo") or {}
    mine = str(place.get("full_name", "")).lower() == there.repository.lower()
    return str(pull["head"]["ref"]) if pull and mine else ""


def patch_path(changes: Path) -> Path | None:
    """The patch that a path or a folder names; None for an empty one, or a folder without one."""
    patch = changes / PATCH if changes.is_dir() else changes
    if patch.is_symlink():
        raise UserError(f"{patch} is a link: another job must not choose what is read here")
    if not patch.is_file():
        if changes.is_dir():
            return None
        raise UserError(f"CHANGES={changes} is not there")
    return patch.absolute() if patch.stat().st_size else None


def head_of_patch(given: str) -> str:
    """The commit that the patch was made for: HEAD, else the event's pull request's; "" if none."""
    pull = client.event().get("pull_request")
    sha = given or ((pull or {}).get("head") or {}).get("sha", "")
    return client.sha(str(sha)) if sha else ""


def push_patch(there: GitHost, branch: str, wanted: str, now: str, patch: Path) -> str:
    """Put the patch on the branch; what was done, in a line."""
    superseded = f"{branch} is at {now[:7]}: a newer push supersedes {wanted[:7]}; nothing is saved"
    if repository.commit(wanted) is None:
        return superseded
    tree = apply_patch(wanted, patch)
    if tree == commits.tree(wanted):
        return "the branch has this already: nothing to save"
    if now != wanted:
        if repository.commit(f"{now}^") != wanted or commits.tree(now) != tree:
            return superseded
        sha, done = now, f"{branch} has this already"  # A run that died before the dispatch.
    else:
        sha = commits.commit(tree, wanted, TITLE)
        try:
            commits.push(sha, branch, wanted)
        except Moved:
            return superseded
        done = f"saved on {branch}: {sha[:7]}"
    start_check(there, branch, sha)
    return done


def apply_patch(head: str, patch: Path) -> str:
    """The tree of a commit with a patch on it; a UserError names each path it must not touch."""
    with TemporaryDirectory() as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        git("read-tree", head, env=env)
        top = git("rev-parse", "--show-toplevel")
        try:
            git("-C", top, "apply", "--cached", "--whitespace=nowarn", str(patch), env=env)
        except Failed as error:
            words = " ".join(error.words.split())[:300]
            raise UserError(f"the patch does not fit {head[:7]}: {words}") from None
        tree = git("write-tree", env=env)
    reasons = list(refusals(differences(head, tree)))
    if reasons:
        raise UserError(f"the patch changes what CI must not save: {join_names(reasons)}")
    return tree


def differences(head: str, tree: str) -> list[Changed]:
    """What differs between a commit and a tree."""
    raw = git("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", head, tree)
    fields = raw.removesuffix("\0").split("\0") if raw else []
    return [
        Changed(*about.removeprefix(":").split(), path)  # type: ignore[call-arg]
        for about, path in zip(fields[::2], fields[1::2], strict=True)
    ]


def refusals(changes: list[Changed]) -> Iterator[str]:
    """The paths that must not be saved, each with the reason."""
    ignored = git_ignores([one.path for one in changes])
    for one in changes:
        name, stored = client.escape_commands(one.path), OBJECT.fullmatch(one.path)
        if not (stored or MADE.fullmatch(one.path)):
            yield f"{name} (only what the pipeline makes)"
        elif one.after not in (PLAIN, NOTHING) or one.before not in (PLAIN, NOTHING):
            yield f"{name} (mode {one.after}: plain files only)"
        elif one.path in ignored:
            yield f"{name} (Git ignores it)"
        elif stored and one.status != "A":
            yield f"{name} (objects in the store never change)"
        elif stored and md5(one.new) != stored[1] + stored[2]:
            yield f"{name} (its content is another one than its name says)"


def git_ignores(paths: list[str]) -> set[str]:
    """The paths that the .gitignore files of the trusted commit, which lies here, leave out."""
    top = git("rev-parse", "--show-toplevel")
    try:
        found = run(
            "check-ignore", "--no-index", "--stdin", "-z",
            given="\0".join(paths).encode(), folder=top,
        )  # fmt: skip
    except Failed:  # none is
        return set()
    return set(os.fsdecode(found).split("\0")) - {""}


def md5(blob: str) -> str:
    """The MD5 of an object of Git."""
    content = run("cat-file", "blob", blob)
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
