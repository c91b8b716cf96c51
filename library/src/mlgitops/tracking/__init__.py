"""The only sub-package that knows a tracker; runs are a projection of Git."""
