"""HTTP/1.1 as uvicorn speaks it, with bounds on all that comes before and around a body."""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlgitops.serving.connections import LINGER, Connections

URL = 8_192  # bytes
HEAD = 32_768  # bytes of a URL and headers, or of what follows the last chunk of a body
HEADERS = 100
FRAMING = (b"content-length", b"transfer-encoding")
PIPELINED = 32  # requests of one connection that wait for the answer to another
LONG_URL = 414, "URI Too Long", f"the URL has more than {URL} bytes"
LARGE_HEAD = (
    431,
    "Request Header Fields Too Large",
    (f"the headers are more than {HEADERS}, or have more than {HEAD} bytes"),
)
LATE_HEAD = 408, "Request Timeout", "the headers did not arrive in time"
WRONG = 400, "Bad Request", "this is not a request of HTTP/1.1"
AHEAD = 400, "Bad Request", f"more than {PIPELINED} requests wait for an answer"
Fault = tuple[int, str, str]


class Feed(HttpToolsProtocol):
    """Hands what one connection sends to the parser, and ends it where it is out of bounds."""

    def __init__(self, **options: Any) -> None:
        """`options` are uvicorn's."""
        super().__init__(**options)
        self.since = self.loop.time()
        # Bytes since anything of a request was complete; why nothing more is read.
        self.pending = 0
        self.fault: Fault | None = None
        # A head has begun; its body is complete; an answer is under way; the head is not theirs.
        self.begun, self.complete, self.busy, self.silent = False, True, False, False

    def data_received(self, data: bytes) -> None:
        """Read requests in pieces so small that no URL or header in them can be large."""
        if self.fault is None and len(data) <= HEAD - self.pending:
            self.feed(data)
            return
        start = 0
        while start < len(data) and self.fault is None:
            end = start + HEAD - self.pending
            self.feed(data[start:end])
            start = end

    def feed(self, data: bytes) -> None:
        """Read a piece; what follows a request for another protocol is read as this one."""
        while data and self.fault is None:
            self.pending += len(data)
            try:
                data = self.read(data)
            except httptools.HttpParserError as error:
                known = getattr(error.__context__, "fault", None)
                self.refuse(known or WRONG)
        if self.pending >= HEAD and self.fault is None:
            self.refuse(LARGE_HEAD if self.headers else LONG_URL)

    def read(self, data: bytes) -> bytes:
        """Read a piece; what it returns is still to be read, by another parser.

        Java's client offers HTTP/2 (`Upgrade: h2c`), at which a parser stops before the body.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.parser, self.silent = httptools.HttpRequestParser(self), True
            self.parser.feed_data(plain_head(self.headers))
            return data[upgrade.args[0] :]
        return b""

    def refuse(self, fault: Fault) -> None:
        """Say what is wrong and read nothing more; the client has LINGER seconds to read it."""
        self.fault = fault
        self.since = self.loop.time()
        if self.busy:
            self.abort()
            return
        self.transport.write(refusal(fault))
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def abort(self) -> None:
        """End it at once."""
        self.transport.abort()


class Reader(Feed):
    """What the parser finds: requests, whose heads and number have bounds."""

    def on_message_begin(self) -> None:
        """A request begins."""
        if self.silent:
            return
        super().on_message_begin()
        self.pending, self.begun, self.complete = 0, True, False
        if not self.busy:
            self.since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        """Refuse one that is too long."""
        if self.silent:
            return
        super().on_url(url)
        if len(self.url) > URL:
            raise Refused(LONG_URL)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Refuse one too many."""
        if self.silent:
            return
        super().on_header(name, value)
        if len(self.headers) > HEADERS:
            raise Refused(LARGE_HEAD)

    def on_headers_complete(self) -> None:
        """Start on the answer, or queue it."""
        if self.silent:
            self.silent = False
            return
        if len(self.pipeline) >= PIPELINED:
            raise Refused(AHEAD)
        self.pending, self.begun = 0, False
        if not self.busy:
            self.busy, self.since = True, self.loop.time()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self.pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self.parser.should_upgrade():
            return
        self.pending, self.complete = 0, True
        super().on_message_complete()


class Http1(Reader):
    """One connection among all."""

    def __init__(self, connections: Connections, **options: Any) -> None:
        """It has no place yet."""
        super().__init__(**options)
        self.all = connections
        self.address, self.guest = "", False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, or be a guest."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self.guest = not self.all.enter(self)
        if self.guest:
            self.app = self.all.answer_guest

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self.all.leave(self)
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Start on the answer; a guest has only one."""
        super().on_headers_complete()
        if self.guest and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """Start on the next request; uvicorn's timer for each answer is one look at all here."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self.since = self.loop.time()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.busy = False

    @property
    def waiting(self) -> bool:
        """Whether nothing is to be done for it."""
        return not self.busy and self.fault is None

    def look(self, now: float) -> None:
        """End it if it has done nothing for too long."""
        settings, waited = self.all.settings, now - self.since
        if self.fault is not None:
            if waited > LINGER:
                self.abort()
        elif self.busy:  # The answer is in time: it is the client who does not take it.
            if waited > settings.seconds + settings.head_seconds:
                self.abort()
        elif self.begun and waited > settings.head_seconds:
            self.refuse(LATE_HEAD)
        elif waited > (
            settings.idle_seconds if self.cycle and self.complete else settings.head_seconds
        ):
            self.abort()


def refusal(fault: Fault) -> bytes:
    """The last answer on a connection."""
    status, phrase, text = fault
    head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
    head += f"content-length: {len(text)}\r\nconnection: close\r\n\r\n"
    return (head + text).encode()


def plain_head(headers: list[tuple[bytes, bytes]]) -> bytes:
    """A head with the same body as these headers and no offer of another protocol."""
    lines = [b"%b: %b\r\n" % one for one in headers if one[0] in FRAMING]
    return b"".join([b"POST / HTTP/1.1\r\n", *lines, b"\r\n"])


class Refused(Exception):
    """Raised in the parser's callbacks: why nothing more is read."""

    def __init__(self, fault: Fault) -> None:
        """Status, phrase and text."""
        super().__init__(fault[2])
        self.fault = fault
