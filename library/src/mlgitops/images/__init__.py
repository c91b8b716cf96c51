"""Docker images: built, tried, pushed, listed."""
