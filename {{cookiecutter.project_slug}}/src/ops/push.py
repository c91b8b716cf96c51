"""`make push`: the image to its registry, and the digest by which it is known from then on."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from ml.errors import Mistake
from ml.files import replacing
from ops import engine

# `make release` reads it.
NOTE = Path("artifacts/image.env")
DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")


def push(
    target: Annotated[engine.Target, typer.Option(help="Which of the two images.")] = "server",
) -> None:
    """Push the image of what is checked out; print IMAGE=…@sha256:… and note it for a release."""
    engine.required()
    name = engine.reference(target)
    if name.endswith(engine.DIRTY):
        raise Mistake("the tree has changes that no commit has: commit, then `make image`")
    engine.labels(name)
    line = f"IMAGE={name.rpartition(':')[0]}@{digest(engine.shown('push', name), name)}"
    if target == "server":
        with replacing(NOTE) as part:
            part.write_text(line + "\n", encoding="utf-8")
    tell(line)
    print(line)


def tell(line: str) -> None:
    """Give name and digest to the later steps of a workflow, if this is one's."""
    if output := os.environ.get("GITHUB_OUTPUT"):
        name, _, found = line.removeprefix("IMAGE=").partition("@")
        with Path(output).open("a", encoding="utf-8") as file:
            file.write(f"name={name}\ndigest={found}\n")


def digest(said: list[str], name: str) -> str:
    """The digest that the registry gave."""
    found = [match[1] for line in said if (match := DIGEST.search(line))]
    if not found:
        raise Mistake(f"docker push {name} told no digest: {engine.last(said)}")
    return found[-1]
