"""Fit the model to the training set."""

import copyreg
from importlib import import_module
from pathlib import Path

import joblib
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from mlgitops.core import config
from mlgitops.data import schema
from mlgitops.core.errors import Mistake
from mlgitops.training.features import FEATURES, derive, inputs, target
from mlgitops.core.files import replacing

# It remembers the number of threads it was fitted with, which would change the file's hash.
copyreg.pickle(
    _BinMapper, lambda mapper: (_BinMapper, (), mapper.__getstate__() | {"n_threads": None})
)


class Estimator(BaseModel):
    """A class by its import path; every other key is an argument of the class."""

    model_config = ConfigDict(frozen=True, extra="allow")
    path: str = Field(alias="class")


class Train(config.Section):
    """The estimator; the most values of a category that become a column each."""

    estimator: Estimator
    one_hot: NonNegativeInt


def estimator(task: schema.Task, p: Train) -> BaseEstimator:
    """The estimator that params.yaml names, made with its arguments."""
    module, _, name = p.estimator.path.rpartition(".")
    if not module:
        raise Mistake(
            "params.yaml: train.estimator: a class is named with its module, "
            f"as in sklearn.linear_model.LogisticRegression, not {name!r}"
        )
    try:
        made = getattr(import_module(module), name)(**p.estimator.model_extra or {})
        fits = is_regressor(made) if task == "regression" else is_classifier(made)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise Mistake(f"params.yaml: train.estimator: {p.estimator.path}: {error}") from None
    if not fits:
        kind = "regressor" if task == "regression" else "classifier"
        raise Mistake(f"params.yaml: train.estimator: a {task} task needs a {kind}, not a {name}")
    if task != "regression" and not hasattr(made, "predict_proba"):
        raise Mistake(
            f"params.yaml: train.estimator: a {name} with these arguments gives no probabilities"
        )
    return made


def columns(rules: schema.Schema, p: Train, scale: bool) -> ColumnTransformer:
    """Numbers: missing ones by the median. Categories: one-hot if few, else by their rank."""
    few, many, numbers = [], [], [feature.__name__ for feature in FEATURES]
    for name, column in rules.features.items():
        if column.type != "category":
            numbers.append(name)
        elif 0 < len(column.categories or ()) <= p.one_hot:
            few.append(name)
        else:
            many.append(name)
    number = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), *[StandardScaler()] * scale
    )
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype="float32")
    rank = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype="float32")
    return ColumnTransformer(
        [("numbers", number, numbers), ("few", one_hot, few), ("many", rank, many)]
    )


def check_names(rules: schema.Schema) -> None:
    """Refuse a feature that would take the place of a column or of another feature."""
    made = [feature.__name__ for feature in FEATURES]
    for name in made:
        if name in rules.columns or made.count(name) > 1:
            raise Mistake(f"src/ml/features.py: a feature is named {name!r}, which is taken")


def fit(examples: pd.DataFrame, rules: schema.Schema, p: Train) -> Pipeline:
    """The pipeline of features, columns and estimator, fitted."""
    check_names(rules)
    last = estimator(rules.task, p)
    scale = not type(last).__module__.startswith(("sklearn.ensemble", "sklearn.tree"))
    first = FunctionTransformer(derive, kw_args={"features": tuple(FEATURES)})
    # One BLAS thread: how a sum is cut among threads must not change the model.
    with threadpool_limits(1, user_api="blas"):
        return make_pipeline(first, columns(rules, p, scale), last).fit(
            inputs(examples, rules.features), target(examples, rules)
        )


def train(examples: Path, fitted: Path) -> None:
    """Fit the model to the training set."""
    rules, p = schema.load(), config.load(Train)
    table = pd.read_parquet(examples)
    try:
        pipeline = fit(table, rules, p)
    except ValueError as error:
        raise Mistake(f"{p.estimator.path} cannot be fitted: {error}") from error
    with replacing(fitted) as part:
        joblib.dump(pipeline, part)
    print(f"{type(pipeline[-1]).__name__} fitted to {len(table)} rows")
