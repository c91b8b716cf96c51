"""The work of a request: read, predict and write it, on the event loop or beside it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from mlgitops.serving.batch import Batch
from mlgitops.serving.bodies import SMALL, Hold, becomes, check_encoding, unpack_body
from mlgitops.serving.contract import Answer, Runtime
from mlgitops.serving.protocols import LENGTH, Protocol, Question, Reply, Request
from mlgitops.serving.settings import Settings

Result = TypeVar("Result")


class Computing:
    """Small requests are answered here, large ones in a thread, those for scikit-learn together."""

    def __init__(self, runtime: Runtime, settings: Settings, small: int, batched: bool) -> None:
        """`small`: bytes of a body up to which it is answered on the event loop."""
        self.runtime, self.settings, self.small = runtime, settings, small
        self.pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="predict")
        self.batch = None
        if batched:
            alone = ThreadPoolExecutor(1, thread_name_prefix="batch")
            self.batch = Batch(runtime, settings.batch_seconds, settings.batch_rows, alone)
        # Computations for which nobody waits any more, and which cannot be stopped.
        self.abandoned = 0

    @property
    def is_stuck(self) -> bool:
        """Whether a computation goes on after the time of all its requests."""
        return self.abandoned > 0 or (self.batch is not None and self.batch.is_deserted)

    async def answer(
        self, protocol: Protocol, request: Request, hold: Hold, alone: bool
    ) -> tuple[Question, Answer, Reply]:
        """The question of a request, the answer to it, and the reply."""
        encoding = request.headers.get(b"content-encoding")
        if encoding is not None and encoding.lower() != b"identity":
            request = await self.unpack(request, encoding, hold)
        size = len(request.body)
        if size > SMALL:
            hold.read(becomes(request.body, text_end(request)))
        if self.batch is None:
            return await self.beside(
                lambda: self.compute(protocol, request), size <= self.small, hold
            )
        question = await self.beside(lambda: protocol.decode(request), size <= SMALL, hold)
        answer = await self.batch.ask(question, alone=alone)
        return question, answer, protocol.encode(answer, question)

    async def unpack(self, request: Request, encoding: bytes, hold: Hold) -> Request:
        """The request with its body unpacked."""
        check_encoding(encoding)
        body, most = request.body, self.settings.max_bytes
        found = await self.beside(lambda: unpack_body(body, encoding, most), len(body) == 0, hold)
        hold.arrive(max(0, len(found) - len(body)))
        return request._replace(body=found)

    def compute(self, protocol: Protocol, request: Request) -> tuple[Question, Answer, Reply]:
        """What is asked, the answer, and the reply."""
        question = protocol.decode(request)
        answer = self.runtime(question.table, question.likely)
        return question, answer, protocol.encode(answer, question)

    async def beside(self, work: Callable[[], Result], here: bool, hold: Hold) -> Result:
        """The result of the work, done here or in a thread."""
        if here:
            return work()
        future = self.pool.submit(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self.abandon(future, hold)
            raise
        finally:
            del future  # Its error leads to this frame: the request would stay until a collection.

    def abandon(self, future: Future[Any], hold: Hold) -> None:
        """Nobody waits for it any more; if it runs, it keeps place and memory until it ends."""
        if future.cancel():
            return
        loop = asyncio.get_running_loop()
        self.abandoned += 1
        kept = Hold(hold.memory)
        kept.arriving, kept.reading = hold.arriving, hold.reading
        hold.arriving = hold.reading = 0
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self.release, kept))

    def release(self, kept: Hold) -> None:
        """Give back what an abandoned computation had."""
        self.abandoned -= 1
        kept.release()


def text_end(request: Request) -> int:
    """Where the text of a body ends and its binary data begins."""
    size, length = len(request.body), request.headers.get(LENGTH, b"")
    return min(size, int(length)) if length.isdigit() and len(length) < 20 else size
