"""Fit the model to the training set."""

from pathlib import Path

import joblib
import pandas as pd

from mlgitops.core import config, paths, pipeline_version
from mlgitops.core.errors import UserError
from mlgitops.core.files import replacing
from mlgitops.data import schema
from mlgitops.training import hooks


def train(examples: Path = paths.TRAIN, fitted: Path = paths.FITTED) -> None:
    """Fit the model to the training set."""
    pipeline_version.check()
    rules, p = schema.load(), config.load(hooks.section("train"))
    table = pd.read_parquet(examples)
    try:
        pipeline = hooks.fit(table, hooks.features(), rules, p)
    except ValueError as error:
        raise UserError(f"{hooks.estimator_name(p)} cannot be fitted: {error}") from error
    with replacing(fitted) as part:
        joblib.dump(pipeline, part)
    print(f"{type(pipeline[-1]).__name__} fitted to {len(table)} rows")
