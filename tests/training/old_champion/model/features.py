"""What the model sees: columns of the table, features made from them, and the target.

A feature is one function, listed in FEATURES. It gets the columns by name as arrays of shape
(rows,), float32 or text, and the array namespace `xp` with the functions of the Python array API
(https://data-apis.org/array-api); it returns one array of the same length:

    def bill_ratio(columns, xp):
        return xp.log(columns["bill_length_mm"] / columns["bill_depth_mm"])

In training `xp` is numpy. In export the same function is traced into the ONNX model, so serving
needs neither this file nor pandas. A result that is not finite is a missing value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

# Where the model cannot be ONNX, this file travels with it, without the rest of the package.
if TYPE_CHECKING:
    from ml.schema import Column, Schema

Feature = Callable[[Mapping[str, Any], Any], Any]


def count_of_length(columns: Mapping[str, Any], xp: Any) -> Any:
    """The count for each unit of length."""
    return xp.log(1 + columns["count"] / columns["length"])


FEATURES: list[Feature] = [count_of_length]


def inputs(table: pd.DataFrame, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Columns of a typed table as the model takes them: float32, or text ("" if missing).

    float32 because ONNX computes in it: a tree whose thresholds were chosen between float32
    values gives the same answer in both runtimes.
    """
    return pd.DataFrame(
        {
            name: table[name].fillna("").astype("object")
            if column.type == "category"
            else table[name].astype("float32")
            for name, column in columns.items()
        }
    )


def derive(table: pd.DataFrame, features: Sequence[Feature] = ()) -> pd.DataFrame:
    """The table of `inputs` with one float32 column more for each feature."""
    columns = {name: table[name].to_numpy() for name in table}
    with np.errstate(all="ignore"):
        made = {one.__name__: finite(one(columns, np), np) for one in features}
    return table.assign(**made)


def finite(values: Any, xp: Any) -> Any:
    """float32, with NaN for what is not finite; for numpy and for a namespace that traces."""
    numbers = xp.astype(values, xp.float32)
    return xp.where(xp.isfinite(numbers), numbers, xp.asarray(np.float32("nan")))


def target(examples: pd.DataFrame, schema: Schema) -> pd.Series:
    """What the model learns: numbers for a regression, else integers or text; shape (rows,)."""
    values = examples[schema.target]
    if schema.task == "regression":
        return values.astype("float64")
    return values.astype("int64" if schema.columns[schema.target].type == "integer" else "object")
