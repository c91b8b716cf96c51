"""A metric of the project stands beside the standard ones, of all rows and of slices."""

import numpy as np
import pytest
from mlgitops.core.errors import UserError
from mlgitops.training import evaluate, exported_model, hooks

P = evaluate.Evaluate.model_construct(bins=10, max_slices=2, max_points=1000)
SURE = np.array([0.9, 0.2, 0.6])
PREDICTIONS = exported_model.Predictions(
    np.array(["a", "b", "a"], dtype=object), np.column_stack([SURE, 1 - SURE])
)
ACTUAL = np.array(["a", "a", "b"], dtype=object)


def recall_of_a(actual, predicted, probabilities):
    return (predicted[actual == "a"] == "a").mean()


def mean_of_a(actual, predicted, probabilities):
    return probabilities["a"].mean()


def nothing(actual, predicted, probabilities):
    return np.float64(0) / np.float64(0)


def measure(*own):
    return evaluate.Answers(ACTUAL, PREDICTIONS, ("a", "b"), own).measure(10)


def test_it_stands_after_the_standard_ones():
    found = measure(recall_of_a, mean_of_a, nothing)
    assert list(found)[-3:] == ["recall_of_a", "mean_of_a", "nothing"]
    assert (found["recall_of_a"], found["mean_of_a"]) == (0.5, 0.566667)
    assert found["nothing"] is None
    assert found["accuracy"] == pytest.approx(1 / 3, abs=1e-6)


def test_slices_have_it_too(frame, rules):
    answers = evaluate.Answers(
        frame["kind"].to_numpy(dtype=object),
        exported_model.Predictions(frame["kind"].to_numpy(), np.tile([0.5, 0.5], (len(frame), 1))),
        ("a", "b"),
        (recall_of_a,),
    )
    found = evaluate.slices(frame, rules.slices, answers, P)
    assert {one["recall_of_a"] for one in found} == {1.0}


def test_a_regression_has_no_probabilities():
    def none(actual, predicted, probabilities):
        return float(probabilities is None)

    values = exported_model.Predictions(np.array([1.0, 2.0]), None)
    assert evaluate.Answers(np.array([1.0, 2.0]), values, None, (none,)).measure(10)["none"] == 1


def test_an_error_names_the_metric():
    def typo(actual, predicted, probabilities):
        return probabilities["late"].mean()

    with pytest.raises(UserError, match=r"src/ml/metrics\.py: typo: KeyError: 'late'"):
        measure(typo)


def test_a_name_that_is_taken_is_refused():
    def accuracy(actual, predicted, probabilities):
        return 1

    with pytest.raises(UserError, match="accuracy is a standard metric: give yours another name"):
        measure(accuracy)
    with pytest.raises(UserError, match="METRICS lists mean_of_a twice"):
        measure(mean_of_a, mean_of_a)


def test_a_project_without_the_file_has_none(project):
    assert hooks.metrics() == ()
