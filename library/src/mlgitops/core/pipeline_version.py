"""The pipeline version: one number that changes only when a stage writes other bytes.

Stages depend on it (`tool.mlgitops.pipeline` of pyproject.toml) instead of on the library's code,
so a new version of the library that computes the same retrains nothing.
"""

from mlgitops.core import paths, project
from mlgitops.core.errors import UserError

PIPELINE = 2


def check() -> None:
    """Refuse to run a stage for a project that names another pipeline version."""
    found = project.document().get("tool", {}).get("mlgitops", {}).get("pipeline")
    if found != PIPELINE:
        raise UserError(
            f"{paths.PROJECT}: tool.mlgitops.pipeline is {found}, but this version of the library "
            f"needs {PIPELINE}: set it to {PIPELINE}, then `make pipeline`, which trains again"
        )
