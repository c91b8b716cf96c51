"""Fit the model."""

from typing import Literal

import pandas as pd
from mlgitops.core.config import Section
from mlgitops.data.schema import Schema
from mlgitops.training.estimator import Estimator, make_estimator
from mlgitops.training.features import Features, inputs, target
from mlgitops.training.preprocessing import columns, frequent_values, with_features
from pydantic import NonNegativeInt
from sklearn.pipeline import Pipeline, make_pipeline


class Train(Section):
    """The estimator, and how it is given columns: see params.yaml."""

    estimator: Estimator
    one_hot: NonNegativeInt
    many: Literal["rank", "frequent"] = "rank"
    scale: bool = False


def fit(examples: pd.DataFrame, features: Features, schema: Schema, p: Train) -> Pipeline:
    """The pipeline of features, columns and estimator, fitted to the rows of `prepare`."""
    estimator = make_estimator(schema.task, p.estimator)
    frequent = frequent_values(examples, schema, p.one_hot) if p.many == "frequent" else {}
    return make_pipeline(
        with_features(features),
        columns(schema, features, p.one_hot, p.scale, frequent),
        estimator,
    ).fit(inputs(examples, schema.features), target(examples, schema))
