"""What is measured of a model, from labels or values and its predictions.

In numpy, because importing scikit-learn's metrics takes longer than a stage; the tests compare
each with scikit-learn's own.
"""

from typing import Any

import numpy as np
import pandas as pd

from mlgitops.data.profile import round_number
from mlgitops.training.exported_model import Predictions
from mlgitops.training.losses import Labels, Mean, hits_of, metric_of, probabilities_of, row_losses

Metrics = dict[str, float | int | None]

HIGHER_IS_BETTER = frozenset({"accuracy", "f1_macro", "r2", "roc_auc"})


def measure(actual: np.ndarray, predictions: Predictions, labels: Labels, bins: int) -> Metrics:
    """The metrics of the task; None where a metric is undefined for these rows."""
    if labels is None or predictions.probabilities is None:
        found = regression(actual, predictions)
    else:
        found = classification(actual, predictions, labels, bins)
    return {"rows": len(actual), **{name: round_number(value) for name, value in found.items()}}


def regression(actual: np.ndarray, predictions: Predictions) -> dict[str, float]:
    """Errors in the unit of the target, and R² (undefined for a constant target)."""
    error = row_losses("mae", actual, predictions, None)
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return {
        "mae": metric_of("mae", error),
        "rmse": metric_of("rmse", row_losses("rmse", actual, predictions, None)),
        "r2": 1 - float(np.sum(error**2)) / spread if spread else np.nan,
        **{f"error_p{q}": float(np.percentile(error, q)) for q in (50, 90, 99)},
    }


def classification(
    actual: np.ndarray, predictions: Predictions, labels: Labels, bins: int
) -> dict[str, float]:
    """Log loss, Brier and calibration error; ROC AUC (one against the rest); macro F1; accuracy."""
    hits, probabilities = hits_of(actual, labels), probabilities_of(predictions)

    def mean(name: Mean) -> float:
        return metric_of(name, row_losses(name, actual, predictions, labels))

    return {
        "log_loss": mean("log_loss"),
        "roc_auc": auc(hits, probabilities),
        "f1_macro": f1_macro(actual, predictions.values),
        "accuracy": mean("accuracy"),
        "brier": mean("brier"),
        "calibration_error": calibration_error(calibration(hits, probabilities, bins)),
    }


def by_class(actual: np.ndarray, predicted: np.ndarray, labels: Labels) -> list[dict[str, Any]]:
    """For each class: its rows and predictions, recall, precision, its row of the confusion table.

    Recall is the share of its rows that were found; precision the share of its predictions that
    are right. None where there is nothing to take a share of. Empty for a regression.
    """
    found = []
    for label in labels or ():
        of_it, as_it = actual == label, predicted == label
        rows, answers, right = (int(np.sum(one)) for one in (of_it, as_it, of_it & as_it))
        counts = [(str(one), int(np.sum(predicted[of_it] == one))) for one in labels or ()]
        found.append({
            "class": str(label), "rows": rows, "predicted": answers,
            "recall": round_number(right / rows) if rows else None,
            "precision": round_number(right / answers) if answers else None,
            "confusion": {name: count for name, count in counts if count},
        })  # fmt: skip
    return found


def auc(hits: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean over the classes that these rows have, but not all of them have; NaN if none."""
    counts = hits.sum(axis=0)
    known = [k for k in range(hits.shape[1]) if 0 < counts[k] < len(hits)]
    if not known:
        return float("nan")
    return float(np.mean([area(hits[:, k], probabilities[:, k]) for k in known]))


def area(hits: np.ndarray, scores: np.ndarray) -> float:
    """The share of pairs of a hit and a miss in which the hit scores higher; ties count half."""
    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[group]  # equal scores share their mean rank
    positive = int(hits.sum())
    lowest = positive * (positive + 1) / 2
    return float((ranks[hits].sum() - lowest) / (positive * (len(hits) - positive)))


def f1_macro(actual: np.ndarray, predicted: np.ndarray) -> float:
    """The mean, over the labels that occur, of the harmonic mean of precision and recall."""
    scores = []
    for label in set(actual.tolist()) | set(predicted.tolist()):
        true, said = actual == label, predicted == label
        scores.append(2 * np.sum(true & said) / (np.sum(true) + np.sum(said)))
    return float(np.mean(scores))


def calibration(hits: np.ndarray, probabilities: np.ndarray, bins: int) -> pd.DataFrame:
    """Predicted and observed share of right labels, for `bins` intervals of the confidence."""
    confidence = probabilities.max(axis=1)
    right = hits[np.arange(len(hits)), probabilities.argmax(axis=1)]
    interval = np.minimum((confidence * bins).astype(int), bins - 1)
    table = pd.DataFrame({"predicted": confidence, "observed": right.astype(float)})
    return table.groupby(interval).agg(
        predicted=("predicted", "mean"), observed=("observed", "mean"), rows=("observed", "size")
    )


def calibration_error(table: pd.DataFrame) -> float:
    """The expected calibration error: mean distance of predicted and observed, by rows."""
    distance = (table["predicted"] - table["observed"]).abs()
    return float((distance * table["rows"]).sum() / table["rows"].sum())
