"""The only sub-package that speaks to a Git host."""
