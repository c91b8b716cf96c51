"""The points of the plots that `dvc plots show` displays."""

from typing import Any

import numpy as np
import pandas as pd

from mlgitops.training.exported_model import Predictions
from mlgitops.training.metrics import calibration

Points = list[dict[str, Any]]
PLOTS = ("confusion", "roc", "calibration", "residuals", "predicted")


def plots(
    actual: np.ndarray,
    predictions: Predictions,
    labels: tuple[int | str, ...] | None,
    bins: int,
    most: int,
) -> dict[str, Points]:
    """The points of each plot; none for the plots of the other task. Rows are thinned to `most`."""
    points: dict[str, Points] = {name: [] for name in PLOTS}
    thin = np.unique(np.linspace(0, len(actual) - 1, min(most, len(actual))).astype(int))
    values = predictions.values[thin]
    pairs = pd.DataFrame({"actual": actual[thin], "predicted": values})
    if labels is None or predictions.probabilities is None:
        residuals = pd.DataFrame({"predicted": values, "residual": actual[thin] - values})
        return points | {"predicted": _points(pairs), "residuals": _points(residuals)}
    hits = actual[:, None] == np.asarray(labels, dtype=object)[None, :]
    probabilities = predictions.probabilities.astype("float64")
    return points | {
        "confusion": _points(pairs),
        "roc": _points(roc(hits, probabilities)),
        "calibration": _points(calibration(hits, probabilities, bins)),
    }


def roc(hits: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """The ROC curve at 101 rates: of the second class of two, else the mean of the classes'."""
    rates = np.linspace(0, 1, 101)
    counts = hits.sum(axis=0)
    classes = [1] if hits.shape[1] == 2 else range(hits.shape[1])
    curves = [
        np.interp(rates, *curve(hits[:, k], probabilities[:, k]))
        for k in classes
        if 0 < counts[k] < len(hits)
    ]
    if not curves:
        return pd.DataFrame({"fpr": [], "tpr": []})
    return pd.DataFrame({"fpr": rates, "tpr": np.mean(curves, axis=0)})


def curve(hits: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at each threshold, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # of a run of equal scores
    true, false = np.cumsum(hits[order])[last], np.cumsum(~hits[order])[last]
    return np.append(0, false / false[-1]), np.append(0, true / true[-1])


def _points(table: pd.DataFrame) -> Points:
    plain: Points = table.to_dict(orient="records")
    return [
        {
            key: float(f"{value:.6g}")
            if isinstance(value, float)
            else getattr(value, "item", lambda v=value: v)()
            for key, value in point.items()
        }
        for point in plain
    ]
