"""`mlgitops vendor`: whether vendor/mlgitops is the library as it was released, unedited.

MANIFEST in the release names every file of it with its SHA-256, in the form of sha256sum.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import yaml

from mlgitops.core.errors import UserError, join_names

FOLDER = Path("vendor/mlgitops")
MANIFEST = "MANIFEST"
RECORD = Path(".mlgitops.yaml")  # says the SHA-256 of that manifest
CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def entries(manifest: str) -> dict[str, str]:
    """The SHA-256 of each file that a manifest names."""
    return {
        path: digest for digest, _, path in (one.partition("  ") for one in manifest.splitlines())
    }


def files(folder: Path) -> Iterator[str]:
    """The files of a release as they lie there, but caches and the manifest."""
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and not CACHES & set(place.parts) and place.as_posix() != MANIFEST:
            yield place.as_posix()


def digest(path: Path) -> str:
    """The SHA-256 of a file, whatever line ends a checkout gave it."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def edits(folder: Path) -> list[str]:
    """What is not as it was released: a line a file that was changed, added or taken away."""
    try:
        wanted = entries((folder / MANIFEST).read_text("utf-8"))
    except OSError:
        raise UserError(f"{folder / MANIFEST} is not there: git restore vendor") from None
    there = set(files(folder))
    changed = [path for path in wanted if path in there and digest(folder / path) != wanted[path]]
    return [
        *(f"{path} was edited" for path in changed),
        *(f"{path} is missing" for path in wanted if path not in there),
        *(f"{path} was added" for path in sorted(there) if path not in wanted),
    ]


def record_problems() -> list[str]:
    """What is wrong with the manifest itself, by the project's record of it."""
    try:
        known = yaml.safe_load(RECORD.read_text("utf-8"))["vendor"]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return [f"{RECORD} does not say which release it is"]
    return [] if known == digest(FOLDER / MANIFEST) else [f"{MANIFEST} is not that of {RECORD}"]


def vendor() -> None:
    """Refuse edits of vendor/mlgitops: an upgrade would undo them, and nobody reviews them."""
    found = edits(FOLDER) or record_problems()
    if found:
        raise UserError(
            f"{FOLDER} must stay as it was released, but was changed: {join_names(found)}\n"
            f"`git restore {FOLDER.as_posix()}`, and put the project's own code in src/ml"
        )
    print(f"{FOLDER}: as released")
