"""`make push`: the image to its registry, and the digest by which it is known from then on."""

import re
from typing import Annotated

import typer

from mlgitops.core import job_output, paths
from mlgitops.core.errors import UserError
from mlgitops.core.files import replacing
from mlgitops.images import docker

# `make release` reads it.
NOTE = paths.IMAGE
DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")


def push(
    target: Annotated[docker.Target, typer.Option(help="Which of the two images.")] = "server",
) -> None:
    """Push the image of what is checked out; print IMAGE=…@sha256:… and note it for a release."""
    docker.require()
    name = docker.reference(target)
    if name.endswith(docker.DIRTY):
        raise UserError("there are uncommitted changes: commit, then `make image`")
    docker.labels(name)
    pushed, found = name.rpartition(":")[0], digest(docker.run_visibly("push", name), name)
    line = f"IMAGE={pushed}@{found}"
    if target == "server":
        with replacing(NOTE) as part:
            part.write_text(line + "\n", encoding="utf-8")
    job_output.tell(name=pushed, digest=found)
    print(line)


def digest(output: list[str], name: str) -> str:
    """The digest that the registry gave."""
    found = [match[1] for line in output if (match := DIGEST.search(line))]
    if not found:
        raise UserError(f"docker push {name} printed no digest: {docker.last(output)}")
    return found[-1]
