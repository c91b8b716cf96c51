"""`python -m ml` is `ml`."""

from ml.cli import main

main()
