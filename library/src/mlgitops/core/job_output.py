"""The folder that one job leaves and another takes up: what was made, and the verdict on it."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from mlgitops.core.errors import Mistake
from mlgitops.core.files import remove, replacing
from mlgitops.git.repository import MADE

FOLDER = Path("result")
PATCH = FOLDER / "changes.patch"
REPORT = FOLDER / "report.md"
VERDICT = FOLDER / "gate.json"
# The first line of the report, by which its comment is found again.
MARKER = "<!-- report -->"


def start() -> None:
    """An empty folder."""
    remove(FOLDER)
    FOLDER.mkdir()


def write(path: Path, content: bytes) -> None:
    """One file of the folder."""
    with replacing(path) as part:
        part.write_bytes(content)


def tell(**facts: str | bool) -> None:
    """Give facts to the later steps and jobs of a workflow, if this is one's."""
    if output := os.environ.get("GITHUB_OUTPUT"):
        with Path(output).open("a", encoding="utf-8") as file:
            for name, fact in facts.items():
                text = str(fact).lower() if isinstance(fact, bool) else fact
                file.write(f"{name}={text}\n")


def keep_verdict(verdict: Path) -> None:
    """The gate's verdict, as it was written."""
    with replacing(VERDICT) as part:
        shutil.copyfile(verdict, part)


def keep_changes(*more: str) -> bool:
    """The difference to HEAD of what is made, and of more paths, as a patch; whether there is one.

    New files are in it too.
    """
    patch = _difference([*MADE, *more])
    if patch:
        write(PATCH, patch)
    return bool(patch)


def _difference(paths: list[str]) -> bytes:
    """In an index of its own: what a person has staged stays as it is."""
    with TemporaryDirectory() as folder:
        environment = os.environ | {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        there = [path for path in paths if Path(path).exists()]
        for command in (["read-tree", "HEAD"], ["add", "--all", "--", *there]):
            _git(command, environment)
        return _git(["diff", "--cached", "--binary", "--no-renames", "HEAD"], environment)


def _git(command: list[str], environment: dict[str, str]) -> bytes:
    call = ["git", *command]
    done = subprocess.run(call, capture_output=True, check=False, env=environment)  # noqa: S603
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise Mistake(f"git {command[0]} failed: {why[-1] if why else 'no reason given'}")
    return done.stdout
