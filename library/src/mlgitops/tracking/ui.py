"""`make ui`: the tracker's own pages."""

from mlgitops.core import config
from mlgitops.tracking.base import connect
from mlgitops.tracking.track import Track, project


def ui() -> None:
    """Open the tracker's pages on this project's runs; Ctrl-C ends it."""
    connect(config.load(Track).tracker, project()).ui()
