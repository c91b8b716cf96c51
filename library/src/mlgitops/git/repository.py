"""What Git and the store know of a commit."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mlgitops.core import paths
from mlgitops.core.errors import UserError
from mlgitops.core.files import replacing
from mlgitops.git.runner import Failed, run

IGNORE = Path(".dvcignore")
LOCK = paths.LOCK.as_posix()
# What a verdict rests on.
JUDGED = (
    LOCK, *map(str, (paths.PARAMS, paths.RULES, paths.SCHEMA, paths.PROJECT)),
    paths.CODE.as_posix(), "artifacts",
)  # fmt: skip
SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
BEGINNING = re.compile(r"[0-9a-f]{7,63}")
HEAD = re.compile(r"HEAD([~^]\d*)*")


class Commit(NamedTuple):
    """A commit; `when` is the author's time in ISO 8601."""

    sha: str
    subject: str
    author: str
    when: str
    parents: tuple[str, ...]


class Lock(NamedTuple):
    """dvc.lock: MD5 of artifacts/model and of the raw data, SHA-256 of the text, and all of it."""

    model: str | None
    data: str | None
    digest: str
    stages: dict[str, Any]

    def hash(self, path: Path) -> str | None:
        """The MD5 of a file or folder that a stage reads or writes."""
        return hashes(self.stages).get(path.as_posix())


def git(*arguments: str, given: str = "") -> str | None:
    """What a git command prints, with `given` on its standard input; None if it fails."""
    try:
        found = run(*arguments, given=given.encode())
    except Failed:
        return None
    return found.decode("utf-8", errors="replace")


def commit(name: str) -> str | None:
    """The sha of the commit that a branch, tag or sha names; None if there is none."""
    found = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return found.strip() if found else None


def head() -> str:
    """The sha of the commit that is checked out."""
    found = commit("HEAD")
    if found is None:
        raise UserError("there is no commit yet: git add --all && git commit --message Start")
    return found


def fork(base: str, head: str = "HEAD") -> str | None:
    """Where HEAD, or another commit, left a branch or a commit; None if there is none of the name.

    A commit is a sha, its beginning, or HEAD~2: never a tag, which could have a branch's name.
    """
    here, remote = f"refs/heads/{base}", f"refs/remotes/origin/{base}"
    sha = commit(base) if SHA.fullmatch(base) else head_of(here) or head_of(remote)
    sha = sha or commit_of(base)
    if sha is None:
        return None
    found = git("merge-base", head, sha)
    return found.strip() if found else sha


def head_of(branch: str) -> str | None:
    """The sha of a branch by its full name, refs/…; None if there is none.

    Of any other name Git would take a tag first, which whoever may push can make.
    """
    found = git("show-ref", "--verify", "--hash", "--", branch)
    return found.strip() if found else None


def commit_of(name: str) -> str | None:
    """The sha of the commit that HEAD~2 or the beginning of a sha names; None if there is none."""
    if HEAD.fullmatch(name):
        return commit(name)
    if not BEGINNING.fullmatch(name):
        return None
    objects = (git("rev-parse", f"--disambiguate={name}") or "").split()  # it looks at no names
    found = [one for one in objects if (git("cat-file", "-t", one) or "").strip() == "commit"]
    return found[0] if len(found) == 1 else None


def text(commit: str, path: str) -> str | None:
    """A file of a commit; None if it is not there."""
    return git("show", "--end-of-options", f"{commit}:{path}")


def parse_lock(lock: str) -> Lock:
    """The text of a dvc.lock."""
    stages: dict[str, Any] = (yaml.load(lock, yaml.CSafeLoader) or {}).get("stages") or {}
    known = hashes(stages)
    digest = hashlib.sha256(lock.encode()).hexdigest()
    model, data = (known.get(path.as_posix()) for path in (paths.MODEL, paths.RAW))
    return Lock(model, data, digest, stages)


def hashes(stages: dict[str, Any]) -> dict[str, str | None]:
    """The MD5 of every path that the stages of a dvc.lock read or write."""
    return {
        entry["path"]: entry.get("md5")
        for stage in stages.values()
        for entry in [*stage.get("deps", ()), *stage.get("outs", ())]
    }


def lock(commit: str) -> Lock | None:
    """dvc.lock of a commit; None if it has none."""
    found = text(commit, LOCK)
    return None if found is None else parse_lock(found)


def training_commits(branch: str = "HEAD") -> list[Commit]:
    """The commits that changed dvc.lock, on the branch and on what it merged, oldest first."""
    form = "--format=%H%x00%s%x00%an%x00%aI%x00%P"
    order = ("--reverse", "--date-order", "--full-history")
    found = git("log", "-z", form, *order, "--end-of-options", branch, "--", LOCK)
    if found is None:
        raise UserError(f"there is no branch or commit {branch!r}")
    fields = found.removesuffix("\0").split("\0") if found else []
    commits = [
        Commit(sha, subject, author, when, tuple(parents.split()))
        for sha, subject, author, when, parents in zip(*[iter(fields)] * 5, strict=True)
    ]
    return [one for one in commits if len(one.parents) < 2 or not _inherits_lock(one)]


