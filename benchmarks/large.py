"""A large table: `make data`, `make pipeline` against a plain script, `make score` alone."""

import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from measure import FOLDER, PROJECT, ROOT, cost, edit, pairs, row
from table import ROWS, make_table, write

MILLIONS = 10


def copies(table: pd.DataFrame, times: int) -> str:
    """A Parquet file with the table so many times, written in parts."""
    path = FOLDER / f"{times}.parquet"
    part = pa.Table.from_pandas(table, preserve_index=False)
    with pyarrow.parquet.ParquetWriter(path, part.schema) as writer:
        for _ in range(times):
            writer.write_table(part)
    return str(path)


def main() -> None:
    """The claims about large tables."""
    source = str(write(FOLDER))
    data = cost("make", "data", f"SOURCE={source}", "TARGET=target", "TIME=when")
    row(f"make data, {ROWS:,} rows x 20 columns", f"{data.seconds:.1f} s", "≤ 10 s")
    plain = ["python", str(ROOT / "benchmarks/plain.py"), source]
    ours, base = pairs(lambda: cost("make", "pipeline", "FORCE=1"), lambda: cost(*plain), 3)
    row(
        "make pipeline / plain script",
        f"{ours.seconds / base.seconds:.2f} x ({ours.seconds:.1f} s)",
        "≤ 1.5 x",
    )
    row("largest process of make data and make pipeline",
        f"{max(ours.memory, data.memory):.0f} MB", "≤ 2,000 MB")  # fmt: skip
    gate()
    score(make_table())


def gate() -> None:
    """The gate on a third of the rows."""
    edit("gate.yaml", "test_share: 0.2", "test_share: 0.34")
    cost("make", "pipeline")
    judged = cost("make", "gate")
    row(
        f"make gate, {round(ROWS * 0.34):,} test rows, 1,000 bootstrap samples",
        f"{judged.seconds:.1f} s, {judged.memory:.0f} MB",
        "≤ 15 s",
    )


def score(table: pd.DataFrame) -> None:
    """Throughput of whole processes on a million rows; memory on ten times as many."""
    million, model = copies(table.head(250_000), 4), str(PROJECT / "artifacts/model")
    ours, base = pairs(
        lambda: cost("make", "score", f"INPUT={million}", f"OUTPUT={FOLDER / 'ours.parquet'}"),
        lambda: cost("python", str(ROOT / "benchmarks/runtime.py"), model,
                     million, str(FOLDER / "theirs.parquet")),
        3,
    )  # fmt: skip
    row(
        "make score / ONNX Runtime alone, throughput",
        f"{base.seconds / ours.seconds:.2f} x ({1e6 / ours.seconds:,.0f} rows/s)",
        "≥ 0.7 x",
    )
    large = copies(table.head(250_000), 4 * MILLIONS)
    ten = cost("make", "score", f"INPUT={large}", f"OUTPUT={FOLDER / 'ours.parquet'}")
    row(
        f"make score, {MILLIONS} million rows, largest process",
        f"{ten.memory:.0f} MB ({ten.seconds:.0f} s)",
        f"as for 1 million ({ours.memory:.0f} MB)",
    )


if __name__ == "__main__":
    sys.exit(main())
