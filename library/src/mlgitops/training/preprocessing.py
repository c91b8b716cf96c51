"""Steps of a scikit-learn pipeline that follow from the data contract, for `fit` of a project."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from mlgitops.data.schema import Schema
from mlgitops.serving.features import derive
from mlgitops.training.features import Features


def with_features(features: Features) -> FunctionTransformer:
    """The first step: the features as columns beside the table's own. Export traces it."""
    return FunctionTransformer(derive, kw_args={"features": tuple(features)})


def features_of(fitted: Pipeline) -> Features:
    """The features that a pipeline was fitted with."""
    first = fitted[0]
    if isinstance(first, FunctionTransformer) and first.func is derive:
        return tuple((first.kw_args or {}).get("features", ()))
    return ()


def frequent_values(examples: pd.DataFrame, schema: Schema, most: int) -> dict[str, list[str]]:
    """The most frequent values of each category that has more than `most` or that is open."""
    return {
        name: sorted(examples[name].fillna("").astype("str").value_counts().index[:most])
        for name, column in schema.features.items()
        if column.type == "category" and not 0 < len(column.categories or ()) <= most
    }


def columns(
    schema: Schema,
    features: Features,
    one_hot: int,
    scale: bool,
    frequent: Mapping[str, Sequence[str]] | None = None,
) -> ColumnTransformer:
    """Numbers: missing ones by the median. Categories: one-hot if few, else by their rank.

    `one_hot`: the most values of a category that become a column each. `scale`: numbers to mean 0
    and spread 1, which trees do not need. `frequent`: values that become a column each where a
    category has more; all others are zero in each of them.
    """
    frequent = frequent or {}
    few, many, numbers = [], [], [feature.__name__ for feature in features]
    for name, column in schema.features.items():
        if column.type != "category":
            numbers.append(name)
        elif name in frequent:
            continue
        elif 0 < len(column.categories or ()) <= one_hot:
            few.append(name)
        else:
            many.append(name)
    number = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), *[StandardScaler()] * scale
    )
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype="float32")
    rank = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype="float32")
    steps = [("numbers", number, numbers), ("few", encoder, few), ("many", rank, many)]
    if frequent:
        values = [np.asarray(one, dtype="object") for one in frequent.values()]
        steps.append(("frequent", clone(encoder).set_params(categories=values), list(frequent)))
    return ColumnTransformer(steps)
