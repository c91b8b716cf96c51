"""The spool: logged rows on the local disk in segments, until they are shipped.

A segment is written by one server, closed by renaming it, and shipped or dropped as a whole.
"""

import os
import re
import secrets
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from mmap import mmap
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mlgitops.serving.blocks import payloads, row_count

# Milliseconds since 1970, the run, a number, and the rows of one that is closed.
CLOSED = re.compile(r"(\d{13})-[0-9a-f]{16}-\d{6}-(\d+)\.log")
EITHER = re.compile(r"(\d{13})-.*\.(?:log|open)")
# Where a killed process leaves what it counted: a disk could make a prediction wait.
MEMORY = Path("/dev/shm")  # noqa: S108
COUNTS = struct.Struct("<QQ")
LARGEST = 4_000_000  # bytes of a segment
PARTS = 8  # segments of which the spool can hold so many


class Segment(NamedTuple):
    """A closed segment."""

    path: Path
    name: str
    rows: int
    since: float


class Lost(NamedTuple):
    """Rows that killed servers had not written yet, and how many servers did not tell."""

    rows: int = 0
    unknown: int = 0


def segments(folder: Path) -> list[Segment]:
    """The closed segments, the oldest first."""
    found = []
    with suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            if known := CLOSED.fullmatch(path.name):
                name = path.stem.rpartition("-")[0]
                found.append(Segment(path, name, int(known[2]), int(known[1]) / 1000))
    return found


class Run:
    """A server's mark in the spool: locked while it lives, and what it took and settled."""

    def __init__(self, folder: Path) -> None:
        """Make it; an OSError if there is no place for it."""
        self.name = secrets.token_hex(8)
        memory = MEMORY if os.access(MEMORY, os.W_OK) else folder
        self.memory, self.path = memory / f"mlgitops-{self.name}", folder / f"{self.name}.run"
        # Nobody sees the mark before it is locked.
        before = folder / f".{self.name}.part"
        self.file = before.open("wb", buffering=0)
        try:
            lock(self.file)
            self.file.write(str(self.memory).encode())
            self.memory.write_bytes(COUNTS.pack(0, 0))
            with self.memory.open("r+b") as counts:
                self.counts = mmap(counts.fileno(), COUNTS.size)
            before.rename(self.path)
        except OSError:
            self.file.close()
            before.unlink(missing_ok=True)
            self.memory.unlink(missing_ok=True)
            raise

    def end(self) -> None:
        """Take the mark away: nothing is lost."""
        self.path.unlink(missing_ok=True)
        self.memory.unlink(missing_ok=True)
        self.file.close()

    def count_taken(self, rows: int) -> None:
        """Say how many rows were taken so far."""
        self.counts[:8] = rows.to_bytes(8, "little")

    def count_settled(self, rows: int) -> None:
        """Say of how many rows it is clear what became of them: they are written, or counted."""
        self.counts[8:] = rows.to_bytes(8, "little")


def lock(file: BinaryIO) -> None:
    """Lock a file until it is closed; a BlockingIOError if somebody else has."""
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Whether the server of this mark has ended, and nobody else looks after what it left."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield False
        return
    with file:
        try:
            lock(file)
            ended = os.fstat(file.fileno()).st_nlink > 0
        except BlockingIOError:
            ended = False
        yield ended


def is_alive(folder: Path) -> bool:
    """Whether a server still writes to this spool."""
    for path in folder.glob("*.run"):
        with claim(path) as ended:
            if not ended and path.exists():
                return True
    return False


def recover(folder: Path) -> Lost:
    """Close the segments of servers that were killed; what these had not written yet is lost."""
    rows = unknown = 0
    for path in sorted(folder.glob("*.run")):
        with claim(path) as ended:
            if not ended:
                continue
            for one in sorted(folder.glob(f"*-{path.stem}-*.open")):
                close(one, *whole(one))
            try:
                memory = Path(path.read_text("utf-8"))
                taken, settled = COUNTS.unpack(memory.read_bytes())
                rows += max(0, taken - settled)
                memory.unlink()
            except (OSError, ValueError, struct.error):
                unknown += 1
            path.unlink()
    return Lost(rows, unknown)