def _inherits_lock(merge: Commit) -> bool:
    """Whether a merge has the dvc.lock of one of its parents."""
    names = [f"{sha}:{LOCK}" for sha in (merge.sha, *merge.parents)]
    own, *others = (git("rev-parse", "--verify", "--quiet", name) for name in names)
    return own in others


@lru_cache(maxsize=4)
def _files(project: Path, commit: str) -> Any:
    from dvc.api import DVCFileSystem
    from dvc.config import Config

    # The store is where today's configuration says, also for commits from before a move.
    today = Config.from_cwd()
    return DVCFileSystem(
        str(project), rev=commit, config={"core": today["core"], "remote": today["remote"]}
    )


def fetch(commit: str, path: str, into: Path) -> Path | None:
    """An output of a commit, a file or a folder, copied to the folder `into`.

    It comes from the cache or from the store; None if neither has it. DVC takes an object for
    what its name says, so what it holds is compared with dvc.lock of the commit.
    """
    target, known = into / Path(path).name, lock(commit)
    wanted = known.hash(Path(path)) if known else None
    try:
        with replacing(target) as part:
            _files(Path.cwd(), commit).get(path, str(part), recursive=True)
            check_content(f"{path} of {commit[:7]}", part, wanted)
    except UserError:
        raise
    except Exception as error:
        if _is_gone(error):
            return None
        why = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} of {commit[:7]} cannot be fetched from the store: {why}"
        ) from error
    return target


def check_content(name: str, path: Path, wanted: str | None) -> None:
    """Refuse a file or folder that holds something else than its MD5 says, if it has one."""
    if wanted and content(path) != wanted:
        raise UserError(
            f"{name}: the object in the store does not match its name: it is {content(path)}, not "
            f"{wanted}. Delete it, and `dvc push` from a machine that has the right one"
        )


def _is_gone(error: BaseException | None) -> bool:
    # DVC wraps the reason; another one, such as a store out of reach, is no missing object.
    return isinstance(error, FileNotFoundError) or (
        error is not None and _is_gone(error.__cause__ or error.__context__)
    )


def content(path: Path) -> str:
    """The MD5 that DVC gives to what a file or a folder holds."""
    if path.is_dir():
        ignored = ignore_rule()
        files = (file for file in path.rglob("*") if file.is_file() and not ignored(file))
        return digest({file.relative_to(path).as_posix(): file.read_bytes() for file in files})
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def ignore_rule() -> Callable[[Path], bool]:
    """Whether .dvcignore leaves a file out of the folder that it is in, as caches."""
    if not IGNORE.exists():
        return lambda _: False
    from pathspec import GitIgnoreSpec

    patterns = GitIgnoreSpec.from_lines(IGNORE.read_text("utf-8").splitlines())
    here = Path.cwd()

    def is_ignored(file: Path) -> bool:
        path = file.relative_to(here) if file.is_absolute() and file.is_relative_to(here) else file
        return not path.is_absolute() and patterns.match_file(path.as_posix())

    return is_ignored


def digest(files: Mapping[str, bytes]) -> str:
    """The MD5 that DVC gives to a folder of these files, by their paths in it."""
    listing = [
        {"md5": hashlib.md5(files[path], usedforsecurity=False).hexdigest(), "relpath": path}
        for path in sorted(files)
    ]
    text = json.dumps(listing).encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"


def mainline() -> str:
    """The sha of main: the remote's, as it was fetched last, where there is one."""
    for name in ("refs/remotes/origin/main", "refs/heads/main"):
        if found := head_of(name):
            return found
    raise UserError("there is no branch main here: git fetch origin main, or git branch main")


def within(commit: str, later: str) -> bool:
    """Whether a commit is another one or came before it."""
    return git("merge-base", "--is-ancestor", commit, later) is not None


def is_merged(commit: str) -> bool:
    """Whether a commit is part of main."""
    return within(commit, mainline())


def verdict_commit() -> str | None:
    """The sha of HEAD if what a verdict rests on is as HEAD has it; None if it is changed."""
    clean = git("diff", "--quiet", "HEAD", "--", *JUDGED) is not None
    new = git("ls-files", "--others", "--exclude-standard", "--", paths.CODE.as_posix())
    return commit("HEAD") if clean and not new else None


def changes(*pathspecs: str) -> list[str]:
    """The files that no commit has as they are here, new ones too, below the given paths.

    A person may have told Git not to show new ones (status.showUntrackedFiles); they count.
    """
    options = ("--porcelain", "-z", "--no-renames", "--untracked-files=normal")
    found = git("status", *options, "--", *pathspecs)
    if found is None:
        raise UserError("git status fails here: run this in the project's folder, a Git repository")
    return [entry[3:] for entry in found.split("\0") if entry]


def shallow() -> bool:
    """Whether this clone has only the newest commits."""
    return (git("rev-parse", "--is-shallow-repository") or "").strip() == "true"
