"""`make push`: the image to its registry, and the digest by which it is known from then on."""

import re
from pathlib import Path
from typing import Annotated

import typer

from ml.errors import Mistake
from ml.files import replacing
from ops import engine, result

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
    pushed, found = name.rpartition(":")[0], digest(engine.shown("push", name), name)
    line = f"IMAGE={pushed}@{found}"
    if target == "server":
        with replacing(NOTE) as part:
            part.write_text(line + "\n", encoding="utf-8")
    result.tell(name=pushed, digest=found)
    print(line)


def digest(said: list[str], name: str) -> str:
    """The digest that the registry gave."""
    found = [match[1] for line in said if (match := DIGEST.search(line))]
    if not found:
        raise Mistake(f"docker push {name} told no digest: {engine.last(said)}")
    return found[-1]
