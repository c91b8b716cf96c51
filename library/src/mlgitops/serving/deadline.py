"""A limit on how long a request may take, at the cost of an entry in a table.

asyncio.timeout makes and drops a timer for each request, a tenth of what the request costs.
"""

import asyncio
from types import TracebackType
from typing import Any


class Late(Exception):
    """It took longer than it may."""


class Deadline:
    """`with deadline:` in a task: what it awaits is cancelled there in time, and Late raised."""

    def __init__(self, seconds: float) -> None:
        """The limit. All have the same, so the table is in the order in which they end."""
        self.seconds = seconds
        self.ends: dict[asyncio.Task[Any], float] = {}
        self.late: set[asyncio.Task[Any]] = set()
        self.looking = False

    def __enter__(self) -> None:
        """Start to count for this task."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self.ends[task] = loop.time() + self.seconds
        if not self.looking:
            self.looking = True
            loop.call_later(self.seconds, self.look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Stop to count; what was cancelled for being late is told."""
        task = asyncio.current_task()
        assert task is not None
        self.ends.pop(task, None)
        if task in self.late:
            self.late.discard(task)
            task.uncancel()
            if kind is asyncio.CancelledError:
                raise Late from None

    def look(self) -> None:
        """Cancel those who are late, and look again when the next one may be."""
        loop = asyncio.get_running_loop()
        while self.ends:
            task, end = next(iter(self.ends.items()))
            if end > loop.time():
                loop.call_at(end, self.look)
                return
            del self.ends[task]
            self.late.add(task)
            task.cancel()
        self.looking = False
