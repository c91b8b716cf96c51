"""`python -m mlgitops` is `mlgitops`."""

from mlgitops.core.cli import start

start()
