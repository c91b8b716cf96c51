"""A limit on how long a body may take, at the cost of an entry in a table.

asyncio.timeout makes and drops a timer for each request, a tenth of what the request costs.
"""

import asyncio
from types import TracebackType
from typing import Any

from serve.errors import Refusal


class Deadline:
    """`with deadline:` in a task; a Refusal there if it takes longer, looked at now and then."""

    def __init__(self, seconds: float) -> None:
        """The limit; it is kept to a quarter of itself."""
        self.seconds = seconds
        self.since: dict[asyncio.Task[Any], float] = {}
        self.late: set[asyncio.Task[Any]] = set()
        self.looking = False

    def __enter__(self) -> None:
        """Start to count for this task."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self.since[task] = loop.time()
        if not self.looking:
            self.looking = True
            loop.call_later(self.seconds / 4, self.look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Stop to count; what was cancelled for being late is refused."""
        task = asyncio.current_task()
        assert task is not None
        self.since.pop(task, None)
        if task in self.late:
            self.late.discard(task)
            task.uncancel()
            if kind is asyncio.CancelledError:
                raise Refusal("slow_body", "the body did not arrive in time", 408) from None

    def look(self) -> None:
        """Cancel those who are late, and look again while there are others."""
        loop = asyncio.get_running_loop()
        for task, since in list(self.since.items()):
            if loop.time() - since > self.seconds:
                del self.since[task]
                self.late.add(task)
                task.cancel()
        self.looking = bool(self.since)
        if self.looking:
            loop.call_later(self.seconds / 4, self.look)
