"""Times and memory of whole processes, and a project to measure in."""

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build/bench"
PROJECT = FOLDER / "flights"


class Cost(NamedTuple):
    """Seconds from start to end, and the largest resident memory of one process in MB."""

    seconds: float
    memory: float


def environment() -> dict[str, str]:
    """As after `source .venv/bin/activate` in the project."""
    kept = {
        k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "PYTHONPATH")
    }
    path = f"{PROJECT / '.venv/bin'}{os.pathsep}{kept['PATH']}"
    return kept | {"PATH": path, "PYTHONDONTWRITEBYTECODE": ""}


def cost(*command: str, cwd: Path = PROJECT) -> Cost:
    """Of one run; the command must succeed. Its children's peak is read after each run."""
    with (FOLDER / "output.log").open("ab") as log:
        started = time.perf_counter()
        watcher = subprocess.Popen(
            ["python3", "-c", WATCH, *command], cwd=cwd, env=environment(), stdout=subprocess.PIPE,
            stderr=log, text=True,
        )  # fmt: skip
        said, _ = watcher.communicate()
        seconds = time.perf_counter() - started
    if watcher.returncode:
        raise SystemExit(f"{' '.join(command)} failed; see {FOLDER / 'output.log'}")
    return Cost(seconds, int(said.split()[-1]) / 1024)


# In a process of its own, so that the peak is that of this command and its children alone.
WATCH = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def pairs(ours: Callable[[], Cost], baseline: Callable[[], Cost], runs: int) -> tuple[Cost, Cost]:
    """Median costs of two commands, run in turn after one warm-up of each."""
    ours(), baseline()
    both = [(ours(), baseline()) for _ in range(runs)]
    return middle([first for first, _ in both]), middle([second for _, second in both])


def middle(costs: list[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(median(one.seconds for one in costs), max(one.memory for one in costs))


def edit(name: str, old: str, new: str) -> None:
    """Change one value of a file of the project; one that is not there once ends everything."""
    path = PROJECT / name
    text = path.read_text("utf-8")
    if text.count(old) != 1:
        raise SystemExit(f"{name} does not hold {old!r} once")
    path.write_text(text.replace(old, new), "utf-8")


def row(claim: str, value: str, target: str) -> None:
    """One line of the table."""
    print(f"{claim:58} {value:>24}   {target}", flush=True)


def ready() -> None:
    """A project that is set up and committed, in build/bench."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(PROJECT, ignore_errors=True)
    bake = ["cookiecutter", "--no-input", "--output-dir", str(FOLDER), str(ROOT)]
    subprocess.run(bake, check=True, stdout=subprocess.DEVNULL)
    cost("make", "setup")


def peak() -> float:
    """The largest resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
