"""Serving: real servers on loopback, in turn, their answers compared before any is timed.

MLflow's own server is the unit, KServe's a second peer, in V2. They get environments of their own
where MLFLOW=version and KSERVE=version are set; else they are left out, and the table says so.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.error import HTTPError

import numpy as np
import pandas as pd
import psutil
from load import Load, load
from measure import FOLDER, PROJECT, edit, environment, ready, row

HERE = Path(__file__).parent
CASES = ((1, 1), (1, 16), (100, 8))  # rows, connections
TURNS = 3
INFER = "/v2/models/model/infer"
# What a fitted pipeline names: the library's features, and the project's own code.
CODE = os.pathsep.join(str(PROJECT / name) for name in ("vendor/mlgitops/src", "src"))
MEMORY = int(os.environ.get("REQUESTS", "100000"))


class Peer(NamedTuple):
    """A server: its address, its process, and the seconds until it was ready."""

    name: str
    port: int
    path: str
    pid: int
    start: float


def table(rows: int = 5000) -> pd.DataFrame:
    """16 numbers, one with gaps, 4 categories, two classes."""
    random = np.random.default_rng(0)
    made = pd.DataFrame({f"n{k}": random.normal(size=rows).round(4) for k in range(16)})
    for k, levels in enumerate((3, 6, 10, 30)):
        made[f"c{k}"] = random.choice([f"v{level}" for level in range(levels)], rows)
    made.loc[random.random(rows) < 0.05, "n3"] = np.nan
    score = made["n0"] + made["n1"] * made["n2"] + (made["c0"] == "v1")
    return made.assign(target=np.where(score + random.normal(size=rows) > 0.5, "yes", "no"))


def models() -> tuple[Path, Path]:
    """artifacts/model/ of a project with that table: as ONNX, and as scikit-learn pickles it."""
    table().to_csv(FOLDER / "serving.csv", index=False)
    run_make("data", f"SOURCE={FOLDER / 'serving.csv'}", "TARGET=target", "RESET=1")
    folder, fallback = PROJECT / "artifacts/model", FOLDER / "fallback"
    edit("params.yaml", "format: onnx", "format: sklearn")
    run_make("pipeline")
    shutil.rmtree(fallback, ignore_errors=True)
    shutil.copytree(folder, fallback)
    edit("params.yaml", "format: sklearn", "format: onnx")
    run_make("pipeline")
    return folder, fallback


def run_make(*arguments: str) -> None:
    """Run make in the project."""
    command = ["make", "--silent", *arguments]
    done = subprocess.run(command, cwd=PROJECT, env=environment(), capture_output=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.decode()}")


@contextmanager
def server(name: str, command: list[str], path: str, port: int) -> Iterator[Peer]:
    """A server until the end of the block, ready."""
    own = environment() | {"OMP_NUM_THREADS": "1", "SERVE_PORT": str(port)}
    started = time.perf_counter()
    with (FOLDER / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT, env=own, stdout=log, stderr=log)
    try:
        yield Peer(name, port, path, process.pid, wait(process, port, started))
    finally:
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            one.terminate()
        process.wait(30)


def wait(process: "subprocess.Popen[bytes]", port: int, started: float) -> float:
    """The seconds from `started` until it takes requests."""
    while time.perf_counter() - started < 120:
        if process.poll() is not None:
            raise SystemExit(f"{process.args} ended")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/docs", timeout=5).close()
        except HTTPError:  # It answers, if only that it has no such page.
            return time.perf_counter() - started
        except OSError:
            time.sleep(0.01)
        else:
            return time.perf_counter() - started
    raise SystemExit(f"{process.args} is not ready")


def free() -> int:
    """A port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def body(folder: Path, rows: int) -> bytes:
    """dataframe_split of rows of the signature's examples."""
    examples = json.loads((folder / "signature.json").read_text("utf-8"))["examples"]
    names = list(examples[0])
    data = [[examples[k % len(examples)][name] for name in names] for k in range(rows)]
    return json.dumps({"dataframe_split": {"columns": names, "data": data}}).encode()


