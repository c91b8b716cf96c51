"""What Git, DVC's lock file and the store know of a commit."""
