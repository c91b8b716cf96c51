"""The prediction log: what came in and what was answered, handed on beside the event loop.

Requests put their rows into a queue that has a bound; a thread writes them to the spool. A slow or
full disk costs rows, which are counted, and never a prediction.
"""

import asyncio
import os
import secrets
import time
from contextlib import suppress
from random import random
from typing import NamedTuple

import numpy as np
from prometheus_client import CollectorRegistry

from mlgitops.serving.blocks import Record
from mlgitops.serving.contract import Answer, Signature
from mlgitops.serving.errors import UserError
from mlgitops.serving.log_queue import Series, Waiting
from mlgitops.serving.log_writer import LogWriter
from mlgitops.serving.protocols import ID, Question, Reply, Request
from mlgitops.serving.settings import Settings

PATIENCE = 1.0  # seconds that an answer waits for the disk, with sync
LONGEST = 128  # characters of an id
FEW = 50  # rows that are chosen one by one


class Logged(NamedTuple):
    """A reply, and what it has to wait for, with `sync`."""

    reply: Reply
    done: asyncio.Future[None] | None


class PredictionLog:
    """Takes what is answered."""

    def __init__(
        self, settings: Settings, signature: Signature, registry: CollectorRegistry
    ) -> None:
        """Nothing is written before it is started; a UserError where it cannot be."""
        if os.name == "nt":
            raise UserError("the prediction log needs Linux or macOS: log.share in gate.yaml is 0")
        self.share, self.sync = settings.log_share, settings.log_sync
        self.series = Series(registry)
        self.origin, self.number = secrets.token_hex(8), 0
        self.writer = LogWriter(settings, signature, self.series)
        self.queue = self.writer.queue

    async def add(
        self, request: Request, question: Question, answer: Answer, reply: Reply
    ) -> Reply:
        """The reply with the id of its request, whose rows are logged; on the disk, with `sync`."""
        logged = self.take(request, question, answer, reply)
        if logged.done is not None:
            await self.wait(logged.done)
        return logged.reply

    def take(self, request: Request, question: Question, answer: Answer, reply: Reply) -> Logged:
        """The reply with the id of its request, whose rows are logged; and what to wait for."""
        id_ = self.identify(request, question)
        done = None
        if self.share == 1 or question.rows > 1 or random() < self.share:  # noqa: S311
            now = time.time_ns() // 1000
            record = self.fit(self.writer.layout.record(id_, now, question, answer))
            if record is not None:
                done = asyncio.get_running_loop().create_future() if self.sync else None
                self.queue.add(Waiting(record, done))
                self.writer.notice(now=self.sync)
        return Logged(Reply(reply.body, reply.media, reply.length, id_.encode()), done)

    async def wait(self, done: asyncio.Future[None]) -> None:
        """Until rows are on the disk; the answer is there, so no deadline or disk may cost it."""
        with suppress(asyncio.CancelledError):
            await asyncio.wait([done], timeout=PATIENCE)
        if not done.done():
            self.series.late.inc()

    def identify(self, request: Request, question: Question) -> str:
        """The id that the client gave, or one of ours where that is none for a line."""
        given = question.id
        if given is None and (header := request.headers.get(ID)) is not None:
            given = header.decode("latin-1")
        if given and len(given) <= LONGEST and given.isascii() and given.isprintable():
            return given
        self.number += 1
        return f"{self.origin}-{self.number}"

    def fit(self, record: Record) -> Record | None:
        """A share of the rows, and of these as many as the queue has place for."""
        kept: Record | None = record
        if self.share < 1 and len(record.rows) > 1:
            kept = choose(record, self.share)
        if kept is None or (rows := len(kept.rows)) <= (place := self.queue.place):
            return kept
        self.series.dropped.labels("queue").inc(rows - place)
        return kept.part(0, place) if place else None


def choose(record: Record, share: float) -> Record | None:
    """A share of the rows, by chance; None if that is none."""
    rows = len(record.rows)
    if rows <= FEW:
        chosen = [k for k in range(rows) if random() < share]  # noqa: S311
    else:
        chosen = np.flatnonzero(np.random.default_rng().random(rows) < share).tolist()
    return record.take(chosen) if chosen else None
