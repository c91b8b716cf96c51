"""The folder that one job leaves and another takes up: what was made, and the verdict on it."""

import os
import shutil
from pathlib import Path

from mlgitops.core.files import remove, replacing

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
