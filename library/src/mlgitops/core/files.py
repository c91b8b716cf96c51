"""Files appear whole or not at all; a lock keeps two commands from making one at once."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlgitops.core.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; it takes its place when the block ends without an error.

    A folder takes the place of a folder, a file never does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    remove(part)  # What a killed run left.
    try:
        yield part
        if path.is_dir() and part.is_dir():
            shutil.rmtree(path)
        part.replace(path)
    finally:
        remove(part)


@contextmanager
def alone(path: Path, refusal: str = "") -> Iterator[None]:
    """Hold the lock beside `path` in the block; who else holds it is waited for, or refused.

    The system takes the lock from a process that dies.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if refusal:
            raise UserError(refusal) from None
        print(f"waiting for another command that writes {path.name}", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def copy(made: Path, place: Path) -> None:
    """A copy of a file or a folder in a place where nothing is yet; its parents are made."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if made.is_dir():
        shutil.copytree(made, place)
    else:
        shutil.copyfile(made, place)


def write_json(value: Any, path: Path) -> None:
    """Strict JSON, one key a line, so that a diff shows what changed."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with replacing(path) as part:
        part.write_text(text + "\n", encoding="utf-8")
