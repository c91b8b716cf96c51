"""`make pipeline`: run what changed, then store what came out."""

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from mlgitops.core import paths
from mlgitops.core.errors import UserError
from mlgitops.stores import transfer

# What is in the store, and which store: dvc.lock and the data's hash, the configuration.
VERSIONS = (paths.LOCK, paths.POINTER, Path(".dvc/config"), Path(".dvc/config.local"))
STORE = Path("store")  # where it is a folder
CODE = ("src", "tests")
ADVICE = "Use `dvc push` to send your updates to remote storage."  # which comes next
ABANDONED = 600  # seconds since a push has written a file
PUSHED = Path(".dvc/tmp/pushed")  # the digest of the state that the store is known to have


def pipeline(
    force: Annotated[bool, typer.Option(help="Run every stage, changed or not.")] = False,
) -> None:
    """Run the stages whose inputs changed, then store the outputs.

    `dvc repro` and `dvc push` in one process, because starting DVC takes longer than a push.
    """
    from dvc.cli import main

    format_code()
    with silence(ADVICE):
        code = main(["repro", *["--force"] * force])
    if code != 0:
        raise UserError(
            "a stage failed; the reason is above. Fix it, then `make pipeline`; your changes are "
            "kept"
        )
    if PUSHED.exists() and PUSHED.read_text("utf-8") == state():
        return
    clear_store()
    transfer.push()
    PUSHED.write_text(state(), encoding="utf-8")


def clear_store() -> None:
    """Delete what a push left in store/ that was killed, or that found the disk full."""
    for path in STORE.rglob(".*.tmp"):
        if time.time() - path.stat().st_mtime > ABANDONED:
            path.unlink(missing_ok=True)


def format_code() -> None:
    """Format the project's code before it trains, so that a commit's hook changes nothing of it.

    An environment that only trains has no ruff, and commits nothing either.
    """
    folder = Path(sys.executable).parent
    if program := shutil.which("ruff", path=folder):
        for words in (("check", "--fix-only", "--exit-zero"), ("format",)):
            subprocess.run([program, *words, "--quiet", *CODE], check=False)  # noqa: S603


@contextmanager
def silence(line: str) -> Iterator[None]:
    """Within the block DVC does not print this line."""
    from dvc.ui import ui

    write = ui.write
    ui.write = lambda *texts, **how: None if texts == (line,) else write(*texts, **how)
    try:
        yield
    finally:
        ui.write = write


def state() -> str:
    """A digest of what the store should have, where it is, and what is seen of it here."""
    found = hashlib.sha256()
    for path in VERSIONS:
        found.update(path.read_bytes() if path.exists() else b"")
    for path in sorted(STORE.rglob("*")):
        found.update(path.as_posix().encode())
    return found.hexdigest()
