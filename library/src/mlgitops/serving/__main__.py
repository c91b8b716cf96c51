"""`python -m mlgitops.serving`."""

from mlgitops.serving.cli import main

main()
