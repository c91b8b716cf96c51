"""The prediction log: the same server with and without it, in turn, and what a kill loses.

A folder as argument is the model to serve; else that of `serving`'s table is made.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from load import Load, load
from measure import FOLDER, PROJECT, environment, ready, row
from mlgitops.serving import ship
from mlgitops.serving.destinations import Folder
from mlgitops.serving.spool import recover
from serving import Peer, body, free, models, server, wait

CASES = ((1, 1), (1, 16), (100, 8))  # rows, connections
TURNS = 5
KILLS = 20
WINDOW = 0.1  # seconds whose rows a kill may cost
CLIENTS = 4


def command(folder: Path, spool: Path, share: float, **more: str) -> list[str]:
    """A server with a log."""
    python = PROJECT / ".venv/bin/python"
    own = {"SERVE_LOG_SHARE": str(share), "SERVE_SPOOL": str(spool), **more}
    program = [str(python) if python.exists() else sys.executable, "-m", "mlgitops.serving"]
    return ["env", *(f"{name}={value}" for name, value in own.items()), *program, str(folder)]


def compare(peers: list[Peer], folder: Path) -> None:
    """Requests a second with the log on, as a share of those without."""
    for rows, clients in CASES:
        turns: dict[str, list[Load]] = {peer.name: [] for peer in peers}
        for _ in range(TURNS):
            for peer in peers:
                text = body(folder, rows)
                turns[peer.name].append(load(peer.port, peer.path, text, clients, peer.pid))
        found = {name: Load(*(median(one[k] for one in loads) for k in range(4)))
                 for name, loads in turns.items()}  # fmt: skip
        what = f"rows {rows}, connections {clients}"
        for name, one in found.items():
            row(f"{name}: {what}", f"{one.rate:.0f}/s",
                f"p50 {one.p50:.2f} p99 {one.p99:.2f} ms, CPU {one.cpu:.0f} µs")  # fmt: skip
        plain = found["log off"].rate
        for name in list(found)[1:]:
            row(f"{name} / log off: {what}", f"{found[name].rate / plain:.2f} x", "≥ 0.9 x")


class Client(threading.Thread):
    """Asks one row after another until the server is gone; remembers when it had which answer."""

    def __init__(self, port: int, text: bytes, name: str) -> None:
        """Its requests are `name`-0, `name`-1 and so on."""
        super().__init__()
        self.port, self.text, self.own = port, text, name
        self.answers: dict[str, float] = {}

    def run(self) -> None:
        """Ask."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            while True:
                id_ = f"{self.own}-{len(self.answers)}"
                told = {"Content-Type": "application/json", "X-Request-ID": id_}
                connection.request("POST", "/invocations", self.text, told)
                connection.getresponse().read()
                self.answers[f"{id_}/0"] = time.monotonic()
        except (OSError, http.client.HTTPException):
            connection.close()


def kill(folder: Path, sync: bool, number: int) -> tuple[int, int, float]:
    """Rows acknowledged, rows of these that are lost, and the oldest of them in seconds."""
    with TemporaryDirectory() as place:
        spool, port = Path(place, "spool"), free()
        started = command(folder, spool, 1, SERVE_LOG_SYNC=str(sync), SERVE_PORT=str(port))
        with (FOLDER / "killed.log").open("wb") as log:
            process = subprocess.Popen(started, env=environment(), stdout=log, stderr=log)
        wait(process, port, time.perf_counter())
        clients = [Client(port, body(folder, 1), f"{number}-{k}") for k in range(CLIENTS)]
        for one in clients:
            one.start()
        time.sleep(0.3 + number % 10 / 50)
        killed = time.monotonic()
        process.kill()
        for one in clients:
            one.join()
        process.wait()
        found = read_log(spool, Path(place))
        answers = {id_: at for one in clients for id_, at in one.answers.items()}
        lost = {id_: killed - at for id_, at in answers.items() if id_ not in found}
        return len(answers), len(lost), max(lost.values(), default=0.0)


def read_log(spool: Path, place: Path) -> set[str]:
    """The ids that arrive in a store; an error if one does twice."""
    recover(spool)
    ship.ship(spool, Folder(place))
    files = place.glob("predictions/*/*/*.jsonl.gz")
    text = b"".join(subprocess.run(["zcat", str(one)], capture_output=True, check=True).stdout
                    for one in files)  # fmt: skip
    ids = [json.loads(line)["id"] for line in text.splitlines()]
    if len(ids) != len(set(ids)):
        raise SystemExit("a row is in the store twice")
    return set(ids)


def main() -> None:
    """The claims about the log."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
    else:
        if not (PROJECT / ".venv").exists():
            ready()
        folder, _ = models()
    with TemporaryDirectory() as place, ExitStack() as servers:
        peers = [
            servers.enter_context(
                server(name, command(folder, Path(place, name), share), "/invocations", free())
            )
            for name, share in (("log off", 0), ("log on", 1), ("a tenth", 0.1))
        ]
        compare(peers, folder)
    for sync in (False, True):
        kills = [kill(folder, sync, number) for number in range(KILLS)]
        acknowledged, lost = sum(one[0] for one in kills), sum(one[1] for one in kills)
        oldest = max(one[2] for one in kills)
        target = "0" if sync else f"≤ {WINDOW * 1000:.0f} ms of rows"
        row(f"{KILLS} x kill -9, sync {sync}: rows lost", f"{lost} of {acknowledged}", target)
        row("the oldest of them was answered before", f"{oldest * 1000:.0f} ms", target)


if __name__ == "__main__":
    main()
