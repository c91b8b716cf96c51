"""A socket whose clients are taken as they come, also where the event loop has much to do.

uvloop's own takes one client in a turn of the loop. A turn with a hundred requests is long, so new
clients, and probes with them, would wait for as long as an overload lasts.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

BACKLOG = 2048
# Clients that are taken in one turn.
TAKEN = 256
# Seconds until the next try where the system has no descriptor left.
PAUSE = 0.1


class Listener:
    """It stands for an asyncio.Server, as far as uvicorn asks for one."""

    def __init__(self, sock: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Listen on a bound socket; `protocol` makes what speaks with one client."""
        self.sock, self.protocol = sock, protocol
        self.loop = asyncio.get_running_loop()
        self.tasks: set[asyncio.Task[Any]] = set()
        sock.setblocking(False)
        sock.listen(BACKLOG)
        self.start()

    def start(self) -> None:
        """Take clients from now on, if it is not closed."""
        if self.sock.fileno() >= 0:
            self.loop.add_reader(self.sock, self.take)

    def take(self) -> None:
        """Take all who wait."""
        for _ in range(TAKEN):
            try:
                client, _address = self.sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self.loop.remove_reader(self.sock)
                self.loop.call_later(PAUSE, self.start)
                return
            client.setblocking(False)
            task = self.loop.create_task(self.connect(client))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def connect(self, client: socket.socket) -> None:
        """Let a client speak; one that is gone already is forgotten."""
        try:
            await self.loop.connect_accepted_socket(self.protocol, client)
        except OSError:
            client.close()

    def close(self) -> None:
        """Take no more clients; who is there stays."""
        if self.sock.fileno() >= 0:
            self.loop.remove_reader(self.sock)
            self.sock.close()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""
