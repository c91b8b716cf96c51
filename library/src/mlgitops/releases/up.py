"""`make up`: the server as released, MLflow and Prometheus, on this machine."""

import os
from typing import Annotated

import typer

from mlgitops.core.errors import UserError
from mlgitops.images import docker
from mlgitops.releases import release_env

ABSENT = (
    "docker has no compose here: https://docs.docker.com/compose/install, "
    "or `make serve ENVIRONMENT={}` for the server alone"
)
PORTS = {
    "server": ("SERVE_PORT", "8000", "/docs"),
    "mlflow": ("MLFLOW_PORT", "5001", ""),
    "prometheus": ("PROMETHEUS_PORT", "9090", "/graph"),
}


def up(
    environment: Annotated[str, typer.Option(help="Whose release the server runs.")] = "staging",
) -> None:
    """Start what compose.yaml describes; the ports are SERVE_PORT, MLFLOW_PORT, PROMETHEUS_PORT."""
    release_env.check_sound(environment)
    if release_env.read(environment) is None:
        raise UserError(f"nothing is released to {environment}: make release, or make promote")
    check_compose(environment)
    for name in release_env.NAMES:
        os.environ.pop(name, None)  # It would go before the file's.
    release = release_env.path(environment).as_posix()
    docker.run_visibly("compose", "--env-file", release, "up", "--detach", "--wait")
    for part, (name, port, page) in PORTS.items():
        print(f"{part:11}http://127.0.0.1:{os.environ.get(name) or port}{page}")


def check_compose(environment: str) -> None:
    """A UserError if no Docker answers, or it has no compose."""
    docker.require()
    try:
        docker.docker("compose", "version")
    except UserError:
        raise UserError(ABSENT.format(environment)) from None
