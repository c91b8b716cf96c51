"""The bodies in hand: how many bytes they may have, and what they may become once they are read."""

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mlgitops.serving.errors import Refusal

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
# Larger bodies are read and predicted beside the event loop, which goes on answering.
SMALL = 16_384
# So many bodies of the largest size may be on their way at once; a small one is always taken.
BODIES = 8
# How much larger than it came a body may get by being unpacked, beyond what is small.
RATIO = 200
PACKED = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}  # zlib's window bits
# Bytes that a value, a list or object, and a key of JSON become, arrays and all; measured.
VALUE, HOLDER, KEY = 72, 112, 64
# Bytes that a byte of binary data becomes: 1 as INT8, a number as float64 and float32.
BINARY = 24
BUSY = "more requests than this server takes at once: try again in a second"
VAST = "a body of so many values needs more memory than this server has: send fewer rows at once"


class Gone(Exception):
    """The client hung up."""


class Memory:
    """Bytes of all bodies on their way, and what those that are complete may become."""

    def __init__(self, largest: int, most: int) -> None:
        """`largest` is a body's most, `most` what all together may become."""
        self.largest, self.most = largest, most
        self.arriving = self.reading = 0


class Hold:
    """The part of a memory that one request has taken, until it is given back."""

    __slots__ = ("arriving", "memory", "reading")

    def __init__(self, memory: Memory) -> None:
        """Nothing so far."""
        self.memory, self.arriving, self.reading = memory, 0, 0

    def arrive(self, size: int) -> None:
        """Take bytes of a body; a Refusal if it is too large, or too much is in hand."""
        memory = self.memory
        self.arriving += size
        memory.arriving += size
        if self.arriving > memory.largest:
            raise Refusal("too_large", f"the body has more than {memory.largest} bytes", 413)
        if self.arriving > SMALL and memory.arriving > BODIES * memory.largest:
            raise Refusal("saturated", BUSY, 503)

    async def body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The body of a request; Gone if the client hangs up."""
        length, most = headers.get(b"content-length", b"0"), self.memory.largest
        if length.isdigit() and int(length[:20]) > most:
            what = f"the body has {int(length[:20])} bytes, more than {most}"
            raise Refusal("too_large", what, 413)
        pieces: list[bytes] = []
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            pieces.append(message.get("body", b""))
            self.arrive(len(pieces[-1]))
            more = message.get("more_body", False)
        return b"".join(pieces) if len(pieces) > 1 else pieces[0]

    def read(self, size: int) -> None:
        """Take what a body may become; a Refusal if there is not so much, or not now."""
        memory = self.memory
        if size > memory.most:
            raise Refusal("too_large", VAST, 413)
        if memory.reading + size > memory.most:
            raise Refusal("saturated", BUSY, 503)
        self.reading += size
        memory.reading += size

    def release(self) -> None:
        """Give all of it back."""
        self.memory.arriving -= self.arriving
        self.memory.reading -= self.reading
        self.arriving = self.reading = 0


def check_encoding(encoding: bytes) -> None:
    """Refuse a Content-Encoding that is not unpacked here."""
    if encoding.lower() not in PACKED:
        shown = encoding[:40].decode("latin-1")
        what = f"Content-Encoding {shown!r} is not read: send gzip, deflate, or none"
        raise Refusal("media_type", what, 415)


def unpack_body(body: bytes, encoding: bytes, most: int) -> bytes:
    """A body as it was before it was packed, at most `most` bytes and RATIO times its size."""
    limit = min(most, max(SMALL, RATIO * len(body)))
    unpacking = zlib.decompressobj(PACKED[encoding.lower()])
    try:
        found = unpacking.decompress(body, limit + 1)
    except zlib.error as error:
        raise Refusal("bad_encoding", f"the body cannot be unpacked: {error}") from None
    if len(found) > limit:
        raise Refusal("too_large", f"the body has more than {limit} bytes when unpacked", 413)
    if not unpacking.eof or unpacking.unused_data:
        raise Refusal("bad_encoding", "the body cannot be unpacked: it is not whole")
    return found


def becomes(body: bytes, end: int) -> int:
    """At most so many bytes are made of a body when it is read; JSON or CSV up to `end`.

    The measure of the text is its punctuation, counted without reading it.
    """
    # One that is never closed ends the reading.
    lists = min(body.count(b"[", 0, end), body.count(b"]", 0, end))
    holders = lists + min(body.count(b"{", 0, end), body.count(b"}", 0, end))
    values = body.count(b",", 0, end) + body.count(b"\n", 0, end)
    keys = body.count(b":", 0, end)
    return 3 * end + VALUE * values + HOLDER * holders + KEY * keys + BINARY * (len(body) - end)
