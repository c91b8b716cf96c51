"""What a person did that cannot work."""

from collections.abc import Iterable

LISTED = 8


class UserError(Exception):
    """A person's mistake: what is wrong, where, and what to do, in one or two lines.

    `ml` prints it without a traceback and exits with 1.
    """


def join_names(names: Iterable[object]) -> str:
    """The names for a message: the first of them, and how many more there are."""
    texts = [str(name) for name in names]
    more = len(texts) - LISTED
    return ", ".join(texts[:LISTED]) + (f" and {more} more" if more > 0 else "")
