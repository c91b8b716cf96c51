"""The estimate against what the labels say, where these are known."""

import numpy as np
import pandas as pd
import pytest
from mlgitops.monitoring.estimate import Known, calibrate, curve, estimate, unlike
from mlgitops.monitoring.limits import Monitor
from mlgitops.training.exported_model import Predictions
from mlgitops.training.losses import metric_of, row_losses
from sklearn.linear_model import LogisticRegression

LABELS = ("a", "b", "c")
P = Monitor()


def make(rows, seed, hardness=1.0, sure=1.0):
    """Answers of a model that is too sure by a factor, and what is right."""
    chance = np.random.default_rng(seed)
    odds = chance.normal(scale=2 / hardness, size=(rows, len(LABELS)))
    true = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    actual = np.array(LABELS, dtype="object")[
        (chance.random((rows, 1)) > np.cumsum(true, axis=1)[:, :-1]).sum(axis=1)
    ]
    told = np.exp(sure * odds) / np.exp(sure * odds).sum(axis=1, keepdims=True)
    values = np.array(LABELS, dtype="object")[told.argmax(axis=1)]
    return Predictions(values, told), actual


def real(answer, actual, name):
    return metric_of(name, row_losses(name, actual, answer, LABELS))


@pytest.mark.parametrize("sure", [1.0, 2.5])
@pytest.mark.parametrize("hardness", [1.0, 3.0])
def test_harder_rows_are_expected_to_be_answered_as_they_are(sure, hardness):
    known = Known(*make(2000, 0, sure=sure), LABELS)
    now, actual = make(3000, 1, hardness, sure)
    found = {one.name: one for one in estimate(known, now, 0.0, P).figures}
    assert list(found) == ["log_loss", "brier", "accuracy"]
    for name, one in found.items():
        right = real(now, actual, name)
        assert one.low <= right <= one.high, name
        assert one.low < one.value < one.high
        assert one.test == pytest.approx(real(*known[:2], name))
    # The model is far worse on harder rows, and the estimate says so.
    assert (found["accuracy"].value < found["accuracy"].test - 0.1) is (hardness > 1)


def test_probabilities_that_are_too_sure_are_corrected():
    known = Known(*make(5000, 0, sure=3), LABELS)
    now, actual = make(5000, 1, sure=3)
    likely = calibrate(known, now, np.arange(5000))
    np.testing.assert_allclose(likely.sum(axis=1), 1)
    better = -np.log(likely[np.arange(5000), [LABELS.index(one) for one in actual]]).mean()
    assert better < real(now, actual, "log_loss") - 0.3


def test_the_curve_is_that_of_scikit_learn():
    chance = np.random.default_rng(0)
    x = chance.normal(scale=3, size=800)
    right = chance.random(800) < 1 / (1 + np.exp(0.5 - 0.4 * x))
    known = LogisticRegression(C=1e6).fit(x[:, None], right).predict_proba(x[:, None])[:, 1]
    np.testing.assert_allclose(curve(x, right, x), known, atol=1e-3)
    assert np.isfinite(curve(x, x > 0, x)).all()


def test_right_answers_that_change_within_the_test_set_widen_the_interval():
    answer, actual = make(2000, 0)
    moved = actual.copy()
    moved[1500:] = np.random.default_rng(2).permutation(moved[1500:])
    parts = np.array_split(np.arange(2000), 4)
    now, _ = make(2000, 1)
    calm, shaken = (
        estimate(Known(answer, one, LABELS, parts), now, 0.0, P).figures[2]
        for one in (actual, moved)
    )
    assert calm.high - calm.low < 0.2
    assert shaken.high - shaken.low > 0.5


@pytest.mark.parametrize(("rows", "tests", "outside", "said"), [
    (199, 500, 0, "199 predictions and 500 test rows are too few"),
    (500, 99, 0, "too few"),
    (500, 500, 0.12, "12% of the rows have values that the model's data does not have"),
])  # fmt: skip
def test_what_cannot_be_told_is_not_known(rows, tests, outside, said):
    found = estimate(Known(*make(tests, 0), LABELS), make(rows, 1)[0], outside, P)
    assert found.figures == ()
    assert said in found.reason


def test_a_regression_and_answers_without_scores_are_not_known():
    value = Predictions(np.zeros(500), None)
    assert "regression" in estimate(Known(value, np.zeros(500), None), value, 0, P).reason
    answer, actual = make(500, 0)
    none = answer._replace(probabilities=np.full((500, 3), np.nan))
    assert "0 predictions" in estimate(Known(answer, actual, LABELS), none, 0, P).reason


def test_rows_are_unlike_by_a_number_outside_or_a_new_category():
    before = pd.DataFrame({"x": [0.1, 1.5], "g": ["p", "q"]})
    now = pd.DataFrame({"x": [0.1, 2, np.nan, 1.5, -1], "g": ["p", "p", None, "new", "new"]})
    assert unlike(before, now, {"x": "number", "g": "category"}) == 0.6
    assert unlike(before, now.head(0), {"x": "number", "g": "category"}) == 0
