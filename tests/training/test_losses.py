import math

import numpy as np
import pytest
from mlgitops.training import losses
from mlgitops.training.exported_model import Predictions
from mlgitops.training.metrics import measure

CLASSES = ("a", "b", "c")


def answer(chances, labels):
    chances = np.asarray(chances, dtype="float64")
    return Predictions(np.asarray(labels, dtype=object)[chances.argmax(axis=1)], chances)


@pytest.mark.parametrize("labels", [CLASSES[:2], CLASSES])
def test_mean_losses_are_the_metrics_that_evaluate_writes(labels):
    chance = np.random.default_rng(0)
    actual = chance.choice(np.asarray(labels, dtype=object), 50)
    found = answer(chance.dirichlet(np.ones(len(labels)), 50), labels)
    metrics = measure(actual, found, labels, 10)
    for name in ("log_loss", "brier", "accuracy"):
        mean = losses.row_losses(name, actual, found, labels).mean()
        assert losses.as_metric(name, losses.cost(name, mean)) == pytest.approx(
            metrics[name], rel=1e-5
        )


def test_mean_losses_are_the_metrics_of_a_regression():
    actual, answer = np.array([1.0, 2.0, 4.0]), Predictions(np.array([1.0, 3.0, 1.0]), None)
    for name, metric in (("mae", 4 / 3), ("rmse", math.sqrt(10 / 3))):
        mean = losses.row_losses(name, actual, answer, None).mean()
        assert losses.cost(name, mean) == pytest.approx(metric)
