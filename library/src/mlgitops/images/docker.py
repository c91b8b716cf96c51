"""Docker by its command line, and what this project's images are called."""

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Literal

from mlgitops.core import project
from mlgitops.core.errors import UserError
from mlgitops.git import repository

Target = Literal["server", "pipeline"]
DIRTY = "-dirty"
HUB = "docker.io"
ABSENT = (
    "no Docker answers ({}). Get one at https://docs.docker.com/get-docker or by "
    "`apt-get install docker.io`, and start it; without one, `make serve` runs the same server"
)


class CommandError(UserError):
    """A docker command that failed, with the lines that it printed."""

    def __init__(self, message: str, lines: Sequence[str]) -> None:
        """Keep both."""
        super().__init__(message)
        self.lines = lines


def image_name() -> str:
    """Where the image is pushed, without a tag: registry, owner and name.

    REGISTRY, where it is set, takes the place of the registry and owner of pyproject.toml.
    """
    owner, _, name = str(project.document()["tool"]["image"]["name"]).rpartition("/")
    return f"{os.environ.get('REGISTRY', '').strip('/') or owner}/{name}"


def host(image: str = "") -> str:
    """An image's host, or that of the project's; Docker Hub where the name starts with none."""
    first, *path = (image or image_name()).split("/")
    named = path and (first == "localhost" or set(first) & set(".:"))
    return first if named else HUB


def revision() -> str:
    """The commit that is checked out, with "-dirty" if any file differs from it."""
    return repository.head() + (DIRTY if repository.changes() else "")


def reference(target: Target = "server") -> str:
    """The name by which Docker knows an image of what is checked out."""
    suffix = "" if target == "server" else f"-{target}"
    return f"{image_name()}{suffix}:{revision()}"


def raw(*arguments: str) -> bytes:
    """What a docker command prints; a UserError tells the last line of why it failed."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise UserError(ABSENT.format("docker is not installed")) from None
    if done.returncode != 0:
        raise UserError(f"docker {arguments[0]}: {last(done.stderr.decode(errors='replace'))}")
    return done.stdout


def both(*arguments: str) -> str:
    """What a docker command prints on stdout and on stderr."""
    done = subprocess.run(["docker", *arguments], capture_output=True, check=False)  # noqa: S603, S607
    return (done.stdout + done.stderr).decode("utf-8", errors="replace")


def docker(*arguments: str) -> str:
    """What a docker command prints, as text without the space around it."""
    return raw(*arguments).decode("utf-8", errors="replace").strip()


def run_visibly(*arguments: str) -> list[str]:
    """Run a docker command whose progress a person follows on stderr; the lines it printed."""
    lines = []
    command = ["docker", *arguments]
    with subprocess.Popen(  # noqa: S603
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            os.write(2, line.encode())
            lines.append(line.rstrip())
    if process.returncode != 0:
        raise CommandError(f"docker {arguments[0]} failed: {last(lines)}", lines)
    return lines


def last(output: str | Sequence[str]) -> str:
    """The last line that says something."""
    lines = output.splitlines() if isinstance(output, str) else output
    return next((line.strip() for line in reversed(lines) if line.strip()), "it does not say why")


def require() -> None:
    """A UserError if no Docker answers."""
    try:
        docker("version", "--format", "{{.Server.Version}}")
    except UserError as error:
        why = str(error)
        raise error if "not installed" in why else UserError(ABSENT.format(why)) from None


def labels(image: str) -> dict[str, str]:
    """The labels of an image that Docker has; a UserError if it has none of this name."""
    try:
        found = docker("image", "inspect", "--format", "{{json .Config.Labels}}", image)
    except UserError:
        raise UserError(f"there is no image {image}: `make image` makes it") from None
    known: dict[str, str] = json.loads(found) or {}
    return known
