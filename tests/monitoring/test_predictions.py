import numpy as np
import pandas as pd
from mlgitops.monitoring import predictions
from mlgitops.training.exported_model import Predictions


def test_of_two_classes_one_probability_is_compared_and_of_more_each():
    answer = Predictions(np.array(["a", "b"], dtype="object"), np.array([[0.9, 0.1], [0.2, 0.8]]))
    two = predictions.table(answer, ("a", "b"))
    assert two.to_dict("list") == {"prediction": ["a", "b"], "probability of b": [0.1, 0.8]}
    three = Predictions(np.array([1, 2]), np.full((2, 3), 1 / 3))
    assert list(predictions.table(three, (1, 2, 3)))[1:] == [f"probability of {k}" for k in "123"]
    value = predictions.table(Predictions(np.array([1.5]), None), None)
    assert value.to_dict("list") == {"prediction": [1.5]}


def test_a_log_gives_the_answers_back_and_nothing_where_it_has_no_scores():
    about = pd.DataFrame({"output": [1, 2], "scores": [{"1": 0.75, "2": 0.25}, None]})
    found = predictions.answers_of(about, (1, 2))
    np.testing.assert_array_equal(found.values, [1, 2])
    np.testing.assert_array_equal(found.probabilities, [[0.75, 0.25], [np.nan, np.nan]])
    empty = predictions.answers_of(about.head(0), (1, 2))
    assert empty.probabilities.shape == (0, 2)
    assert predictions.answers_of(pd.DataFrame({"output": [1.5]}), None).values.tolist() == [1.5]
