"""What gate.yaml says of the prediction log; the server reads the same keys as SERVE_LOG_<KEY>."""

from typing import Annotated

from pydantic import Field

from mlgitops.core import config


class Log(config.Rule):
    """How much of what the server answers is kept, how surely, and how long."""

    share: Annotated[float, Field(ge=0, le=1)] = 0
    sync: bool = False
    spool_mb: Annotated[int, Field(gt=0)] = 256
    days: Annotated[int, Field(ge=0)] = 90


def load() -> Log:
    """The section `log`; off where an older project has none."""
    return config.load_optional(Log)
