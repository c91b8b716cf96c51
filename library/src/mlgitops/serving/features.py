"""What a fitted pipeline calls by name: the features, made from the columns.

A model.joblib names `derive` by this module, so it stays here, and needs numpy and pandas alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# Columns by name, and the array namespace; one array of the same length.
Feature = Callable[[Mapping[str, Any], Any], Any]


def derive(table: pd.DataFrame, features: Sequence[Feature] = ()) -> pd.DataFrame:
    """The table of the model's columns with one float32 column more for each feature."""
    columns = {name: table[name].to_numpy() for name in table}
    with np.errstate(all="ignore"):
        made = {one.__name__: finite(one(columns, np), np) for one in features}
    return table.assign(**made)


def finite(values: Any, xp: Any) -> Any:
    """float32, with NaN for what is not finite; for numpy and for a namespace that traces."""
    numbers = xp.astype(values, xp.float32)
    return xp.where(xp.isfinite(numbers), numbers, xp.asarray(np.float32("nan")))