def tensors(folder: Path, rows: int) -> bytes:
    """The same rows in V2, the labels asked for."""
    signature = json.loads((folder / "signature.json").read_text("utf-8"))
    examples = [signature["examples"][k % len(signature["examples"])] for k in range(rows)]
    made = [
        {"name": one["name"], "shape": [rows], "data": [row[one["name"]] for row in examples],
         "datatype": "BYTES" if one["type"] == "category" else "FP64"}
        for one in signature["inputs"]
    ]  # fmt: skip
    return json.dumps({"inputs": made, "outputs": [{"name": "label"}]}).encode()


def request(peer: Peer, folder: Path, rows: int) -> bytes:
    """The request for so many rows, in the protocol of the peer's address."""
    return (tensors if peer.path == INFER else body)(folder, rows)


def answer(peer: Peer, text: bytes) -> object:
    """The predictions of a server."""
    told = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{peer.port}{peer.path}", text, told)
    with urllib.request.urlopen(request, timeout=60) as found:
        said = json.load(found)
    return said["outputs"][0]["data"] if peer.path == INFER else said["predictions"]


def mlflow(folder: Path) -> list[str] | None:
    """The command of MLflow's server for the same pipeline, or None without MLFLOW=version."""
    version = os.environ.get("MLFLOW")
    if not version:
        return None
    exact = subprocess.run(
        [str(PROJECT / ".venv/bin/python"), "-c", VERSIONS], capture_output=True, check=True
    ).stdout.decode().split()  # fmt: skip
    saved = FOLDER / "mlflow-model"
    place = install("mlflow", [f"mlflow=={version}", "pandas", "uvicorn", "cloudpickle", *exact])
    shutil.rmtree(saved, ignore_errors=True)
    subprocess.run(
        [f"{place}/bin/python", "-c", SAVE, str(folder.parent / "fitted.joblib"), str(saved)],
        env=os.environ | {"PYTHONPATH": CODE}, check=True, stdout=sys.stderr,
    )  # fmt: skip
    path = f"PATH={place}/bin:{os.environ['PATH']}"
    serve = ["mlflow", "models", "serve", "-m", str(saved), "-w", "1", "--env-manager", "local"]
    return ["env", f"PYTHONPATH={CODE}", path, *serve]


def install(name: str, packages: list[str]) -> Path:
    """An environment of a peer's own."""
    place = FOLDER / f"{name}-env"
    if not place.exists():
        python = f"{place}/bin/python"
        subprocess.run(["uv", "venv", "--quiet", "--python", "3.11", str(place)], check=True)
        subprocess.run(["uv", "pip", "install", "-q", "--python", python, *packages], check=True)
    return place


def kserve(folder: Path, port: int) -> list[str] | None:
    """The command of KServe's server for the same model, or None without KSERVE=version."""
    version = os.environ.get("KSERVE")
    if not version:
        return None
    place = install("kserve", [f"kserve=={version}", "onnxruntime"])
    return [f"{place}/bin/python", str(HERE / "kserve_peer.py"), str(folder), str(port)]


VERSIONS = """
from importlib.metadata import version
for name in ("scikit-learn", "joblib", "numpy"):
    print(f"{name}=={version(name)}")
"""
SAVE = """
import sys, joblib, mlflow
mlflow.sklearn.save_model(
    joblib.load(sys.argv[1]), sys.argv[2], serialization_format="cloudpickle",
    pip_requirements=["scikit-learn"],
)
"""


def measure(peers: list[Peer], folder: Path) -> dict[tuple[str, int, int], Load]:
    """The median of each figure of each server and case, the servers in turn."""
    found = {}
    for rows, clients in CASES:
        turns: dict[str, list[Load]] = {peer.name: [] for peer in peers}
        for _ in range(TURNS):
            for peer in peers:
                text = request(peer, folder, rows)
                turns[peer.name].append(load(peer.port, peer.path, text, clients, peer.pid))
        for name, loads in turns.items():
            middle = Load(*(median(one[k] for one in loads) for k in range(4)))
            found[name, rows, clients] = middle
            what = f"{name}: rows {rows}, connections {clients}"
            row(what, f"{middle.rate:.0f}/s", f"p50 {middle.p50:.2f} p99 {middle.p99:.2f} ms, "
                f"CPU {middle.cpu:.0f} µs")  # fmt: skip
    return found


