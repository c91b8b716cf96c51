"""`make ui`: the tracker's own pages."""

from mlgitops.tracking.track import choose


def ui() -> None:
    """Open the tracker's pages on this project's runs; Ctrl-C ends it."""
    if tracker := choose():
        tracker.ui()
