"""Metrics of the project's own, which src/ml/metrics.py lists, beside the standard ones."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mlgitops.core import paths
from mlgitops.core.errors import UserError
from mlgitops.data.profile import round_number
from mlgitops.training.exported_model import Predictions
from mlgitops.training.metrics import Metrics

Labels = tuple[int | str, ...] | None
# True values and predictions of shape (rows,); a classifier's probabilities of shape (rows,) by
# label, else None. The result is one number; one that is not finite is undefined.
Metric = Callable[[np.ndarray, np.ndarray, Mapping[int | str, np.ndarray] | None], float]

WHERE = paths.CODE / "metrics.py"


def check(metrics: Sequence[Metric], standard: Metrics) -> None:
    """A UserError for a name that is taken, or listed twice."""
    names = [metric.__name__ for metric in metrics]
    for name in names:
        if name in standard:
            raise UserError(f"{WHERE}: {name} is a standard metric: give yours another name")
        if names.count(name) > 1:
            raise UserError(f"{WHERE}: METRICS lists {name} twice")


def measure(
    metrics: Sequence[Metric], actual: np.ndarray, predictions: Predictions, labels: Labels
) -> Metrics:
    """Each metric of these rows by its name; None where it is undefined."""
    chances = None
    if labels is not None and predictions.probabilities is not None:
        chances = dict(zip(labels, predictions.probabilities.T, strict=True))
    found: Metrics = {}
    for metric in metrics:
        try:
            with np.errstate(all="ignore"):
                value = float(metric(actual, predictions.values, chances))
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise UserError(f"{WHERE}: {metric.__name__}: {text}") from error
        found[metric.__name__] = round_number(value)
    return found
