"""Several settings of `train`, each fitted and measured on every fold of the training set."""

import math
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from mlgitops.core.config import Section
from mlgitops.core.errors import UserError, join_names
from mlgitops.data.schema import Schema
from mlgitops.training import exported_model, hooks
from mlgitops.training.features import inputs, target
from mlgitops.training.metrics import Metrics, measure

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Folds:
    """The training set, its contract, the metric with its bins, and rows to fit to and measure."""

    examples: pd.DataFrame
    rules: Schema
    metric: str
    bins: int
    splits: Sequence[Split]


def split_rows(examples: pd.DataFrame, rules: Schema, folds: int, seed: int) -> list[Split]:
    """Rows to fit to and rows to measure on, for each fold; classes in their shares."""
    if len(examples) < folds:
        raise UserError(f"{len(examples)} rows are too few for {folds} folds (tune.folds)")
    answers = target(examples, rules)
    kind = KFold if rules.task == "regression" else StratifiedKFold
    if rules.task != "regression" and answers.value_counts().max() < folds:
        raise UserError(f"no class has {folds} rows: lower tune.folds in params.yaml")
    return list(kind(folds, shuffle=True, random_state=seed).split(examples, answers))


@contextmanager
def workers(backend: str, jobs: int) -> Iterator[joblib.Parallel]:
    """Parallel work, with the backend and the number of jobs of params.yaml."""
    with ExitStack() as stack:
        if backend == "dask":
            try:
                from distributed import Client
            except ImportError:
                raise UserError("tune.backend: dask needs a package: uv add distributed") from None
            stack.enter_context(Client(os.environ.get("DASK_SCHEDULER_ADDRESS")))
        try:
            stack.enter_context(joblib.parallel_config(backend=backend, n_jobs=jobs))
        except ValueError as error:
            raise UserError(f"params.yaml: tune.backend: {error}") from None
        yield stack.enter_context(joblib.Parallel(return_as="generator"))


def measure_each(
    parallel: joblib.Parallel, folds: Folds, settings: Sequence[Section]
) -> Iterator[dict[str, Any]]:
    """The summary of the folds for each of the settings, in their order."""
    alone = joblib.effective_n_jobs() == 1
    results = parallel(
        joblib.delayed(score)(folds, one, split, alone)
        for one in settings
        for split in folds.splits
    )
    for _ in settings:
        yield summary([next(results) for _ in folds.splits])


def score(folds: Folds, p: Section, split: Split, alone: bool) -> float | str:
    """The metric on the second part of the split, fitted to the first; or why there is none."""
    # Beside others on the same cores, a fit gets one thread.
    with threadpool_limits(None if alone else 1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            found = metrics(folds, p, split)
        except ValueError as error:
            return " ".join(str(error).split())[:200]
    if folds.metric not in found:
        raise UserError(
            f"params.yaml: tune.metric: no {folds.metric}; there are {join_names(found)}"
        )
    value = found[folds.metric]
    return f"{folds.metric} is undefined" if value is None else float(value)


def metrics(folds: Folds, p: Section, split: Split) -> Metrics:
    """All metrics on the second part of the split, fitted to the first; ValueError if unfit."""
    fit_to, held_out = (folds.examples.iloc[rows] for rows in split)
    classes = folds.rules.task != "regression"
    fitted = hooks.fit(fit_to, hooks.features(), folds.rules, p)
    table = inputs(held_out, folds.rules.features)
    shares = fitted.predict_proba(table) if classes and hasattr(fitted, "predict_proba") else None
    answer = exported_model.Predictions(fitted.predict(table), shares)
    labels = tuple(fitted.classes_.tolist()) if classes else None
    return measure(target(held_out, folds.rules).to_numpy(), answer, labels, folds.bins)


def summary(results: Sequence[float | str]) -> dict[str, Any]:
    """The metric of each fold, mean and standard error; or the first reason why there is none."""
    reason = next((one for one in results if isinstance(one, str)), None)
    if reason:
        return {"reason": reason}
    mean, error = mean_and_error(np.asarray(results, dtype=float))
    return {"scores": tuple(results), "value": mean, "spread": error}


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """The mean of the values, shape (folds,), and its standard error."""
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return round(float(np.mean(values)), 8), round(error, 8)
