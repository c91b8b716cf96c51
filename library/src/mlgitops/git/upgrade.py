"""`make upgrade`: another release of the library into vendor/, from the template's repository."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
import yaml

from mlgitops.core import vendor
from mlgitops.core.errors import UserError, join_names
from mlgitops.core.files import replacing
from mlgitops.core.pipeline_version import PIPELINE
from mlgitops.git import commits

RECORD = vendor.RECORD
ADDRESS = re.compile(r"(https?|ssh|git)://|[\w.-]+@[\w.-]+:")
PIPELINE_IN = re.compile(r"^PIPELINE = (\d+)$", re.M)
VERSION_IN = re.compile(r'^version = "(.+)"$', re.M)


def upgrade(
    template: Annotated[
        str, typer.Option(help="URL or folder of the template; without it, what made the project.")
    ] = "",
    version: Annotated[
        str, typer.Option(help="A tag or branch of it; without it, the newest commit.")
    ] = "",
) -> None:
    """Replace vendor/mlgitops by another release, and remember which; nothing else is changed."""
    if found := vendor.edits(vendor.FOLDER):
        raise UserError(f"{vendor.FOLDER} was edited, which would be lost: {join_names(found)}")
    source = template or str(record().get("template") or "")
    if not source:
        raise UserError(f"{RECORD} names no template: TEMPLATE=url-or-folder")
    before = version_of(vendor.FOLDER)
    with checkout(source, version) as there:
        library = there / "library"
        if found := [one for one in vendor.edits(library) if not one.endswith(" was added")]:
            raise UserError(f"{source} is not a complete release: {join_names(found)}")
        take(library)
        remember(source, commits.git("-C", str(there), "rev-parse", "HEAD"))
    print(f"{vendor.FOLDER}: {before} -> {version_of(vendor.FOLDER)}. Next: {next_steps()}")


def record() -> dict[str, object]:
    """What the project was made from."""
    try:
        found = yaml.safe_load(RECORD.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{RECORD}: cannot be read ({error})") from None
    return dict(found or {})


@contextmanager
def checkout(source: str, version: str) -> Iterator[Path]:
    """The template's files: a folder as it lies there, or a clone of a URL."""
    if Path(source).is_dir():
        if version:
            raise UserError("VERSION needs a URL: a folder is taken as it is")
        yield Path(source)
        return
    with TemporaryDirectory() as folder:
        branch = ["--branch", version] if version else []
        commits.git("clone", "--quiet", "--depth", "1", *branch, "--", source, f"{folder}/there")
        yield Path(folder, "there")


def take(library: Path) -> None:
    """The files that the release's manifest names, in place of those that are here."""
    names = vendor.entries((library / vendor.MANIFEST).read_text("utf-8"))
    with replacing(vendor.FOLDER) as part:
        for name in (*names, vendor.MANIFEST):
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(library / name, part / name)


def remember(source: str, commit: str) -> None:
    """Write to .mlgitops.yaml where the library is from; never a path of this machine."""
    known = {
        "commit": commit,
        "version": version_of(vendor.FOLDER),
        "vendor": vendor.digest(vendor.FOLDER / vendor.MANIFEST),
    }
    if ADDRESS.match(source):
        known["template"] = re.sub(r"(://)[^/]*@", r"\1", source)
    text = RECORD.read_text("utf-8")
    for name, value in known.items():
        line = f"{name}: {json.dumps(value)}"
        text = re.sub(rf"(?m)^{name}: .*$", line.replace("\\", r"\\"), text)
    with replacing(RECORD) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def version_of(library: Path) -> str:
    """The version of a release."""
    found = VERSION_IN.search((library / "pyproject.toml").read_text("utf-8"))
    return found[1] if found else "unknown"


def next_steps() -> str:
    """What to do after it."""
    module = vendor.FOLDER / "src/mlgitops/core/pipeline_version.py"
    found = PIPELINE_IN.search(module.read_text("utf-8"))
    again = ""
    if found and int(found[1]) != PIPELINE:
        again = f"set tool.mlgitops.pipeline in pyproject.toml to {found[1]} (it trains again), "
    return (
        f"{again}make setup, make check, and commit. CHANGELOG.md of the template says what is new"
    )
