"""The folder that one job leaves and another takes up: what was made, and the verdict on it."""

import os
import shutil
from pathlib import Path
from typing import Final

from mlgitops.core import paths
from mlgitops.core.files import copy, remove, replacing

FOLDER = Path("result")
PATCH = FOLDER / "changes.patch"
REPORT = FOLDER / "report.md"
VERDICT = FOLDER / "gate.json"
# What the verdict rests on beside the patch, for the job that judges.
OUTPUTS = FOLDER / "outputs"
HANDED_OVER = (paths.RAW, paths.TRAIN, paths.TEST, paths.MODEL)
# The folder that the judging job leaves: verdict.json, report.md, changes.patch.
JUDGED = Path("verdict")
# In the job that judges: the checkout of the change, and what is known of images that it would run.
CHANGE = Path("change")
IMAGES = Path("images.json")
# Words of a verdict that the job which publishes it looks for.
WAITS: Final = "needs approval"
RULES_CHANGED: Final = "rules changed"
# The first line of the report, by which its comment is found again.
MARKER = "<!-- report -->"


def start(folder: Path = FOLDER) -> None:
    """An empty folder."""
    remove(folder)
    folder.mkdir()


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


def keep_outputs() -> None:
    """What the verdict rests on, as far as it is there."""
    for name in HANDED_OVER:
        if name.exists():
            copy(name, OUTPUTS / name)
