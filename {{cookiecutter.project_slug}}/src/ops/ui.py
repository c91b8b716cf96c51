"""`make ui`: the tracker's own pages."""

from ml import params
from ops.track import Track, project
from ops.trackers import connect


def ui() -> None:
    """Open the tracker's pages on this project's runs; Ctrl-C ends it."""
    connect(params.load(Track).tracker, project()).ui()
