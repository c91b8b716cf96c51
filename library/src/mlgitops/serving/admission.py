"""Every request for a prediction: let in or sent back, read, answered, counted.

It stands in front of the pages and takes the few addresses that predict; a framework's routing
would cost as much as the prediction itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from typing import Any, TypeVar

from mlgitops.serving.batch import Batch
from mlgitops.serving.contract import Runtime
from mlgitops.serving.deadline import Deadline, Late
from mlgitops.serving.endpoints import Asked, Endpoint, Reply, Request
from mlgitops.serving.errors import Refusal
from mlgitops.serving.metrics import Metrics
from mlgitops.serving.settings import Settings
from mlgitops.serving.tensors import LENGTH

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Result = TypeVar("Result")
LOG = logging.getLogger("serve")
# Larger bodies are read and predicted beside the event loop, which goes on answering.
SMALL = 16_384
# So many bodies of the largest size may be in hand at once; a small one is always taken.
BODIES = 8
BUSY = "more requests than this server takes at once: try again in a second"
SLOW = "the body did not arrive in time"
FAILED = "the server failed at this request: its log says why"
LATE = "the answer took longer than this server allows: try again with fewer rows"


class Gone(Exception):
    """The client hung up."""


class Admission:
    """An ASGI application."""

    def __init__(
        self,
        endpoints: dict[str, Endpoint],
        pages: App,
        runtime: Runtime,
        metrics: Metrics,
        settings: Settings,
        *,
        small: int,
        batched: bool,
    ) -> None:
        """`small`: bytes of a body up to which it is answered on the event loop."""
        self.endpoints, self.pages, self.runtime = endpoints, pages, runtime
        self.metrics, self.settings, self.small = metrics, settings, small
        self.pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="predict")
        self.batch = None
        if batched:
            alone = ThreadPoolExecutor(1, thread_name_prefix="batch")
            self.batch = Batch(runtime, settings.batch_seconds, settings.batch_rows, alone)
        self.in_flight = self.turn = self.held = 0
        self.deadline = Deadline(settings.seconds)
        self.draining = False
        metrics.in_flight.set_function(lambda: self.in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the addresses that predict; leave the others to the pages."""
        endpoint = self.endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None or scope["method"] != "POST":
            await self.pages(scope, receive, send)
            return
        started = perf_counter()
        code = 499  # The client hung up.
        try:
            code, reply = await self.answered(endpoint, scope, receive)
            await self.send(code, reply, send)
        except Gone:
            pass
        finally:
            self.metrics.answered(endpoint.name, code, perf_counter() - started)

    async def answered(
        self, endpoint: Endpoint, scope: Scope, receive: Receive
    ) -> tuple[int, Reply]:
        """The status and the answer, be it a prediction or a refusal."""
        try:
            return 200, await self.let_in(endpoint, scope, receive)
        except Refusal as refusal:
            self.metrics.errors.labels(endpoint.name, refusal.reason).inc()
            return refusal.status, Reply(endpoint.problem(refusal))
        except Gone:
            raise
        except Exception:
            LOG.exception("%s failed", scope["path"])
            self.metrics.errors.labels(endpoint.name, "failed").inc()
            return 500, Reply(endpoint.problem(Refusal("failed", FAILED, 500)))

    async def let_in(self, endpoint: Endpoint, scope: Scope, receive: Receive) -> Reply:
        """The prediction, in time: what the body leaves of it is for the answer."""
        request = None
        pieces: list[bytes] = []
        try:
            with self.deadline:
                headers = dict(scope["headers"])
                body = await self.body(headers, receive, pieces)
                request = Request(body, headers, scope["query_string"])
                return await self.placed(endpoint, request)
        except Late:
            if request is None:
                raise Refusal("slow_body", SLOW, 408) from None
            raise Refusal("late", LATE, 503) from None
        finally:
            self.held -= sum(map(len, pieces))

    async def placed(self, endpoint: Endpoint, request: Request) -> Reply:
        """The prediction; a Refusal if too many others are in. A body on its way takes no place."""
        if self.turn == 0:
            asyncio.get_running_loop().call_soon(self.turned)
        self.turn += 1
        if max(self.turn, self.in_flight + 1) > self.settings.concurrency:
            raise Refusal("saturated", BUSY, 503)
        self.in_flight += 1
        try:
            return await self.predicted(endpoint, request)
        finally:
            self.in_flight -= 1

    def turned(self) -> None:
        """Begin to count again: those who came at the same moment were answered one by one."""
        self.turn = 0

    async def predicted(self, endpoint: Endpoint, request: Request) -> Reply:
        """The prediction, here or beside."""
        size = len(request.body)
        if self.batch is not None:
            asked = await self.beside(lambda: endpoint.read(request), size <= SMALL)
            answer = await self.batch.ask(asked, alone=self.in_flight == 1)
            reply = asked.reply(answer)
        else:
            asked, reply = await self.beside(
                lambda: self.computed(endpoint, request), size <= self.small
            )
        self.metrics.predicted(endpoint.name, asked.rows)
        return reply

    def computed(self, endpoint: Endpoint, request: Request) -> tuple[Asked, Reply]:
        """What is asked, and the answer."""
        asked = endpoint.read(request)
        return asked, asked.reply(self.runtime(asked.table, asked.likely))

    async def body(
        self, headers: dict[bytes, bytes], receive: Receive, pieces: list[bytes]
    ) -> bytes:
        """The whole body, of `pieces`; a Refusal if it is too large, or too much is in hand."""
        most = self.settings.max_bytes
        told = headers.get(b"content-length", b"0")
        if told.isdigit() and int(told[:20]) > most:
            raise Refusal(
                "too_large", f"the body has {int(told[:20])} bytes, more than {most}", 413
            )
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            self.held += len(pieces[-1])
            if size > most:
                raise Refusal("too_large", f"the body has more than {most} bytes", 413)
            if size > SMALL and self.held > BODIES * most:
                raise Refusal("saturated", BUSY, 503)
            more = message.get("more_body", False)
        return b"".join(pieces) if len(pieces) > 1 else pieces[0]

    async def beside(self, work: Callable[[], Result], here: bool) -> Result:
        """The result of the work, done here or in a thread."""
        if here:
            return work()
        future = self.pool.submit(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self.abandon(future)
            raise
        finally:
            del future  # Its error leads to this frame: the request would stay until a collection.

    def abandon(self, future: Future[Any]) -> None:
        """Nobody waits for it any more; if it runs already, it keeps its place until it ends."""
        if future.cancel():
            return
        loop = asyncio.get_running_loop()
        self.in_flight += 1
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self.release))

    def release(self) -> None:
        """Give back the place of an abandoned request."""
        self.in_flight -= 1

    async def send(self, status: int, reply: Reply, send: Send) -> None:
        """Write the answer."""
        length = str(len(reply.body)).encode()
        headers = [(b"content-type", reply.media), (b"content-length", length)]
        if reply.length is not None:
            headers.append((LENGTH.encode(), str(reply.length).encode()))
        if status == 503:
            headers.append((b"retry-after", b"1"))
        if self.draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
