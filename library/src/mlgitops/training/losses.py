"""What a model loses on each row: evaluate writes the means of it, the gate resamples it.

A loss is an array of shape (rows,), smaller is better, whose mean is the metric or gives it.
"""

from collections.abc import Callable
from typing import Any, Literal, TypeGuard, get_args

import numpy as np

from mlgitops.training.exported_model import Predictions

Labels = tuple[int | str, ...] | None
# Metrics that are made of a loss for each row, and those that only all rows together have.
Mean = Literal["log_loss", "brier", "accuracy", "mae", "rmse"]
Whole = Literal[
    "roc_auc", "f1_macro", "calibration_error", "r2", "error_p50", "error_p90", "error_p99"
]
Name = Mean | Whole
MEANS: tuple[str, ...] = get_args(Mean)
NAMES: tuple[str, ...] = (*MEANS, *get_args(Whole))


def is_mean(name: str) -> TypeGuard[Mean]:
    """Whether a metric is made of a loss for each row, and so has an interval."""
    return name in MEANS


def probabilities_of(answer: Predictions) -> np.ndarray:
    """The probabilities in float64, each row with the sum 1: shape (rows, classes)."""
    assert answer.probabilities is not None
    chances = answer.probabilities.astype("float64")
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def hits_of(actual: np.ndarray, labels: Labels) -> np.ndarray:
    """Which class a row is of: booleans of shape (rows, classes)."""
    return np.asarray(actual[:, None] == np.asarray(labels, dtype=object)[None, :], dtype=bool)


def _log_loss(actual: np.ndarray, answer: Predictions, labels: Labels) -> np.ndarray:
    chosen = (probabilities_of(answer) * hits_of(actual, labels)).sum(axis=1)
    return np.asarray(-np.log(np.clip(chosen, 1e-15, 1)))


def _brier(actual: np.ndarray, answer: Predictions, labels: Labels) -> np.ndarray:
    squares = ((probabilities_of(answer) - hits_of(actual, labels)) ** 2).sum(axis=1)
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


def row_losses(metric: Mean, actual: np.ndarray, answer: Predictions, labels: Labels) -> np.ndarray:
    """The loss of each row: shape (rows,), float64, smaller is better."""
    return LOSSES[metric](actual, answer, labels)


def cost(metric: Mean, means: Any) -> Any:
    """Mean losses in the unit of the metric; the smaller the better (accuracy: the error rate)."""
    return np.sqrt(means) if metric == "rmse" else means


def as_metric(metric: str, costs: Any) -> Any:
    """A cost as the metric that people know, and back."""
    return 1 - costs if metric == "accuracy" else costs


def metric_of(metric: Mean, losses: np.ndarray) -> float:
    """The metric that the losses give."""
    return float(as_metric(metric, cost(metric, losses.mean())))
