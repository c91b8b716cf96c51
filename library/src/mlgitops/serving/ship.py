"""`ship [STORE] [--watch]`: bring closed segments of the prediction log to the store.

A file has a name of its own segment, is written whole or not at all, and the segment goes after
that. So whatever is killed when, a row is in the store once.
"""

import argparse
import gzip
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from mlgitops.serving import blocks
from mlgitops.serving.cli import log_settings
from mlgitops.serving.destinations import DAY, ROOM, Destination, destination
from mlgitops.serving.errors import UserError
from mlgitops.serving.settings import Settings
from mlgitops.serving.spool import Segment, is_alive, recover, segments

EVERY = 5.0  # seconds between two looks at the spool
LONGEST = 60.0  # between two attempts at a store that is away
LAST = 0.2  # between two looks once it is told to end
END = 30.0  # seconds for that, of a pod's 40
HOUR = 3600.0


class Packed(NamedTuple):
    """A segment as it is shipped: its name in the store, its bytes, and how many rows it has."""

    name: str
    data: bytes
    rows: int


def pack(segment: Segment) -> Packed:
    """A segment as lines of JSON; a ValueError if its head cannot be read."""
    rows, packed = 0, io.BytesIO()
    with segment.path.open("rb") as file:
        found: Iterator[bytes] = blocks.payloads(file.read)
        facts = blocks.facts_of(next(found, b""))
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as lines:
            for payload in found:
                for line in blocks.lines(facts, payload):
                    lines.write(line)
                    rows += 1
    place = f"{ROOM}/{DAY}{facts.date}/release={quote(facts.release, safe='')}"
    return Packed(f"{place}/{segment.name}.jsonl.gz", packed.getvalue(), rows)


def ship_segment(segment: Segment, to: Destination) -> int:
    """The rows of a segment that are in the store now; an OSError if it does not take them."""
    try:
        packed = pack(segment)
    except FileNotFoundError:  # Somebody else shipped or dropped it.
        return 0
    except (ValueError, KeyError, TypeError) as error:
        segment.path.rename(segment.path.with_suffix(".unreadable"))
        say(f"{segment.path.name} cannot be read, {segment.rows} rows are put aside: {error}")
        return 0
    if packed.rows < segment.rows:
        say(f"{segment.path.name}: {segment.rows - packed.rows} rows are damaged, and left out")
    to.put(packed.name, packed.data)
    segment.path.unlink(missing_ok=True)
    return packed.rows


def ship(folder: Path, to: Destination) -> tuple[int, int]:
    """Ship all closed segments: how many, and their rows; an OSError where the store is away."""
    count = rows = 0
    for segment in segments(folder):
        rows += ship_segment(segment, to)
        count += 1
    return count, rows


def settle(folder: Path) -> None:
    """Close what killed servers left."""
    lost = recover(folder)
    if lost.rows or lost.unknown:
        say(f"{lost.rows} rows were not written when a server was killed")


def expire(to: Destination, days: int) -> None:
    """Remove what is older than so many days; 0: nothing."""
    if not days:
        return
    first = (datetime.now(UTC) - timedelta(days=days)).date().isoformat()
    for day in to.days():
        if day < first:
            to.remove(day)


def once(settings: Settings, store: str) -> None:
    """Ship what is there; a UserError where the store is away."""
    folder, to = Path(settings.spool), destination(store)
    settle(folder)
    try:
        count, rows = ship(folder, to)
        expire(to, settings.log_days)
    except OSError as error:
        left = len(segments(folder))
        raise UserError(
            f"{store} takes nothing, {left} segments stay in {folder}: try again ({error})"
        ) from None
    print(f"ship: {rows} rows of {count} segments to {store}/{ROOM}")
    if is_alive(folder):
        print(f"ship: a server writes on; its rows follow {settings.log_seconds:g} s later")


class Watch:
    """Ships until it is told to end, and then what is left, however often the store is away."""

    def __init__(self, settings: Settings, store: str) -> None:
        """For one spool and one store."""
        self.folder, self.to, self.store = Path(settings.spool), destination(store), store
        self.days, self.ending = settings.log_days, threading.Event()
        self.pause, self.expired = EVERY, -HOUR
        self.away = False

    def run(self) -> None:
        """Until a signal; then until the server has ended too, at most END seconds."""
        while not self.ending.is_set():
            self.attempt()
            self.ending.wait(self.pause)
        until = time.monotonic() + END
        while time.monotonic() < until:
            over = not is_alive(self.folder)
            if over:
                settle(self.folder)
            self.attempt()
            if over and not segments(self.folder):
                return
            time.sleep(LAST)
        say(f"{len(segments(self.folder))} segments stay in {self.folder}")

    def attempt(self) -> None:
        """Ship; where the store is away, wait twice as long until the next time."""
        try:
            ship(self.folder, self.to)
            if time.monotonic() - self.expired >= HOUR:
                self.expired = time.monotonic()
                expire(self.to, self.days)
        except OSError as error:
            if not self.away:
                say(f"{self.store} takes nothing, and is tried again: {error}")
            self.away, self.pause = True, min(LONGEST, 2 * self.pause)
            return
        if self.away:
            say(f"{self.store} takes it again")
        self.away, self.pause = False, EVERY


def watch(settings: Settings, store: str) -> None:
    """Ship until a signal, and what is left after it."""
    one = Watch(settings, store)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: one.ending.set())
    one.run()


def say(text: str) -> None:
    """Say it on stderr."""
    print(f"ship: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Run `ship` with the arguments of this process."""
    parser = argparse.ArgumentParser("ship", description="Ship the prediction log to the store.")
    parser.add_argument("store", nargs="?", help="a folder, azure://, s3:// or gs://; SERVE_STORE")
    parser.add_argument("--watch", action="store_true", help="go on until a signal")
    given = parser.parse_args()
    try:
        settings = Settings.read(log_settings() | os.environ)
        store = given.store or settings.store
        if not given.watch:
            once(settings, store)
            return
        watch(settings, store)
    except UserError as mistake:
        say(str(mistake))
        sys.exit(1)


if __name__ == "__main__":
    main()
