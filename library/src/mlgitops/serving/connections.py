"""Connections to the server: how many there may be, and how long each may do nothing."""

import asyncio
from collections import Counter
from typing import Protocol

from mlgitops.serving.admission import Admission, Scope
from mlgitops.serving.bodies import Receive
from mlgitops.serving.protocols import Send
from mlgitops.serving.settings import Settings

HEALTH = frozenset({"/v2/health/live", "/v2/health/ready", "/health", "/ping", "/metrics"})
# Connections beyond the limit, for health and metrics alone; the oldest gives way to the next.
GUESTS = 64
# Seconds between two looks at all connections.
LOOK = 0.5
# Seconds in which a client may still read why it was refused.
LINGER = 2
# Open files that are no connections.
OTHERS = 64
FULL = b"more connections than this server takes: try again in a second"


class Connection(Protocol):
    """What is asked of one connection."""

    address: str
    since: float

    @property
    def waiting(self) -> bool:
        """Whether nothing is to be done for it."""

    def abort(self) -> None:
        """End it at once."""

    def look(self, now: float) -> None:
        """End it if it has done nothing for too long."""


class Connections:
    """All of one server."""

    def __init__(self, admission: Admission, settings: Settings) -> None:
        """None so far."""
        self.admission, self.settings = admission, settings
        self.most = min(settings.connections, descriptors(settings.connections + OTHERS + GUESTS))
        self.open: dict[Connection, None] = {}
        self.guests: dict[Connection, None] = {}
        self.clients: Counter[str] = Counter()

    def enter(self, one: Connection) -> bool:
        """Take a connection; False if it is a guest, to be answered for health and metrics alone.

        Where there is no place, the one that has done nothing for longest gives way: of the same
        client if that has too many.
        """
        if self.clients[one.address] >= self.settings.client_connections:
            free = self.give_way(one.address)
        else:
            free = len(self.open) < self.most or self.give_way(None)
        if free:
            self.open[one] = None
            self.clients[one.address] += 1
            return True
        if len(self.guests) >= GUESTS:
            next(iter(self.guests)).abort()
        self.guests[one] = None
        return False

    def give_way(self, address: str | None) -> bool:
        """Close the connection that has done nothing for longest; False if all are at work."""
        idle = [one for one in self.open if one.waiting and address in (None, one.address)]
        if not idle:
            return False
        longest = min(idle, key=lambda one: one.since)
        longest.abort()
        self.leave(longest)
        return True

    def leave(self, one: Connection) -> None:
        """Forget a connection."""
        self.guests.pop(one, None)
        if one in self.open:
            del self.open[one]
            self.clients[one.address] -= 1
            if not self.clients[one.address]:
                del self.clients[one.address]

    def look(self) -> None:
        """Look at all connections, and again a little later."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for one in [*self.open, *self.guests]:
            one.look(now)
        loop.call_later(LOOK, self.look)

    async def answer_guest(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a guest: health and metrics only."""
        if scope["path"] in HEALTH:
            await self.admission.pages(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain"), (b"retry-after", b"1")]
        headers.append((b"content-length", str(len(FULL)).encode()))
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": FULL})


def descriptors(wanted: int) -> int:
    """How many connections the system lets this process have; the limit is raised if it may be."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted - OTHERS - GUESTS