def claims(found: dict[tuple[str, int, int], Load]) -> None:
    """The ratios."""
    ours, echo, bare = (found[name, 1, 16].cpu for name in ("serve", "echo", "bare"))
    row("CPU a request / echo", f"{ours / echo:.2f} x", "≤ 1.3 x")
    row("CPU a request / ONNX Runtime without checks", f"{ours / bare:.2f} x", "≤ 1 x")
    if ("kserve", 1, 16) in found:
        ratio = found["serve V2", 1, 16].rate / found["kserve", 1, 16].rate
        row("rows 1, connections 16, V2: / kserve", f"{ratio:.1f} x", "more")
    if ("mlflow", 1, 1) not in found:
        row("requests / mlflow models serve", "left out", "MLFLOW=version measures it")
        return
    for (rows, clients), target in zip(CASES, (40, 40, 25), strict=True):
        ratio = found["serve", rows, clients].rate / found["mlflow", rows, clients].rate
        row(f"rows {rows}, connections {clients}: / mlflow", f"{ratio:.1f} x", f"≥ {target} x")
    ratio = found["fallback", 1, 16].rate / found["mlflow", 1, 16].rate
    row("rows 1, connections 16: fallback / mlflow", f"{ratio:.1f} x", "≥ 10 x")


def memory(peer: Peer, folder: Path) -> None:
    """After many requests of 1 and of 100 rows."""
    process = psutil.Process(peer.pid)
    load(peer.port, peer.path, body(folder, 100), 16, peer.pid)
    ask(peer, folder, MEMORY // 2)
    before = process.memory_info().rss
    ask(peer, folder, MEMORY // 2)
    after = process.memory_info().rss
    row(f"memory after {MEMORY} requests", f"{after / 1e6:.0f} MB", "≤ 120 MB")
    row("growth in the second half of them", f"{(after - before) / 1e6:.1f} MB", "flat")


def ask(peer: Peer, folder: Path, count: int) -> None:
    """At least so many requests of one row."""
    while count > 0:
        count -= load(peer.port, peer.path, body(folder, 1), 16, peer.pid).count


def main() -> None:
    """The claims about serving."""
    folder, fallback = models()
    python = str(PROJECT / ".venv/bin/python")
    server = [python, "-m", "mlgitops.serving"]
    port, ours, pickled, theirs, second = (free() for _ in range(5))
    peer = [python, str(HERE / "peers.py"), str(folder), str(port)]
    with ExitStack() as servers:
        enter = servers.enter_context
        peers = [
            enter(server("serve", [*server, str(folder)], "/invocations", ours)),
            enter(server("bare", peer, "/bare", port)),
        ]
        serve = [*server, str(fallback)]
        peers.append(enter(server("fallback", serve, "/invocations", pickled)))
        peers.append(peers[0]._replace(name="serve V2", path=INFER))
        command = mlflow(folder)
        if command is not None:
            their = [*command, "-p", str(theirs)]
            peers.append(enter(server("mlflow", their, "/invocations", theirs)))
        if (other := kserve(folder, second)) is not None:
            peers.append(enter(server("kserve", other, INFER, second)))
        for rows in (1, 100):
            answers = [answer(one, request(one, folder, rows)) for one in peers]
            if any(one != answers[0] for one in answers):
                raise SystemExit("the servers answer differently")
        row("start to ready", f"{peers[0].start:.2f} s", "≤ 1 s")
        found = measure([*peers, peers[1]._replace(name="echo", path="/echo")], folder)
        claims(found)
        memory(peers[0], folder)


if __name__ == "__main__":
    if not (PROJECT / ".venv").exists():
        ready()
    main()
