"""`make down`: stop what `make up` started."""

import os

from mlgitops.images import docker
from mlgitops.releases.up import check_compose


def down() -> None:
    """Stop and remove the containers; what MLflow and Prometheus stored stays."""
    check_compose("staging")
    os.environ["IMAGE"] = "any"  # compose.yaml asks for one, whatever is to be done.
    docker.run_visibly("compose", "down")
