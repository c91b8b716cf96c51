"""Every request for a prediction: let in or sent back, read, answered, counted.

It stands in front of the pages and takes the few addresses that predict; a framework's routing
would cost as much as the prediction itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from mlgitops.serving.bodies import BUSY, Gone, Hold, Memory, Receive
from mlgitops.serving.computing import Computing
from mlgitops.serving.deadline import Deadline, Late
from mlgitops.serving.errors import Refusal
from mlgitops.serving.metrics import Metrics
from mlgitops.serving.prediction_log import PredictionLog
from mlgitops.serving.protocols import Protocol, Reply, Request, Send
from mlgitops.serving.settings import Settings

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
LOG = logging.getLogger("serve")
SLOW = "the body did not arrive in time"
FAILED = "the server failed at this request: its log says why"
LATE = "the answer took longer than this server allows: try again with fewer rows"
POST = "ask with POST"


class Admission:
    """An ASGI application."""

    def __init__(
        self,
        protocols: dict[str, Protocol],
        pages: App,
        computing: Computing,
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        """`protocols` by the addresses that predict; `pages` has the others."""
        self.protocols, self.pages, self.computing = protocols, pages, computing
        self.metrics, self.settings = metrics, settings
        self.inside = self.turn = 0
        self.memory = Memory(settings.max_bytes, settings.most_memory)
        self.deadline = Deadline(settings.seconds)
        self.draining = False
        self.log: PredictionLog | None = None
        metrics.in_flight.set_function(lambda: self.in_flight)

    @property
    def in_flight(self) -> int:
        """Requests that are answered, and computations that outlived theirs."""
        return self.inside + self.computing.abandoned

    @property
    def ready(self) -> bool:
        """Whether new requests should come here."""
        return not self.draining and not self.computing.is_stuck

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the addresses that predict; leave the others to the pages."""
        protocol = self.protocols.get(scope["path"]) if scope["type"] == "http" else None
        if protocol is None:
            await self.pages(scope, receive, send)
            return
        started, hold = perf_counter(), Hold(self.memory)
        code = 499  # The client hung up.
        try:
            code, reply = await self.respond(protocol, scope, receive, hold)
            await reply.send(code, send, close=self.draining)
        except Gone:
            pass
        finally:
            hold.release()
            self.metrics.count_answer(protocol.name, code, perf_counter() - started)

    async def respond(
        self, protocol: Protocol, scope: Scope, receive: Receive, hold: Hold
    ) -> tuple[int, Reply]:
        """The status and the answer, be it a prediction or a refusal."""
        try:
            return 200, await self.let_in(protocol, scope, receive, hold)
        except Refusal as refusal:
            self.metrics.errors.labels(protocol.name, refusal.reason).inc()
            return refusal.status, Reply(protocol.problem(refusal))
        except Gone:
            raise
        except Exception:
            LOG.exception("%s failed", scope["path"])
            self.metrics.errors.labels(protocol.name, "failed").inc()
            return 500, Reply(protocol.problem(Refusal("failed", FAILED, 500)))

    async def let_in(self, protocol: Protocol, scope: Scope, receive: Receive, hold: Hold) -> Reply:
        """The prediction, in time: what the body leaves of it is for the answer."""
        if scope["method"] != "POST":
            raise Refusal("bad_method", POST, 405)
        request = None
        try:
            with self.deadline:
                headers = dict(scope["headers"])
                body = await hold.body(headers, receive)
                request = Request(body, headers, scope["query_string"])
                return await self.place(protocol, request, hold)
        except Late:
            if request is None:
                raise Refusal("slow_body", SLOW, 408) from None
            raise Refusal("late", LATE, 503) from None

    async def place(self, protocol: Protocol, request: Request, hold: Hold) -> Reply:
        """The prediction; a Refusal if too many others are in. A body on its way takes no place."""
        if self.turn == 0:
            asyncio.get_running_loop().call_soon(self.reset_turn)
        self.turn += 1
        if max(self.turn, self.in_flight + 1) > self.settings.concurrency:
            raise Refusal("saturated", BUSY, 503)
        self.inside += 1
        try:
            found = await self.computing.answer(protocol, request, hold, alone=self.in_flight == 1)
            question, _, reply = found
            self.metrics.count_rows(protocol.name, question.rows)
            return reply if self.log is None else await self.log.add(request, *found)
        finally:
            self.inside -= 1

    def reset_turn(self) -> None:
        """Begin to count again: those who came at the same moment were answered one by one."""
        self.turn = 0
