"""Overload: three times what the server can answer, from few and from ever more clients."""

import csv
import http.client
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from measure import PROJECT, ready, row
from serving import Peer, body, free, run_make, server

SECONDS = 20
TIMES = 3  # the capacity
PLACES = 128  # SERVE_CONCURRENCY by default
LIVE = "/v2/health/live"
SLOW = 8  # clients that send or read a byte now and then


class Answers(NamedTuple):
    """Answers with 200 a second, their slowest in a hundred in ms, and how many had each code."""

    rate: float
    p99: float
    codes: dict[str, int]


def attack(peer: Peer, text: bytes, *options: str) -> Answers:
    """What vegeta sees in some seconds."""
    if shutil.which("vegeta") is None:
        raise SystemExit("vegeta is not installed: https://github.com/tsenart/vegeta")
    with tempfile.TemporaryDirectory() as folder:
        given, found, table = (Path(folder, name) for name in ("body", "found", "table.csv"))
        given.write_bytes(text)
        command = ["vegeta", "attack", "-body", str(given), "-output", str(found), *options]
        command += ["-header", "Content-Type: application/json", "-duration", f"{SECONDS}s"]
        command += ["-max-body", "0"]
        target = f"POST http://127.0.0.1:{peer.port}{peer.path}".encode()
        subprocess.run(command, input=target, check=True)
        subprocess.run(
            ["vegeta", "encode", "-to", "csv", "-output", str(table), str(found)], check=True
        )
        return read(table)


def read(table: Path) -> Answers:
    """The figures of a table of vegeta's: time, code and nanoseconds of each answer."""
    codes: dict[str, list[int]] = {}
    with table.open(encoding="utf-8", newline="") as file:
        for _, code, took, *_ in csv.reader(file):
            codes.setdefault(code, []).append(int(took))
    good = np.array(codes.get("200", [0])) / 1e6
    counts = {code: len(took) for code, took in sorted(codes.items())}
    return Answers(counts.get("200", 0) / SECONDS, float(np.percentile(good, 99)), counts)


@contextmanager
def slow_clients(peer: Peer, text: bytes) -> Iterator[None]:
    """Clients that send a byte a second, and others that read none of many answers."""
    head = f"POST {peer.path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    whole = f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text
    ended = threading.Event()
    made = [socket.create_connection(("127.0.0.1", peer.port)) for _ in range(SLOW)]

    def send() -> None:
        for place in range(len(whole)):
            for one in made[::2]:
                with suppress(OSError):  # The server has given it up.
                    one.send(whole[place : place + 1])
            if ended.wait(1):
                return

    for one in made[1::2]:
        one.send(whole * 20)
    writer = threading.Thread(target=send)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
        for one in made:
            one.close()


@contextmanager
def probes(peer: Peer, found: list[float]) -> Iterator[None]:
    """Ask for it as a probe does, on a connection of its own each time; milliseconds of each."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(0.2):
            started = time.perf_counter()
            asking = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=10)
            asking.request("GET", LIVE)
            if asking.getresponse().status != 200:
                raise SystemExit(f"{LIVE} is not answered with 200")
            asking.close()
            found.append((time.perf_counter() - started) * 1e3)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()


def measure(peer: Peer, text: bytes) -> None:
    """The capacity, then three times of it."""
    calm = attack(peer, text, "-rate", "0", "-max-workers", "16")
    row("capacity: 16 clients, one after the other", f"{calm.rate:.0f}/s", f"p99 {calm.p99:.1f} ms")
    process = psutil.Process(peer.pid)
    many, rate = str(TIMES * PLACES), f"{TIMES * calm.rate:.0f}/s"
    cases = {
        f"closed loop, {many} clients": ("-rate", "0", "-max-workers", many),
        f"open loop, {rate}": ("-rate", rate, "-max-workers", "1000"),
    }
    for name, options in cases.items():
        before, answers = process.memory_info().rss, list[float]()
        with slow_clients(peer, text), probes(peer, answers):
            found = attack(peer, text, *options)
        growth = (process.memory_info().rss - before) / 1e6
        row(f"{name}: answered", f"{found.rate / calm.rate:.2f} x capacity", "≥ 0.8 x")
        row(f"{name}: p99", f"{found.p99 / calm.p99:.1f} x", "≤ 3 x")
        row(f"{name}: health", f"{max(answers):.0f} ms", "≤ 100 ms")
        row(f"{name}: memory", f"{growth:+.1f} MB", "flat")
        row(f"{name}: answers", " ".join(f"{k}: {v}" for k, v in found.codes.items()), "200, 503")


def main() -> None:
    """The claims about overload."""
    folder, port = PROJECT / "artifacts/model", free()
    if not (folder / "signature.json").exists():
        run_make("pipeline")
    command = [str(PROJECT / ".venv/bin/python"), "-m", "mlgitops.serving", str(folder)]
    with server("overload", command, "/invocations", port) as peer:
        measure(peer, body(folder, 1))


if __name__ == "__main__":
    if not (PROJECT / ".venv").exists():
        ready()
    main()
