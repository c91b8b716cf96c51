"""`make monitor`: time and memory on long logs, false alarms, and which drifts are found.

RUNS=2000 python benchmarks/monitor.py tries as many unmoved tables as the claim needs.
"""

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from measure import FOLDER, WATCH, Cost, row
from scipy.stats import beta

MILLIONS = (1, 10)
COLUMNS = 20
REFERENCE = 50_000
RUNS = int(os.environ.get("RUNS", "200"))
SHIFTS = (0.1, 0.2, 0.3, 0.5)
SIZES = (500, 2000, 20_000)
TRIES = 10


def table(rows: int, seed: int) -> pd.DataFrame:
    """Ten numbers, four whole numbers, five categories, a boolean."""
    chance = np.random.default_rng(seed)
    found = pd.DataFrame({f"n{k}": chance.normal(size=rows) for k in range(10)})
    for k, most in enumerate((3, 10, 100, 10_000)):
        found[f"i{k}"] = chance.integers(0, most, rows)
    for k, levels in enumerate((2, 5, 20, 100, 1000)):
        found[f"c{k}"] = np.char.add("v", chance.integers(0, levels, rows).astype("str"))
    return found.assign(b=chance.random(rows) < 0.3)


def kinds(found: pd.DataFrame) -> dict[str, str]:
    """The type of each column."""
    names = {"n": "number", "i": "integer", "c": "category", "b": "boolean"}
    return {name: names[name[0]] for name in found}


def write_log(path: Path, millions: int) -> None:
    """A log of so many rows: 100,000 of them, again and again as members of one gzip file."""
    rows = table(100_000, 1).to_dict("records")
    about = {"time": "2026-03-01T00:00:00Z", "model": "m", "release": "a" * 40, "output": 0.5}
    lines = (json.dumps({**about, "id": f"r{k}/0", "inputs": one}) for k, one in enumerate(rows))
    member = gzip.compress("".join(f"{line}\n" for line in lines).encode(), 6)
    with path.open("wb") as file:
        for _ in range(millions * 10):
            file.write(member)


def look(path: str) -> None:
    """What a run does with a log, in a process of its own: read, compare, all together."""
    from mlgitops.monitoring import drift, log
    from mlgitops.monitoring.limits import Monitor
    from mlgitops.monitoring.sample import Sample

    p = Monitor()
    before = table(REFERENCE, 0).head(p.max_rows)
    window = log.Window("a" * 40)
    found = log.read(log.find([path], window), window, {}, Sample(p.max_rows))
    tables = drift.Tables(before, found.inputs[list(before)])
    findings = drift.compare(tables, kinds(before), {}, p) + drift.together(
        tables, kinds(before), p
    )
    print(found.seen, sum(one.is_drift for one in findings), file=sys.stderr)


def cost(path: Path) -> Cost:
    """The time and the largest memory of such a process."""
    started = time.perf_counter()
    command = [sys.executable, "-c", WATCH, sys.executable, __file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Cost(time.perf_counter() - started, int(done.stdout.split()[-1]) / 1024)


def alarms(min_effect: float) -> int:
    """Of RUNS tables of 2,000 rows that have not moved, those with any drift."""
    from mlgitops.monitoring import drift
    from mlgitops.monitoring.limits import Monitor

    p, number = Monitor(min_effect=min_effect, permutations=299), 0
    for run in range(RUNS):
        before, now = table(2000, 2 * run), table(2000, 2 * run + 1)
        tables = drift.Tables(before, now)
        found = drift.compare(tables, kinds(before), {}, with_seed(p, run))
        found += drift.together(tables, kinds(before), with_seed(p, run))
        number += any(one.is_drift for one in found)
    return number


def with_seed(p, seed: int):
    """The limits with another seed."""
    return p.model_copy(update={"seed": seed})


def power(shift: float, rows: int) -> float:
    """The share of tables, of which one number moved by so many standard deviations, found."""
    from mlgitops.monitoring import drift
    from mlgitops.monitoring.limits import Monitor

    p, number = Monitor(permutations=299), 0
    for run in range(TRIES):
        before, now = table(rows, 2 * run), table(rows, 2 * run + 1)
        now["n0"] += shift
        found = drift.compare(drift.Tables(before, now), kinds(before), {}, p)
        number += any(one.is_drift and one.name == "n0" for one in found)
    return number / TRIES


def main() -> None:
    """The claims about monitoring."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for millions in MILLIONS:
        path = FOLDER / f"log-{millions}.jsonl.gz"
        write_log(path, millions)
        found = cost(path)
        row(f"make monitor, log of {millions} million rows x {COLUMNS} columns",
            f"{found.seconds:.0f} s, {found.memory:.0f} MB", "≤ 1,000 MB")  # fmt: skip
        path.unlink()
    for floor in (0.0, 0.1):
        number = alarms(floor)
        bound = beta.ppf(0.95, number + 1, RUNS - number)
        row(f"false alarms, min_effect {floor}, {RUNS} runs on 2,000 rows",
            f"{number / RUNS:.2%} (below {bound:.2%})", "1 %, below 2 %")  # fmt: skip
    for rows in SIZES:
        shares = ", ".join(f"{shift}: {power(shift, rows):.0%}" for shift in SHIFTS)
        row(f"found, of a number moved by … deviations, {rows:,} rows", shares, "")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        look(sys.argv[1])
    else:
        main()
