"""A table of 300,000 rows and 20 mixed columns, as CSV and Parquet."""

from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 300_000


def make_table(rows: int = ROWS) -> pd.DataFrame:
    """Ten numbers, three whole numbers, four categories, a boolean, a time, a class."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({f"n{k}": random.normal(size=rows) for k in range(10)})
    for k in range(3):
        table[f"i{k}"] = random.integers(0, 1000, rows)
    for k, levels in enumerate((3, 8, 30, 500)):
        table[f"c{k}"] = random.choice([f"v{level}" for level in range(levels)], rows)
    table["b"] = random.random(rows) < 0.3
    table["when"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(rows), unit="min")
    score = table["n0"] + table["n1"] * table["n2"] + (table["c0"] == "v1")
    table["target"] = np.where(score + random.normal(size=rows) > 0.5, "yes", "no")
    table.loc[random.random(rows) < 0.05, "n3"] = np.nan
    table.loc[random.random(rows) < 0.05, "c1"] = None
    return table


def write(folder: Path) -> Path:
    """table.csv in the folder."""
    path = folder / "table.csv"
    make_table().to_csv(path, index=False)
    return path
