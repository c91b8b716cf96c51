"""What Git remembers: commits, their files, what was trained, what was released."""

import hashlib
import subprocess
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import yaml

from ml.errors import Mistake

# In C where it was built so: ten times as fast.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FORMAT = "%H%x1f%s%x1f%an%x1f%aI%x1f%P%x1e"


class Commit(NamedTuple):
    """A commit; `parents` are the hashes of the commits before it."""

    sha: str
    subject: str
    author: str
    when: datetime
    parents: tuple[str, ...]


class Lock(NamedTuple):
    """A dvc.lock: md5 of artifacts/model and of data/raw.parquet; sha256 of the text."""

    model: str | None
    data: str | None
    digest: str


def git(*arguments: str) -> str | None:
    """What `git` prints; None if it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    return None if done.returncode else done.stdout.decode("utf-8", errors="replace")


def archive(commit: str, path: str) -> bytes:
    """A folder of a commit as a tar file, by its path in the project."""
    done = subprocess.run(
        ["git", "archive", "--format=tar", commit, path], capture_output=True, check=True
    )
    return done.stdout


def head() -> str:
    """The hash of the commit that is checked out."""
    found = git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if found is None:
        raise Mistake("there is no commit yet: git add --all && git commit")
    return found.strip()


def text(commit: str, path: str) -> str | None:
    """A file of a commit; None if it has none of that name."""
    return git("show", f"{commit}:./{path}")


def lock(commit: str) -> Lock | None:
    """The dvc.lock of a commit; None if it has none."""
    found = text(commit, "dvc.lock")
    if found is None:
        return None
    parsed = yaml.load(found, LOADER)  # noqa: S506 - both loaders are safe
    stages = (parsed or {}).get("stages", {}).values()
    files = {
        one["path"]: one["md5"]
        for kind in ("deps", "outs")
        for stage in stages
        for one in stage.get(kind, [])
    }
    digest = hashlib.sha256(found.encode()).hexdigest()
    return Lock(files.get("artifacts/model"), files.get("data/raw.parquet"), digest)


def trained(branch: str = "HEAD") -> list[Commit]:
    """The commits whose dvc.lock differs from all of their parents', oldest first."""
    found = git("log", "--full-history", "--topo-order", "--reverse", f"--format={FORMAT}",
                branch, "--", "dvc.lock")  # fmt: skip
    return [_commit(entry) for entry in (found or "").split("\x1e") if entry.strip()]


def _commit(entry: str) -> Commit:
    sha, subject, author, when, parents = entry.strip("\n").split("\x1f")
    return Commit(sha, subject, author, datetime.fromisoformat(when), tuple(parents.split()))


def fetch(commit: str, path: str, into: Path) -> Path | None:
    """A file or folder of a commit that DVC tracks, copied into a folder; None if it is gone."""
    from dvc.api import DVCFileSystem

    target = into / Path(path).name
    try:
        DVCFileSystem(rev=commit).get(path, str(target), recursive=True)
    except FileNotFoundError:
        return None
    return target


def release(environment: str, commit: str = "HEAD") -> dict[str, str] | None:
    """The lines of deploy/<environment>/release.env by name; None before the first release."""
    found = text(commit, f"deploy/{environment}/release.env")
    if not found:
        return None
    lines = (line.partition("=") for line in found.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in lines}


def champion() -> str | None:
    """The commit whose model production runs, else staging; None before the first release."""
    for environment in ("production", "staging"):
        if commit := (release(environment) or {}).get("COMMIT"):
            return commit
    return None
