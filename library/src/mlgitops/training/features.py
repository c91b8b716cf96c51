"""What the model sees: columns of a typed table as it takes them, and the target."""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlgitops.core import paths
from mlgitops.core.errors import UserError, join_names
from mlgitops.data.schema import Column, Schema
from mlgitops.serving.features import Feature

Features = Sequence[Feature]
WHERE = f"{paths.CODE}/features.py"
TRIED = 1000  # rows: a feature that cannot work fails on the first of them


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


def target(examples: pd.DataFrame, schema: Schema) -> pd.Series:
    """What the model learns: numbers for a regression, else integers or text; shape (rows,)."""
    values = examples[schema.target]
    if schema.task == "regression":
        return values.astype("float64")
    return values.astype("int64" if schema.columns[schema.target].type == "integer" else "object")


class Columns(dict[str, Any]):
    """The columns that a feature gets; one that is not there is a UserError that names it."""

    def __init__(self, columns: Mapping[str, Any], feature: Feature) -> None:
        """Hold the columns for a feature."""
        super().__init__(columns)
        self.feature = feature

    def __missing__(self, name: str) -> Any:
        raise UserError(
            f"{WHERE}: {self.feature.__name__}: no column {name!r}; there are {join_names(self)}"
        )


@contextmanager
def blame_feature(feature: Feature, failure: str) -> Iterator[None]:
    """Turns what a feature raises into a UserError with its name, and the line that failed."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # It is the user's code: anything may come.
        frames = traceback.extract_tb(error.__traceback__)
        code = paths.CODE.resolve()
        own = [one for one in frames if Path(one.filename).resolve().is_relative_to(code)]
        line = f"line {own[-1].lineno}, {own[-1].line}: " if own else ""
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{WHERE}: {feature.__name__} {failure}: {line}{type(error).__name__}: {reason}"
        ) from error


def check(features: Features, examples: pd.DataFrame, schema: Schema) -> None:
    """Refuse features that are named as a column, or that fail on the first rows."""
    check_names(features, schema)
    table = inputs(examples.head(TRIED), schema.features)
    columns = {name: table[name].to_numpy() for name in table}
    for feature in features:
        with np.errstate(all="ignore"), blame_feature(feature, "fails"):
            shape = np.shape(feature(Columns(columns, feature), np))
        if shape != (len(table),):
            raise UserError(
                f"{WHERE}: {feature.__name__}: gives an array of shape {shape}, not one value for "
                f"each of {len(table)} rows"
            )


def check_names(features: Features, schema: Schema) -> None:
    """Refuse a feature that would take the place of a column or of another feature."""
    made = [feature.__name__ for feature in features]
    for name in made:
        if name in schema.columns or made.count(name) > 1:
            raise UserError(f"{WHERE}: a feature is named {name!r}, which is taken")
