"""What an image says that it was built from, asked through the container engine."""

import json
import subprocess

from ml.errors import Mistake

REVISION = "org.opencontainers.image.revision"
MODEL = "ml.model"
DATA = "ml.data"


def of(image: str) -> dict[str, str]:
    """The labels of an image, which is pulled if it is not here."""
    if not docker("version", "--format", "{{.Server.Version}}")[0]:
        raise Mistake(
            "no container engine answers, so the image cannot be asked what it was built from.\n"
            "Start one (docker version says why not), or OFFLINE=1 to trust what you were told"
        )
    inspect = ("image", "inspect", "--format", "{{json .Config.Labels}}", image)
    there, said = docker(*inspect)
    if not there:
        pulled, why = docker("pull", "--quiet", image)
        if not pulled:
            raise Mistake(f"{image} cannot be pulled: {' '.join(why.split())[:200]}")
        there, said = docker(*inspect)
    return {name: str(value) for name, value in (json.loads(said) or {}).items()}


def docker(*arguments: str) -> tuple[bool, str]:
    """Whether a command of the engine went well, and what it said, or why not."""
    command = ["docker", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return False, "docker is not installed"
    return done.returncode == 0, done.stderr if done.returncode else done.stdout
