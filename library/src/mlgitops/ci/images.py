"""`mlgitops ci images`: what the registry says of the images that a change would run.

It has the token of a workflow; `mlgitops ci judge`, which has none, reads what it leaves.
"""

import json
from typing import Annotated

import typer

from mlgitops.core import job_output
from mlgitops.core.errors import UserError
from mlgitops.git.runner import run
from mlgitops.github import client
from mlgitops.github.options import Head
from mlgitops.images import registry
from mlgitops.releases import release_change


def images(
    head: Head,
    base: Annotated[str, typer.Option(envvar="BASE", help="The branch to merge into.")] = "main",
) -> None:
    """Write the labels of each image that main never ran, or why they are not known."""
    sha = client.sha(head)
    run("fetch", "--quiet", str(job_output.CHANGE.absolute()), sha)
    found = {image: ask(image) for image in release_change.new_images(base, sha)}
    job_output.write(job_output.IMAGES, json.dumps(found).encode())
    for image, said in found.items():
        words = said if isinstance(said, str) else "its registry says what it was built from"
        print(client.escape_commands(f"{image}: {words}"))
    if not found:
        print("no image that main never ran")


def ask(image: str) -> dict[str, str] | str:
    """The labels of an image, or why they are not known."""
    try:
        return registry.labels(image)
    except UserError as error:
        return str(error)


def read() -> release_change.Labels:
    """What the command left; empty if it did not run."""
    there = job_output.IMAGES.exists()
    found: release_change.Labels = json.loads(job_output.IMAGES.read_bytes()) if there else {}
    return found
