"""How clear a difference between two models is, on the same rows.

Everything rests on losses: an array of shape (rows,) for each model, smaller is better, whose mean
is the metric or gives it. Rows are drawn again with replacement, the same rows for every model.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeGuard, get_args

import numpy as np
from scipy.special import ndtr, stdtrit

from mlgitops.training.exported_model import Predictions
from mlgitops.training.metrics import HIGHER_IS_BETTER

Labels = tuple[int | str, ...] | None
# Metrics that are made of a loss for each row, and those that only all rows together have.
Mean = Literal["log_loss", "brier", "accuracy", "mae", "rmse"]
Whole = Literal[
    "roc_auc", "f1_macro", "calibration_error", "r2", "error_p50", "error_p90", "error_p99"
]
Name = Mean | Whole
MEANS: tuple[str, ...] = get_args(Mean)


class Interval(NamedTuple):
    """Where a figure lies with the confidence that was asked for."""

    low: float
    high: float


def is_mean(name: str) -> TypeGuard[Mean]:
    """Whether a metric is made of a loss for each row, and so has an interval."""
    return name in MEANS


def _chances(answer: Predictions) -> np.ndarray:
    assert answer.probabilities is not None
    chances = answer.probabilities.astype("float64")
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def _hits(actual: np.ndarray, labels: Labels) -> np.ndarray:
    return np.asarray(actual[:, None] == np.asarray(labels, dtype=object)[None, :], dtype=bool)


def _log_loss(actual: np.ndarray, answer: Predictions, labels: Labels) -> np.ndarray:
    chosen = (_chances(answer) * _hits(actual, labels)).sum(axis=1)
    return np.asarray(-np.log(np.clip(chosen, 1e-15, 1)))


def _brier(actual: np.ndarray, answer: Predictions, labels: Labels) -> np.ndarray:
    squares = ((_chances(answer) - _hits(actual, labels)) ** 2).sum(axis=1)
    return np.asarray(squares / (2 if len(labels or ()) == 2 else 1))


def _wrong(actual: np.ndarray, answer: Predictions, _: Labels) -> np.ndarray:
    return np.asarray(actual != answer.values, dtype="float64")


def _distance(actual: np.ndarray, answer: Predictions, _: Labels) -> np.ndarray:
    return np.asarray(np.abs(actual - answer.values), dtype="float64")


def _square(actual: np.ndarray, answer: Predictions, _: Labels) -> np.ndarray:
    return np.asarray((actual - answer.values) ** 2, dtype="float64")


LOSSES: dict[Mean, Callable[[np.ndarray, Predictions, Labels], np.ndarray]] = {
    "log_loss": _log_loss,
    "brier": _brier,
    "accuracy": _wrong,
    "mae": _distance,
    "rmse": _square,
}


def losses(metric: Mean, actual: np.ndarray, answer: Predictions, labels: Labels) -> np.ndarray:
    """The loss of each row: shape (rows,), float64, smaller is better."""
    return LOSSES[metric](actual, answer, labels)


def cost(metric: Mean, means: Any) -> Any:
    """Mean losses in the unit of the metric; the smaller the better (accuracy: the error rate)."""
    return np.sqrt(means) if metric == "rmse" else means


def as_metric(metric: str, costs: Any) -> Any:
    """A cost as the metric that people know, and back."""
    return 1 - costs if metric == "accuracy" else costs


def worse(metric: str, one: float, other: float) -> float:
    """How much worse `one` is than `other`, in the unit of the metric; negative if better."""
    return other - one if metric in HIGHER_IS_BETTER else one - other


def resample(losses: np.ndarray, bootstrap_samples: int, seed: int) -> np.ndarray:
    """The mean losses of rows drawn again: (rows, models) → (bootstrap_samples, models)."""
    rows = len(losses)
    chance = np.random.default_rng(seed)
    means = np.empty((bootstrap_samples, losses.shape[1]))
    # How often each row was drawn, instead of the drawn rows: faster, and no more memory.
    for draw in range(bootstrap_samples):
        picked = chance.integers(0, rows, rows)
        means[draw] = np.bincount(picked, minlength=rows) @ losses / rows
    return means


def tail(share: float, rows: int) -> float:
    """The share of the samples that stands for a tail of this share; smaller for few rows.

    Resampled means of few rows lie too close together: Hesterberg's expanded percentiles
    (What Teachers Should Know About the Bootstrap, 2015, section 5.3) make up for it.
    """
    if rows < 2:
        return share
    return float(ndtr(math.sqrt(rows / (rows - 1)) * stdtrit(rows - 1, share)))


def interval(values: np.ndarray, confidence: float, rows: int) -> Interval:
    """The middle share `confidence` of values that were drawn from so many rows."""
    end = tail((1 - confidence) / 2, rows)
    low, high = np.quantile(values, [end, 1 - end])
    return Interval(float(low), float(high))


def exceeds(
    worse: float, drawn: np.ndarray, tolerance: float, confidence: float, rows: int
) -> bool:
    """Whether a difference is above the tolerance, and unlikely by chance.

    Without the second condition, few rows would refuse equal models more often than was chosen.
    """
    return bool(worse > tolerance and np.mean(drawn <= 0) < tail(1 - confidence, rows))


def fewest(confidence: float) -> int:
    """So many rows are needed before anything can be said with this confidence.

    With fewer, one of two equal models wins every single row too often by chance.
    """
    return math.ceil(math.log2(2 / (1 - confidence)))


def dummy(metric: Mean, known: np.ndarray, rows: int, labels: Labels) -> Predictions:
    """What is answered without looking at a row: the class shares, the mean or the median."""
    if labels is None:
        value = np.median(known) if metric == "mae" else np.mean(known)
        return Predictions(np.full(rows, value, dtype="float64"), None)
    shares = _hits(known, labels).mean(axis=0)
    chosen = np.asarray(labels, dtype=object)[[int(shares.argmax())] * rows]
    return Predictions(chosen, np.tile(shares, (rows, 1)))
