import json

import numpy as np
import pytest
from mlgitops.training.exported_model import Predictions
from mlgitops.training.plots import PLOTS, plots

ACTUAL = np.array(["a", "b", "a", "b"], dtype=object)
SURE = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]], dtype="float32")
ANSWER = Predictions(np.array(["a", "b", "a", "a"], dtype=object), SURE)


def test_a_classifier_is_drawn_by_confusion_roc_and_calibration():
    found = plots(ACTUAL, ANSWER, ("a", "b"), 10, 1000)
    assert set(found) == set(PLOTS)
    assert found["confusion"] == [
        {"actual": actual, "predicted": predicted}
        for actual, predicted in zip(ACTUAL, ANSWER.values, strict=True)
    ]
    assert found["roc"][0]["fpr"] == 0
    assert found["roc"][-1] == {"fpr": 1.0, "tpr": 1.0}
    assert sum(point["rows"] for point in found["calibration"]) == 4
    assert found["residuals"] == found["predicted"] == []


def test_a_perfect_ranking_is_the_upper_left_corner():
    better = Predictions(ACTUAL, np.eye(2)[(ACTUAL == "b").astype(int)])
    rates = plots(ACTUAL, better, ("a", "b"), 10, 1000)["roc"]
    assert all(point["tpr"] == 1 for point in rates)


def test_a_regression_is_drawn_by_its_residuals():
    found = plots(np.array([1.0, 2.0]), Predictions(np.array([1.5, 2.0]), None), None, 10, 1000)
    assert found["predicted"] == [
        {"actual": 1.0, "predicted": 1.5},
        {"actual": 2.0, "predicted": 2.0},
    ]
    assert found["residuals"] == [
        {"predicted": 1.5, "residual": -0.5},
        {"predicted": 2.0, "residual": 0.0},
    ]
    assert found["confusion"] == found["roc"] == found["calibration"] == []


@pytest.mark.parametrize(("rows", "most", "points"), [(1000, 10, 10), (5, 10, 5), (1, 10, 1)])
def test_points_are_thinned_from_the_first_row_to_the_last(rows, most, points):
    actual = np.arange(rows) / 1.0
    found = plots(actual, Predictions(actual, None), None, 10, most)["predicted"]
    assert len(found) == points
    assert (found[0]["actual"], found[-1]["actual"]) == (0, rows - 1)


def test_one_class_alone_has_no_roc():
    one = Predictions(ANSWER.values[:1], SURE[:1])
    assert plots(ACTUAL[:1], one, ("a", "b"), 10, 1000)["roc"] == []


def test_points_are_short_strict_json():
    third = Predictions(np.array([1 / 3], dtype="float32"), None)
    found = plots(np.array([2 / 3]), third, None, 10, 1000)
    assert found["predicted"] == [{"actual": 0.666667, "predicted": 0.333333}]
    whole = Predictions(np.array([1, 2]), np.eye(2, dtype="float32"))
    json.dumps(plots(np.array([1, 2]), whole, (1, 2), 10, 1000), allow_nan=False)
