"""`make image`: the image of what is checked out."""

import json
import os
import re
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from mlgitops.core import log_rules, paths
from mlgitops.core.errors import UserError, join_names
from mlgitops.core.files import replacing
from mlgitops.core.project import project
from mlgitops.git import repository
from mlgitops.images import builder, docker

FOLDER = paths.MODEL
CODE = Path("src")
# The labels of the Dockerfile that tell what an image was built from.
REVISION, MODEL, DATA = "org.opencontainers.image.revision", "ml.model", "ml.data"
LOCKED = Path("uv.lock")
# The first step of the Dockerfile above the base.
FIRST = "ENV PATH=/venv/bin"
PASSED = ("BASE", "BUILDER")


class Facts(NamedTuple):
    """What an image says of itself; model and data are MD5s of dvc.lock."""

    title: str
    commit: str
    model: str
    data: str
    source: str


def image(
    target: Annotated[docker.Target, typer.Option(help="Stage of the Dockerfile.")] = "server",
    local: Annotated[
        bool, typer.Option(help="Build with this machine's certificates and package index.")
    ] = False,
) -> None:
    """Build the image of what is checked out: BASE and BUILDER name other images to build from."""
    docker.require()
    log_rules.load()  # The server reads it, with no more to say than that it is wrong.
    if not LOCKED.exists():
        raise UserError(f"{LOCKED} is missing: `make setup` writes it; commit it")
    name, known = docker.reference(target), facts()
    replace_links()
    build(arguments(target, name, known), local)
    whole, own = sizes(name)
    identity = docker.docker("image", "inspect", "--format", "{{.Id}}", name)
    print(f"image  {name}\nid     {identity}\nsize   {whole} MB, without its base {own} MB")
    if known.commit.endswith(docker.DIRTY):
        print("note   built from uncommitted changes: you can try it, but not release it")


def build(given: list[str], local: bool) -> None:
    """Run `docker build`; a UserError that names the likely cause of what fails."""
    try:
        with builder.local(base()) if local else nullcontext() as made:
            own = ["--build-arg", f"BUILDER={made}"] if made else []
            docker.run_visibly("build", *given, *own, ".")
    except docker.CommandError as failed:
        raise UserError(f"{failed}{builder.cause(failed.lines)}") from None


def base() -> str:
    """The image that ours stand on: BASE, else the Dockerfile's."""
    pinned = re.search(r"^ARG BASE=(\S+)", Path("Dockerfile").read_text("utf-8"), re.MULTILINE)
    return os.environ.get("BASE") or (pinned[1] if pinned else "")


def arguments(target: docker.Target, name: str, known: Facts) -> list[str]:
    """The arguments of `docker build`."""
    given = {field.upper(): value for field, value in known._asdict().items()}
    given |= {one: os.environ[one] for one in PASSED if os.environ.get(one)}
    given["PACKAGES"] = " ".join(groups())
    pairs = [part for one, value in given.items() for part in ("--build-arg", f"{one}={value}")]
    return ["--target", target, "--tag", name, *pairs]


def groups() -> list[str]:
    """What uv installs in the image: as much as the form of the model needs."""
    signature = json.loads((FOLDER / "signature.json").read_text("utf-8"))
    names = ["serve", *["serve-sklearn"] * (signature["format"] == "sklearn")]
    names += ["ship"] * (log_rules.load().share > 0)
    return [word for name in names for word in ("--only-group", name)]


def facts() -> Facts:
    """What the image will say; a UserError if artifacts/model is not the model of dvc.lock."""
    lock = Path(repository.LOCK)
    if not lock.exists():
        raise UserError(f"{lock} is not there: run `make pipeline`")
    known = repository.parse_lock(lock.read_text("utf-8"))
    if not any(FOLDER.rglob("*")):
        raise UserError(f"{FOLDER} is not there: `dvc pull` gets it, `make pipeline` makes it")
    here = repository.content(FOLDER)
    if here != known.model:
        raise UserError(
            f"{FOLDER} is not the model of {lock}: `dvc checkout {FOLDER}` brings that back, "
            "`make pipeline` makes it again"
        )
    name = docker.image_name().rpartition("/")[2]
    source = project().repository
    return Facts(name, docker.revision(), here, known.data or "", source)


def replace_links() -> None:
    """Put copies where the model's files are links into DVC's cache, which no image can follow.

    With `dvc config cache.type symlink` they are; what else leads out of the project is refused.
    """
    for link in (path for path in FOLDER.rglob("*") if path.is_symlink()):
        with replacing(link) as part:
            shutil.copyfile(link, part)
    here = Path.cwd().resolve()
    places = (FOLDER, CODE, *CODE.rglob("*"))
    outside = [path for path in places if not path.resolve().is_relative_to(here)]
    if outside:
        raise UserError(
            f"{join_names(outside)}: an image cannot follow a link out of the project: put the "
            "files themselves there"
        )


def sizes(name: str) -> tuple[int, int]:
    """Megabytes of an image, and of what stands above its base."""
    form = "{{.Size}}\t{{.CreatedBy}}"
    steps = docker.docker("history", "--no-trunc", "--human=false", "--format", form, name)
    sizes, own = [], 0
    for line in steps.splitlines():  # The newest step first.
        size, _, step = line.partition("\t")
        sizes.append(int(size))
        if FIRST in step:
            own = len(sizes)
    return round(sum(sizes) / 1e6), round(sum(sizes[:own]) / 1e6)
