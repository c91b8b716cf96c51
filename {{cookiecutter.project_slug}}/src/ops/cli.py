"""`ops`: one command a module. Only the module that runs is loaded."""

from ml.cli import Commands, dispatch

COMMANDS: Commands = {
    "track": ("ops.track", "log what was trained to the tracker, from Git and the store"),
    "ui": ("ops.ui", "open the tracker's pages"),
}


def main() -> None:
    """Run `ops` with the arguments of this process."""
    dispatch("ops", COMMANDS)
