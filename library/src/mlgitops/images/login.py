"""`mlgitops ci login`: the registry of the image lets this machine push and pull."""

import os
import subprocess

from mlgitops.core.errors import UserError
from mlgitops.images import docker

GITHUB = "ghcr.io"  # takes the token of a workflow


def credentials(host: str) -> tuple[str, str] | None:
    """User and password: REGISTRY_USER and REGISTRY_PASSWORD, on ghcr.io else the workflow's."""
    user, password = (os.environ.get(f"REGISTRY_{name}", "") for name in ("USER", "PASSWORD"))
    if bool(user) is not bool(password):
        raise UserError(f"{host} needs both, REGISTRY_USER and REGISTRY_PASSWORD, or neither")
    if not user and host == GITHUB:
        user, password = (os.environ.get(f"GITHUB_{name}", "") for name in ("ACTOR", "TOKEN"))
    return (user, password) if user and password else None


def login() -> None:
    """Log Docker in to the registry of the image."""
    docker.require()
    host = docker.host()
    known = credentials(host)
    if known is None:
        print(f"{host}: no REGISTRY_USER and REGISTRY_PASSWORD here; using Docker's login")
        return
    user, password = known
    command = ["docker", "login", "--username", user, "--password-stdin", host]
    given = password.encode()
    done = subprocess.run(command, input=given, capture_output=True, check=False)  # noqa: S603
    if done.returncode != 0:
        said = docker.last(done.stderr.decode(errors="replace"))
        raise UserError(f"{host} refuses the login of {user}: {said}")
    print(f"{host}: logged in as {user}")
