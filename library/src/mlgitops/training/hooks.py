"""The user's package `ml` in src/: what it must have, and the only place that imports it.

    features.py   FEATURES: a tuple of functions (columns, xp) -> array, each one a column more
    prepare.py    class Prepare(Section); prepare(examples, schema, p) -> the rows to train on
    train.py      class Train(Section);   fit(examples, features, schema, p) -> fitted Pipeline
    metrics.py    METRICS: a tuple of functions (actual, predicted, probabilities) -> number

`examples` is the training set as a table with the types of schema.yaml, `schema` that contract, `p`
the section of params.yaml that the class is named after, `features` what features.py lists. The
test set never gets here. What `prepare` returns, `fit` is given, with columns of its own if it
added any, such as weights.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, cast

import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from mlgitops.core import config, paths
from mlgitops.core.config import Section
from mlgitops.core.errors import UserError, join_names
from mlgitops.data.schema import Schema
from mlgitops.training.features import Features, check
from mlgitops.training.own_metrics import Metric


def module(name: str) -> ModuleType:
    """A module of the project in the current folder."""
    package, source = paths.CODE.name, str(paths.CODE.parent.resolve())
    if sys.path[0] != source:
        # A model that was loaded may have put code of its own before it.
        sys.path[:] = [source, *(place for place in sys.path if place != source)]
    if not (paths.CODE / f"{name}.py").exists():
        raise UserError(f"{paths.CODE / name}.py is not there: git restore it")
    return import_module(f"{package}.{name}")


def part(name: str, what: str) -> Any:
    """Something that a module of the project must have."""
    found = getattr(module(name), what, None)
    if found is None:
        raise UserError(f"{paths.CODE / name}.py has no {what}: pydoc mlgitops.training.hooks")
    return found


def section(name: str) -> type[Section]:
    """The class of the section of params.yaml that a module of the project declares."""
    return cast(type[Section], part(name, name.capitalize()))


def features() -> Features:
    """What features.py lists, read once, in training."""
    return tuple(part("features", "FEATURES"))


def metrics() -> tuple[Metric, ...]:
    """What metrics.py lists; none where the project has no such file."""
    return tuple(part("metrics", "METRICS")) if (paths.CODE / "metrics.py").exists() else ()


def prepare(examples: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The rows to train on, as prepare.py makes them from the training set."""
    made = part("prepare", "prepare")(examples, schema, config.load(section("prepare")))
    where = f"{paths.CODE}/prepare.py: prepare"
    if not isinstance(made, pd.DataFrame):
        raise UserError(f"{where} returned a {type(made).__name__}, not a table")
    if made.empty:
        raise UserError(f"{where} left no row to train on")
    if absent := [name for name in (*schema.features, schema.target) if name not in made]:
        raise UserError(f"{where} removed columns of schema.yaml: {join_names(absent)}")
    return made.reset_index(drop=True)


def fit(examples: pd.DataFrame, made: Features, schema: Schema, p: Section) -> Pipeline:
    """The pipeline of train.py, fitted."""
    check(made, examples, schema)
    # One BLAS thread: how a sum is cut among threads must not change the model.
    with threadpool_limits(1, user_api="blas"):
        fitted = part("train", "fit")(examples, made, schema, p)
    if not isinstance(fitted, Pipeline):
        kind = type(fitted).__name__
        raise UserError(f"{paths.CODE}/train.py: fit returned a {kind}, not a Pipeline")
    return fitted


def estimator_name(p: Section) -> str:
    """The estimator as params.yaml names it; else the function that makes it."""
    return str(getattr(getattr(p, "estimator", None), "path", f"{paths.CODE}/train.py"))
