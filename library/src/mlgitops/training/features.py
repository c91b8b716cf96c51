"""What the model sees: columns of a typed table as it takes them, and the target."""

from collections.abc import Mapping, Sequence

import pandas as pd

from mlgitops.core.errors import UserError
from mlgitops.data.schema import Column, Schema
from mlgitops.serving.features import Feature

Features = Sequence[Feature]


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


def check_names(features: Features, schema: Schema) -> None:
    """Refuse a feature that would take the place of a column or of another feature."""
    made = [feature.__name__ for feature in features]
    for name in made:
        if name in schema.columns or made.count(name) > 1:
            raise UserError(f"src/ml/features.py: a feature is named {name!r}, which is taken")
