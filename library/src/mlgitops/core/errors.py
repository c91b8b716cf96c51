"""What a person did that cannot work."""

import errno
from collections.abc import Iterable

LISTED = 8
SPACE = "the disk is full: free some space, then run this again"
PLACE = "it cannot be written here: run this in a folder that can be written"
RIGHTS = "this user may not read or write it: see `ls -ld`"
# What the system says of a place, not of our code; what to do about it.
PLACES = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EFBIG: "files may not be this large here: see `ulimit -f`",
    errno.EROFS: PLACE,
    errno.EACCES: RIGHTS,
    errno.EPERM: RIGHTS,
    errno.EIO: "the disk does not answer: see `dmesg`, or use another one",
}
# What libraries make of it in words of their own.
WORDS = {
    "No space left on device": SPACE,
    "disk is full": SPACE,
    "Read-only file system": PLACE,
    "readonly database": PLACE,
    "No usable temporary directory": "no folder for temporary files can be written: free some "
    "space, or let TMPDIR name another",
}


class UserError(Exception):
    """A person's mistake: what is wrong, where, and what to do, in one or two lines.

    `ml` prints it without a traceback and exits with 1.
    """


def explain(error: BaseException) -> str | None:
    """A sentence about a disk that is full or cannot be written, if an error comes from that.

    Libraries wrap the system's error: what it was raised from, or raised beside, counts too.
    """
    if isinstance(error, OSError) and error.errno in PLACES:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{PLACES[error.errno]}"
    for words, advice in WORDS.items():
        if words in str(error):
            return advice
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return explain(before) if before else None


def join_names(names: Iterable[object]) -> str:
    """The names for a message: the first of them, and how many more there are."""
    texts = [str(name) for name in names]
    more = len(texts) - LISTED
    return ", ".join(texts[:LISTED]) + (f" and {more} more" if more > 0 else "")
