"""What a protocol is: a pair of functions, decode and encode, and the form of its errors."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from mlgitops.serving.columns import Columns
from mlgitops.serving.contract import Answer, Signature, Table
from mlgitops.serving.errors import Refusal
from mlgitops.serving.settings import Settings

JSON = b"application/json"
# V2's header: the bytes of JSON before binary data.
LENGTH = b"inference-header-content-length"
# What the rows of a request are logged by.
ID = b"x-request-id"
# Of a longer answer, the client gets a piece when it has taken the one before.
PIECE = 65_536
MORE = {
    405: (b"allow", b"POST"),
    415: (b"accept-encoding", b"gzip, deflate"),
    503: (b"retry-after", b"1"),
}
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Request(NamedTuple):
    """A request's body, headers (lower case) and query."""

    body: bytes
    headers: dict[bytes, bytes]
    query: bytes


class Question(NamedTuple):
    """A request that is checked: its table, its rows, whether it needs probabilities.

    `form` is for the protocol's own encode: the output or the outputs that the client wants. `id`
    is the client's own.
    """

    table: Table
    rows: int
    likely: bool
    form: Any
    id: str | None = None


class Reply(NamedTuple):
    """A body, its media type, one more header of V2's, and the id of a request that is logged."""

    body: bytes
    media: bytes = JSON
    length: int | None = None
    id: bytes | None = None

    async def send(self, status: int, send: Send, close: bool) -> None:
        """Write it; a long one as fast as the client takes it."""
        body = self.body
        headers = [(b"content-type", self.media), (b"content-length", b"%d" % len(body))]
        if self.length is not None:
            headers.append((LENGTH, b"%d" % self.length))
        if self.id is not None:
            headers.append((ID, self.id))
        if status in MORE:
            headers.append(MORE[status])
        if close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        start = 0
        while len(body) - start > PIECE:
            piece, start = body[start : start + PIECE], start + PIECE
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": body[start:]})


class Served(NamedTuple):
    """What a protocol knows of the model and of the limits."""

    signature: Signature
    columns: Columns
    settings: Settings


class Protocol(NamedTuple):
    """One address that predicts; its name is that of the metrics."""

    name: str
    decode: Callable[[Request], Question]
    encode: Callable[[Answer, Question], Reply]
    problem: Callable[[Refusal], bytes]


def check_rows(rows: int, most: int) -> None:
    """Refuse a request of no rows, or of too many."""
    if rows == 0:
        raise Refusal("no_rows", "the request has no rows")
    if rows > most:
        raise Refusal("too_many_rows", f"the request has more than {most} rows", 413)
