import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlgitops.evaluation import bootstrap, checks

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


def gaps(rows, apart=0.0, samples=200):
    """Two models again and again, of which the first is worse by so many tolerances."""
    chance = np.random.default_rng(3)
    for draw in range(100):
        shared = chance.exponential(size=rows)
        limit = 0.05 * shared.mean()
        both = np.column_stack([shared + chance.normal(scale=0.1, size=rows) for _ in range(2)])
        both[:, 0] += apart * limit
        means = bootstrap.resample(both, samples, draw)
        interval = bootstrap.interval(means[:, 0] - means[:, 1], 0.95, rows)
        worse = float(np.subtract(*both.mean(axis=0)))
        yield checks.Gap(worse, limit, interval, rows, bootstrap.fewest(0.95))


@pytest.mark.parametrize(
    ("rows", "apart", "passed", "refused"),
    [(300, 0, 0.99, 0), (300, 0.5, 0.95, 0), (60, 0, 0.85, 0), (300, 1, 0.3, 0.08),
     (300, 3, 0, 0.9), (60, 2, 0.05, 0.1)],
)  # fmt: skip
def test_a_tolerance_accepts_what_is_within_and_refuses_what_is_clearly_beyond(
    rows, apart, passed, refused
):
    """At least `passed` pass where the true distance is within; else at most so many."""
    found = list(gaps(rows, apart))
    shares = np.mean([one.is_within for one in found]), np.mean([one.is_beyond for one in found])
    assert shares[0] >= passed if apart <= 1 else shares[0] <= passed
    assert shares[1] <= refused if apart <= 1 else shares[1] >= refused
    assert not any(one.is_within and one.is_beyond for one in found)


def test_so_many_rows_as_it_says_would_tell():
    few = checks.Gap(1.09, 0.05, bootstrap.Interval(-0.2, 2.4), 45, 6)
    assert not few.is_within
    assert not few.is_beyond
    narrow = 1.3 * (45 / few.rows_needed) ** 0.5
    assert few.worse - narrow >= few.limit > few.worse - 1.01 * narrow - 0.05
    assert checks.Gap(0.05, 0.05, bootstrap.Interval(-9, 9), 45, 6).rows_needed == 45 * 180**2
    assert checks.Gap(0.0, 0.0, bootstrap.Interval(-1, 1), 45, 6).rows_needed is None


def test_a_few_rows_pass_no_model_and_refuse_none():
    one = checks.Gap(1.0, 0.05, bootstrap.Interval(1.0, 1.0), 1, 6)
    assert (one.is_within, one.is_beyond, one.rows_needed) == (False, False, 6)


def test_equal_models_pass_also_without_a_tolerance():
    same = checks.Gap(0.0, 0.0, bootstrap.Interval(0.0, 0.0), 45, 6)
    assert same.is_within
    assert not same.is_beyond


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
