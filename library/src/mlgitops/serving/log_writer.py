"""The thread that writes the prediction log to the spool."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mlgitops.serving import blocks
from mlgitops.serving.blocks import Facts, Layout, Record
from mlgitops.serving.contract import Signature
from mlgitops.serving.log_queue import QUEUE, Queue, Series, Waiting
from mlgitops.serving.settings import Settings
from mlgitops.serving.spool import Run, Spool

LOG = logging.getLogger("serve")
# Seconds between two writes: a quarter of what may be lost, for a busy machine is late.
EVERY = 0.025
LOOK = 1.0  # seconds between two looks at the spool
REPORT = 60.0  # seconds between two reports of a disk that does not take anything
END = 2.0  # seconds for what is left at the end
BLOCK = 65_536  # values of a block, but for a row of more
UNRELEASED = "unreleased"


class LogWriter(threading.Thread):
    """Takes rows out of the queue and hands them to the disk, until it is stopped."""

    def __init__(self, settings: Settings, signature: Signature, series: Series) -> None:
        """Nothing is written before it is started."""
        super().__init__(name="log", daemon=True)
        self.disk = Disk(settings, signature, series)
        self.layout, self.spool = self.disk.layout, self.disk.spool
        self.queue = Queue(len(self.disk.facts.columns) + 1)
        self.wake, self.ready, self.stopping = threading.Event(), threading.Event(), False
        self.loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """Start for the running event loop, once the spool is open; or not, after a second."""
        self.loop = asyncio.get_running_loop()
        self.start()
        self.ready.wait(LOOK)

    def notice(self, now: bool) -> None:
        """Something was put into the queue: remember how much, should this process be killed."""
        if self.disk.mark is not None:
            self.disk.mark.count_taken(self.queue.rows)
        if now or self.queue.put - self.queue.got > QUEUE / 2:
            self.wake.set()

    def stop(self) -> None:
        """Write what is left, and close the segment."""
        self.stopping = True
        self.wake.set()
        self.join(END)

    def run(self) -> None:
        """Write from time to time."""
        self.disk.look()
        self.ready.set()
        while not self.stopping:
            self.wake.wait(EVERY)
            self.wake.clear()
            self.step()
        self.step()
        with suppress(OSError):
            self.spool.end()

    def step(self) -> None:
        """Write what is in the queue."""
        for records, done in self.batches():
            rows = sum(len(one.rows) for one in records)
            self.disk.keep(records, rows)
            self.queue.got += rows * self.queue.width
            self.tell(done)
            self.disk.look()
        self.disk.look()

    def batches(self) -> Iterator[tuple[list[Record], list[Waiting]]]:
        """What is in the queue, as much at once as goes into a block; and who waits for it."""
        most = max(1, BLOCK // self.queue.width)
        while self.queue.waiting:
            one = self.queue.waiting.popleft()
            total = len(one.record.rows)
            for start in range(0, max(0, total - most), most):
                yield [one.record.part(start, start + most)], []
            start = (total - 1) // most * most
            some, rows = [one], total - start
            records = [one.record.part(start, total) if start else one.record]
            while self.queue.waiting and rows + len(self.queue.waiting[0].record.rows) <= most:
                some.append(self.queue.waiting.popleft())
                records.append(some[-1].record)
                rows += len(some[-1].record.rows)
            yield records, some

    def tell(self, waiting: list[Waiting]) -> None:
        """Tell those who wait that their rows are on the disk, or counted."""
        done = [one.done for one in waiting if one.done is not None]
        if done and self.loop is not None:
            with suppress(RuntimeError):  # The loop has ended.
                self.loop.call_soon_threadsafe(finish, done)


class Disk:
    """What the thread knows of the spool; all that goes wrong with it is counted here."""

    def __init__(self, settings: Settings, signature: Signature, series: Series) -> None:
        """It is opened by the first look."""
        self.facts, self.series = facts(settings, signature), series
        self.layout = Layout(signature, self.facts, settings.hash_key)
        size = settings.log_spool_mb * 1_000_000
        self.spool = Spool(Path(settings.spool), size, settings.log_seconds, settings.log_sync)
        self.mark: Run | None = None
        self.settled = 0
        self.looked = self.reported = -REPORT

    def keep(self, records: Sequence[Record], rows: int) -> None:
        """Write some records, or count their rows as dropped."""
        try:
            self.write(records, rows)
            self.series.rows.inc(rows)
        except OSError as error:
            self.series.dropped.labels("disk").inc(rows)
            self.report(error)
        except Exception:
            self.series.dropped.labels("failed").inc(rows)
            LOG.exception("the prediction log failed")
        self.settled += rows
        if self.mark is not None:
            self.mark.count_settled(self.settled)

    def write(self, records: Sequence[Record], rows: int) -> None:
        """Write some records; where there is no place, once more without the oldest segment."""
        if self.mark is None:
            raise OSError(f"{self.spool.folder} cannot be written")
        block = self.layout.block(records)
        date = datetime.fromtimestamp(records[0].time / 1e6, UTC).date().isoformat()
        head = blocks.head_block(self.facts._replace(date=date))
        try:
            dropped = self.spool.write(block, rows, date, head)
        except OSError:
            dropped = self.spool.drop()
            self.series.dropped.labels("spool").inc(dropped)
            if not dropped:
                raise
            dropped = self.spool.write(block, rows, date, head)
        self.series.dropped.labels("spool").inc(dropped)

    def look(self) -> None:
        """From time to time: open the spool if it is not, close an old segment, measure."""
        now = time.monotonic()
        if now - self.looked < LOOK:
            return
        self.looked = now
        try:
            if self.mark is None:
                self.open()
            self.spool.roll()
            size, self.series.oldest = self.spool.look()
            self.series.size.set(size)
        except OSError as error:
            self.report(error)

    def open(self) -> None:
        """Open the spool; count what killed servers lost."""
        self.mark, lost = self.spool.open()
        self.mark.count_settled(self.settled)
        self.series.lost.inc(lost.rows)
        self.series.unknown.inc(lost.unknown)
        if lost.rows or lost.unknown:
            LOG.warning("prediction log: a server was killed, %s rows were not written", lost.rows)

    def report(self, error: OSError) -> None:
        """Say why rows are dropped, not too often."""
        now = time.monotonic()
        if now - self.reported >= REPORT:
            self.reported = now
            LOG.warning("prediction log: rows are dropped and counted: %s", error)


def facts(settings: Settings, signature: Signature) -> Facts:
    """What is the same for all rows, but the date."""
    labels = None if signature.labels is None else tuple(map(str, signature.labels))
    release = settings.release.commit or UNRELEASED
    names = blocks.columns(signature, settings.hash_key)
    return Facts(blocks.FORMAT, settings.release.model, release, "", names, labels)


def finish(waiting: list[asyncio.Future[None]]) -> None:
    """Let them go on."""
    for one in waiting:
        if not one.done():
            one.set_result(None)
