"""What a table looks like, in numbers: the reference that drift is measured against."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlgitops.data.schema import Column

QUANTILES = np.linspace(0, 1, 21)


def round_number(value: float) -> float | None:
    """Six significant digits: enough to compare, few enough to read in a diff. NaN is None."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def shares(values: pd.Series, most: int = 50) -> dict[str, float | None]:
    """The share of each value, most frequent first; what comes after `most` is one "…"."""
    counts = values.dropna().astype("str").value_counts(normalize=True)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    known = {str(name): round_number(float(share)) for name, share in ordered[:most]}
    rest = sum(float(share) for _, share in ordered[most:])
    return known | ({"…": round_number(rest)} if rest else {})


def column(values: pd.Series, kind: str) -> dict[str, Any]:
    """Share of missing values, and quantiles (0, 5, … 100 %) or the shares of the values."""
    missing = {"type": kind, "missing": round_number(float(values.isna().mean()))}
    if kind in ("category", "boolean"):
        return missing | {"shares": shares(values)}
    if kind == "time":
        known = values.dropna()
        first, last = (None, None) if known.empty else (str(known.min()), str(known.max()))
        return missing | {"first": first, "last": last}
    known = values.dropna().astype("float64")
    quantiles = np.quantile(known, QUANTILES) if len(known) else np.full(len(QUANTILES), np.nan)
    return missing | {"quantiles": [round_number(float(value)) for value in quantiles]}


def profile(table: pd.DataFrame, columns: Mapping[str, Column]) -> dict[str, Any]:
    """Rows, and the profile of each column of a typed table."""
    return {
        "rows": len(table),
        "columns": {name: column(table[name], kind.type) for name, kind in columns.items()},
    }
