"""A load generator for one address: a few connections, one request at a time on each."""

import asyncio
import time
from typing import NamedTuple

import psutil


class Load(NamedTuple):
    """Requests a second, milliseconds of the median and of the slowest in a hundred, CPU in µs."""

    rate: float
    p50: float
    p99: float
    cpu: float


async def client(port: int, request: bytes, count: int, seconds: list[float]) -> None:
    """Send the request over and over on one connection; every answer must be 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        started = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        seconds.append(time.perf_counter() - started)
        if not head.startswith(b"http/1.1 200"):
            raise SystemExit(f"not 200: {head!r}")
    writer.close()


def used(process: psutil.Process) -> float:
    """Seconds of CPU of a process and its children so far."""
    found = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    return sum(one.user + one.system for one in found)


def load(port: int, path: str, body: bytes, clients: int, count: int, pid: int) -> Load:
    """The figures of `count` requests."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    process, seconds = psutil.Process(pid), list[float]()

    async def together() -> float:
        each = [client(port, request, count // clients, seconds) for _ in range(clients)]
        started = time.perf_counter()
        await asyncio.gather(*each)
        return time.perf_counter() - started

    before = used(process)
    wall = asyncio.run(together())
    cpu = (used(process) - before) / len(seconds)
    seconds.sort()
    p50, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    return Load(len(seconds) / wall, p50 * 1e3, p99 * 1e3, cpu * 1e6)
