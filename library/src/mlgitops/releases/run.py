"""`make serve ENVIRONMENT=staging`: the server as an environment runs it, as a process."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlgitops.core import paths
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.images import docker
from mlgitops.releases import release_env

RELEASED = paths.RELEASED


def serve(
    environment: Annotated[str, typer.Option(help="staging or production")],
) -> None:
    """Serve the model of an environment's release, out of the store, until a signal."""
    release_env.check_sound(environment)
    release = release_env.read(environment)
    if release is None:
        raise UserError(f"nothing is released to {environment}: make release, or make promote")
    folder = model(release)
    values = {name: getattr(release, name.lower()) for name in release_env.NAMES}
    # As in the image, so that V2's addresses are the same.
    named = {"SERVE_NAME": docker.image_name().rpartition("/")[2]}
    print(f"{environment}: {release_env.describe(release_env.text(release))}", flush=True)
    command = [sys.executable, "-m", "mlgitops.serving", str(folder)]
    os.execve(sys.executable, command, named | os.environ | values)  # noqa: S606


def model(release: release_env.Release) -> Path:
    """The folder of a release's model, fetched unless it is here as it was made."""
    into = RELEASED / release.model.removesuffix(".dir")
    folder = into / "model"
    sound = folder.exists() and repository.content(folder) == release.model
    if not sound and repository.fetch(release.commit, paths.MODEL.as_posix(), into) is None:
        raise UserError(
            f"the model of {release.commit[:7]} is neither in the cache nor in the store: "
            "dvc push --all-commits, where somebody still has it"
        )
    return folder
