"""What the event loop and the thread that writes share: the queue between them, and the metrics."""

import asyncio
import time
from collections import deque
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge

from mlgitops.serving.blocks import Record

QUEUE = 2_000_000  # values in the queue
REASONS = ("queue", "disk", "spool", "failed")


class Series:
    """What /metrics says of the log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """All start at 0."""
        self.rows = Counter("serve_log_rows", "Written to the spool.", registry=registry)
        self.dropped = Counter(
            "serve_log_dropped_rows", "Not kept, by reason.", ["reason"], registry=registry
        )
        self.lost = Counter(
            "serve_log_lost_rows", "Not yet written when a server was killed.", registry=registry
        )
        self.unknown = Counter(
            "serve_log_unknown_losses", "Killed servers that did not tell.", registry=registry
        )
        self.late = Counter(
            "serve_log_late_syncs", "Answers that waited for the disk in vain.", registry=registry
        )
        self.size = Gauge("serve_log_spool_bytes", "Waiting to be shipped.", registry=registry)
        self.oldest: float | None = None
        lag = Gauge("serve_log_lag_seconds", "The oldest row has waited.", registry=registry)
        lag.set_function(lambda: time.time() - self.oldest if self.oldest else 0)
        for reason in REASONS:
            self.dropped.labels(reason)


class Waiting(NamedTuple):
    """Rows in the queue, and who waits until they are on the disk."""

    record: Record
    done: asyncio.Future[None] | None


class Queue:
    """Rows between the event loop, which puts them in, and the thread that writes them."""

    def __init__(self, width: int) -> None:
        """`width`: values of a row."""
        self.width = max(1, width)
        self.waiting: deque[Waiting] = deque()
        # Values put in and taken out, each counted by one thread; rows put in.
        self.put = self.got = self.rows = 0

    @property
    def place(self) -> int:
        """The rows that there is place for."""
        return max(0, QUEUE - (self.put - self.got)) // self.width

    def add(self, one: Waiting) -> None:
        """Put rows in."""
        rows = len(one.record.rows)
        self.put += rows * self.width
        self.rows += rows
        self.waiting.append(one)
