import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlgitops.evaluation import bootstrap

CLASSES = ("a", "b", "c")


def difference(ours, theirs, bootstrap_samples=400, confidence=0.95, seed=0):
    drawn = bootstrap.resample(np.column_stack([ours, theirs]), bootstrap_samples, seed)
    return bootstrap.interval(drawn[:, 0] - drawn[:, 1], confidence, len(ours))


def test_dummy_answers_with_the_class_shares():
    known = np.array(["a", "b", "b", "b"], dtype=object)
    answer = bootstrap.dummy("log_loss", known, 2, ("a", "b"))
    assert answer.probabilities.tolist() == [[0.25, 0.75]] * 2
    assert answer.values.tolist() == ["b", "b"]


def test_dummy_answers_with_the_mean_and_for_mae_with_the_median():
    known = np.array([0.0, 0.0, 9.0])
    assert bootstrap.dummy("rmse", known, 1, None).values.tolist() == [3.0]
    assert bootstrap.dummy("mae", known, 1, None).values.tolist() == [0.0]


losses_of_rows = st.lists(st.floats(0, 40), min_size=1, max_size=60).map(np.asarray)


@given(losses_of_rows, st.integers(0, 5))
def test_a_model_compared_with_itself_is_never_worse(losses, seed):
    assert difference(losses, losses, 50, seed=seed) == (0, 0)


@given(losses_of_rows, st.floats(0.01, 10), st.integers(0, 5))
def test_a_model_that_is_worse_in_every_row_is_always_clearly_worse(losses, by, seed):
    assert difference(losses + by, losses, 50, seed=seed).low > 0


@given(losses_of_rows, losses_of_rows)
def test_better_by_is_worse_by_with_the_other_sign(ours, theirs):
    rows = min(len(ours), len(theirs))
    one = difference(ours[:rows], theirs[:rows], 50)
    other = difference(theirs[:rows], ours[:rows], 50)
    assert one.low == pytest.approx(-other.high, abs=1e-9)


@settings(max_examples=50)
@given(losses_of_rows)
def test_means_of_drawn_rows_stay_within_the_rows(losses):
    drawn = bootstrap.resample(losses[:, None], 20, 0)
    assert drawn.min() >= losses.min() - 1e-9
    assert drawn.max() <= losses.max() + 1e-9


def test_equal_models_are_found_clearly_worse_no_more_often_than_chosen():
    chance = np.random.default_rng(1)
    rows, refused = 300, 0
    for draw in range(200):
        shared = chance.exponential(size=rows)
        ours, theirs = (shared + chance.normal(scale=0.5, size=rows) for _ in range(2))
        refused += difference(ours, theirs, 200, seed=draw).low > 0
    assert refused <= 0.05 * 200


@pytest.mark.parametrize("rows", [45, 300])
def test_equal_models_exceed_the_tolerance_no_more_often_than_chosen(rows):
    chance = np.random.default_rng(3)
    refused = 0
    for draw in range(200):
        shared = chance.exponential(size=rows)
        both = np.column_stack([shared + chance.normal(scale=0.5, size=rows) for _ in range(2)])
        means = bootstrap.resample(both, 200, draw)
        drawn, worse = means[:, 0] - means[:, 1], float(np.subtract(*both.mean(axis=0)))
        clearly = bootstrap.interval(drawn, 0.95, rows).low > 0
        refused += clearly or bootstrap.exceeds(worse, drawn, 0.05 * shared.mean(), 0.95, rows)
    assert refused <= 0.075 * 200  # 5%, and what 200 bootstrap_samples may add to it by chance


def test_an_interval_holds_the_truth_as_often_as_it_says():
    chance = np.random.default_rng(2)
    held = 0
    for draw in range(200):
        drawn = bootstrap.resample(chance.exponential(size=(300, 1)), 200, draw)
        low, high = bootstrap.interval(drawn[:, 0], 0.9, 300)
        held += low <= 1 <= high
    assert 0.83 <= held / 200 <= 0.96


def test_too_few_rows_can_say_nothing():
    assert bootstrap.fewest(0.95) == 6
    assert bootstrap.fewest(0.5) == 2
