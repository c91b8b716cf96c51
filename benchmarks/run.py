"""`make bench`: every claim, with its target, on a project made for it."""

import judging
import large
import start
from measure import ready, row


def main() -> None:
    """Print the table."""
    ready()
    row("claim", "measured", "target")
    start.main()
    judging.main()
    large.main()


if __name__ == "__main__":
    main()
