"""`python -m mlgitops` is `mlgitops`."""

from mlgitops.core.cli import main

main()