def whole(path: Path) -> tuple[int, int]:
    """The rows of a segment that are whole, and where they end."""
    rows = end = 0
    with path.open("rb") as file:
        for k, payload in enumerate(payloads(file.read)):
            rows += row_count(payload) if k else 0
            end = file.tell()
    return rows, end


def close(path: Path, rows: int, end: int) -> None:
    """Give a segment its last name; one without rows is removed."""
    if not rows:
        path.unlink()
        return
    if path.stat().st_size > end:
        os.truncate(path, end)
    path.rename(path.with_name(f"{path.stem}-{rows}.log"))


class Writing:
    """The segment that is being written."""

    def __init__(self, path: Path, head: bytes, date: str) -> None:
        """Begin it with its head; an OSError if there is no place for it."""
        self.path, self.date, self.rows, self.end = path, date, 0, 0
        self.since = time.monotonic()
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            self.add(head, 0)
        except OSError:
            os.close(self.file)
            path.unlink()
            raise

    def add(self, block: bytes, rows: int) -> None:
        """Write a block; of one that does not fit nothing is left, and the OSError is raised."""
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[os.write(self.file, rest) :]
        except OSError:
            os.ftruncate(self.file, self.end)
            os.lseek(self.file, self.end, os.SEEK_SET)
            raise
        self.end += len(block)
        self.rows += rows

    def close(self) -> None:
        """Give it its last name."""
        os.close(self.file)
        close(self.path, self.rows, self.end)


class Spool:
    """What one server writes to; used by one thread."""

    def __init__(self, folder: Path, most: int, seconds: float, sync: bool) -> None:
        """`most`: bytes of all segments in the folder; `seconds` that one is open at most."""
        self.folder, self.most, self.seconds, self.sync = folder, most, seconds, sync
        self.largest = min(LARGEST, max(1, most // PARTS))
        self.run: Run | None = None
        self.current: Writing | None = None
        self.number = 0

    def open(self) -> tuple[Run, Lost]:
        """Make the folder and the mark, and close what killed servers left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lost = recover(self.folder)
        self.run = Run(self.folder)
        return self.run, lost

    def write(self, block: bytes, rows: int, date: str, head: bytes) -> int:
        """Add a block of one day; the rows of older segments that were dropped for a new one.

        An OSError if the block cannot be written; nothing is left of it.
        """
        assert self.run is not None
        self.roll(date)
        dropped = 0
        if self.current is None:
            dropped = self.drop(self.look()[0] + self.largest - self.most)
            self.number += 1
            name = f"{time.time_ns() // 1_000_000:013d}-{self.run.name}-{self.number:06d}.open"
            self.current = Writing(self.folder / name, head, date)
            if self.sync:
                sync_folder(self.folder)
        self.current.add(block, rows)
        if self.sync:
            os.fsync(self.current.file)
        return dropped

    def roll(self, date: str | None = None) -> None:
        """Close the segment if it is large, old, or of another day."""
        one = self.current
        if one is None:
            return
        old = time.monotonic() - one.since >= self.seconds
        if old or one.end >= self.largest or date not in (None, one.date):
            self.current = None
            one.close()

    def end(self) -> None:
        """Close the segment, and take the mark away."""
        if self.current is not None:
            one, self.current = self.current, None
            one.close()
        if self.run is not None:
            self.run.end()

    def drop(self, least: int = 1) -> int:
        """Drop the oldest closed segments until `least` bytes are free; the rows in them."""
        rows = 0
        for one in segments(self.folder):
            if least <= 0:
                break
            with suppress(FileNotFoundError):  # It has just been shipped.
                least -= one.path.stat().st_size
                one.path.unlink()
                rows += one.rows
        return rows

    def look(self) -> tuple[int, float | None]:
        """Bytes in the spool, and since when its oldest row waits."""
        size, oldest = 0, None
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if known := EITHER.fullmatch(path.name):
                    with suppress(FileNotFoundError):
                        size += path.stat().st_size
                        since = int(known[1]) / 1000
                        oldest = since if oldest is None else min(oldest, since)
        return size, oldest


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
