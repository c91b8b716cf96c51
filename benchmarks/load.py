"""A load on one address by wrk, and what the server used meanwhile."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import psutil

SECONDS = 4
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}


class Load(NamedTuple):
    """Requests a second, milliseconds of the median and of the slowest in a hundred, CPU in µs."""

    rate: float
    p50: float
    p99: float
    cpu: float
    count: int = 0


def cpu_seconds(process: psutil.Process) -> float:
    """Seconds of CPU of a process and its children so far."""
    found = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    return sum(one.user + one.system for one in found)


def load(port: int, path: str, body: bytes, clients: int, pid: int) -> Load:
    """The figures of some seconds; every answer must be 200."""
    process = psutil.Process(pid)
    before = cpu_seconds(process)
    said = wrk(f"http://127.0.0.1:{port}{path}", body, clients)
    cpu = cpu_seconds(process) - before
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"not every answer was 200:\n{said}")
    count = int(re.search(r"(\d+) requests in", said)[1])
    rate = float(re.search(r"Requests/sec: +([\d.]+)", said)[1])
    return Load(rate, slowest(said, 50), slowest(said, 99), cpu / count * 1e6, count)


def wrk(address: str, body: bytes, clients: int) -> str:
    """What wrk prints of a POST over and over on a few connections."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk, or brew install wrk")
    with tempfile.TemporaryDirectory() as folder:
        text, script = Path(folder, "body"), Path(folder, "post.lua")
        text.write_bytes(body)
        script.write_text(
            'wrk.method = "POST"\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
            f'wrk.body = io.open("{text}", "rb"):read("*a")\n',
            encoding="utf-8",
        )
        command = ["wrk", "-t1", f"-c{clients}", f"-d{SECONDS}s", "--timeout", "30s"]
        command += ["--latency", "-s", str(script), address]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def slowest(said: str, percent: int) -> float:
    """Milliseconds within which so many of a hundred requests were answered."""
    found = re.search(rf"{percent}% +([\d.]+)(us|ms|s|m)\b", said)
    return float(found[1]) * UNITS[found[2]]
