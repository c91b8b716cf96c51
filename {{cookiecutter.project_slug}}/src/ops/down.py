"""`make down`: stop what `make up` started."""

import os

from ops import engine
from ops.up import check_compose


def down() -> None:
    """Stop and remove the containers; what MLflow and Prometheus stored stays."""
    check_compose("staging")
    os.environ["IMAGE"] = "any"  # compose.yaml asks for one, whatever is to be done.
    engine.shown("compose", "down")
