import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlgitops.training import metrics
from mlgitops.training.exported_model import Predictions
from sklearn import metrics as sk

LABELS = ("a", "b", "c")


@st.composite
def classifications(draw, classes=3):
    """True labels, and predictions of float32 probabilities as a model gives them."""
    rows = draw(st.integers(2, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = np.array(LABELS[:classes], dtype=object)
    probabilities = rng.dirichlet(np.ones(classes), rows).astype("float32")
    return rng.choice(labels, rows), Predictions(labels[probabilities.argmax(1)], probabilities)


@given(case=classifications())
def test_multiclass_metrics_are_those_of_scikit_learn(case):
    actual, answer = case
    found = metrics.measure(actual, answer, LABELS, 10)
    exact = answer.probabilities.astype("float64")
    exact /= exact.sum(axis=1, keepdims=True)
    near = {"rel": 1e-5, "abs": 1e-9}
    assert found["rows"] == len(actual)
    assert found["log_loss"] == pytest.approx(sk.log_loss(actual, exact, labels=LABELS), **near)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(actual, answer.values), **near)
    macro = sk.f1_score(actual, answer.values, average="macro", zero_division=0)
    assert found["f1_macro"] == pytest.approx(macro, **near)
    if len(set(actual)) == 3:
        area = sk.roc_auc_score(actual, exact, multi_class="ovr", labels=LABELS)
        assert found["roc_auc"] == pytest.approx(area, **near)
        brier = sk.brier_score_loss(actual, exact, labels=LABELS, scale_by_half=False)
        assert found["brier"] == pytest.approx(brier, **near)


@given(case=classifications(classes=2))
def test_binary_metrics_are_those_of_scikit_learn(case):
    actual, answer = case
    found = metrics.measure(actual, answer, LABELS[:2], 10)
    second = answer.probabilities[:, 1].astype("float64")
    if len(set(actual)) == 2:
        assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(actual == "b", second), rel=1e-5)
    brier = np.mean((second - (actual == "b")) ** 2)
    assert found["brier"] == pytest.approx(brier, rel=1e-4, abs=1e-7)


@given(rows=st.integers(2, 30), seed=st.integers(0, 2**32), scale=st.floats(1e-3, 1e6))
def test_regression_metrics_are_those_of_scikit_learn(rows, seed, scale):
    rng = np.random.default_rng(seed)
    actual, values = rng.normal(size=(2, rows)) * scale
    found = metrics.measure(actual, Predictions(values, None), None, 10)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(actual, values), rel=1e-5)
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(actual, values), rel=1e-5)
    assert found["r2"] == pytest.approx(sk.r2_score(actual, values), rel=1e-5, abs=1e-6)
    assert found["error_p50"] == pytest.approx(sk.median_absolute_error(actual, values), rel=1e-5)
    assert found["error_p50"] <= found["error_p90"] <= found["error_p99"]


def test_metrics_that_these_rows_do_not_define_are_none():
    sure = Predictions(np.array(["a", "a"], dtype=object), np.array([[0.9, 0.1], [0.8, 0.2]]))
    found = metrics.measure(np.array(["a", "a"], dtype=object), sure, ("a", "b"), 10)
    assert found["roc_auc"] is None
    assert found["accuracy"] == 1
    constant = metrics.measure(
        np.array([1.0, 1.0]), Predictions(np.array([1.0, 2.0]), None), None, 5
    )
    assert constant["r2"] is None
    assert constant["mae"] == 0.5


def test_a_wrong_answer_with_certainty_costs_a_finite_loss():
    wrong = Predictions(np.array(["b"], dtype=object), np.array([[0.0, 1.0]], dtype="float32"))
    found = metrics.measure(np.array(["a"], dtype=object), wrong, ("a", "b"), 10)
    assert found["log_loss"] == pytest.approx(-np.log(1e-15), rel=1e-5)


def test_labels_may_be_numbers():
    answer = Predictions(np.array([3, 1]), np.array([[0.2, 0.8], [0.7, 0.3]]))
    assert metrics.measure(np.array([3, 1]), answer, (1, 3), 10)["accuracy"] == 1


def test_calibration_compares_confidence_with_the_share_of_right_labels():
    hits = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], dtype=bool)
    probabilities = np.array([[0.75, 0.25], [0.75, 0.25], [0.75, 0.25], [0.0, 1.0]])
    table = metrics.calibration(hits, probabilities, 4)
    assert table["rows"].tolist() == [4]
    table = metrics.calibration(hits, probabilities, 10)
    assert table["predicted"].tolist() == [0.75, 1.0]
    assert table["observed"].tolist() == [pytest.approx(2 / 3), 0.0]
    assert metrics.calibration_error(table) == pytest.approx((3 * (0.75 - 2 / 3) + 1) / 4)


@given(case=classifications(), bins=st.integers(1, 20))
def test_the_calibration_error_is_a_share(case, bins):
    actual, answer = case
    hits = actual[:, None] == np.array(LABELS, dtype=object)[None, :]
    table = metrics.calibration(hits, answer.probabilities.astype("float64"), bins)
    assert table["rows"].sum() == len(actual)
    assert 0 <= metrics.calibration_error(table) <= 1
