"""How much each column matters to the exported model: what its loss gains by shuffled values."""

from typing import Any

import numpy as np
import pandas as pd

from mlgitops.data.profile import round_number
from mlgitops.training.exported_model import Labels, Predictions, Runtime
from mlgitops.training.losses import Mean, cost, row_losses

SEED, REPEATS = 0, 3
# Predictions in all, spread over the columns, and the fewest rows that a column is tried on.
PREDICTIONS, FEWEST = 60_000, 20


def importance(
    predict: Runtime, table: pd.DataFrame, actual: np.ndarray, labels: Labels
) -> list[dict[str, Any]]:
    """The loss that each column saves, the largest first: log loss, or the RMSE of a regression.

    `table` is what the model takes, of shape (rows, columns). Tried on rows evenly apart, so many
    that the work has a bound whatever the table.
    """
    most = max(FEWEST, PREDICTIONS // (REPEATS * max(1, table.shape[1])))
    rows = np.unique(np.linspace(0, len(table) - 1, min(most, len(table))).astype(int))
    part, truth = table.iloc[rows].reset_index(drop=True), actual[rows]
    before = loss(truth, predict(part), labels)
    found = [
        {
            "column": name,
            "loss": round_number(shuffle_loss(predict, part, name, truth, labels) - before),
        }
        for name in part
    ]
    return sorted(found, key=lambda one: -(one["loss"] or 0))


def shuffle_loss(
    predict: Runtime, part: pd.DataFrame, name: Any, actual: np.ndarray, labels: Labels
) -> float:
    """The loss where the values of one column are in random order; REPEATS such orders."""
    chance = np.random.default_rng(SEED)
    order = np.concatenate([chance.permutation(len(part)) for _ in range(REPEATS)])
    many = pd.concat([part] * REPEATS, ignore_index=True)
    many[name] = part[name].to_numpy()[order]
    return loss(np.tile(actual, REPEATS), predict(many), labels)


def loss(actual: np.ndarray, answer: Predictions, labels: Labels) -> float:
    """Log loss, or RMSE; the error rate of a classifier without probabilities."""
    metric: Mean = "log_loss"
    if labels is None:
        metric = "rmse"
    elif answer.probabilities is None:
        metric = "accuracy"
    return float(cost(metric, row_losses(metric, actual, answer, labels).mean()))
