"""Each measure against scipy or a value worked out by hand."""

import numpy as np
import pytest
from mlgitops.monitoring import effects
from mlgitops.monitoring.coding import FINE, NAMED, OTHER, code
from pandas import Series
from scipy import stats

CHANCE = np.random.default_rng(0)
WHOLE = [CHANCE.poisson(rate, size) for rate, size in ((4, 700), (5, 400))]
REAL = [CHANCE.normal(size=3000), CHANCE.normal(0.4, 1.5, size=2000)]


def counts(kind, before, now):
    """A column's bins, and its counts before and now."""
    one = code("x", kind, Series(before), Series(now))
    parts = one.codes[: len(before)], one.codes[len(before) :]
    return one, *(np.bincount(part, minlength=one.size) for part in parts)


def measure(kind, before, now):
    one, *both = counts(kind, before, now)
    return {name: float(value) for name, value in one.measure(*both).items()}


def test_few_values_are_measured_as_scipy_does():
    found = measure("integer", *WHOLE)
    assert found["ks"] == pytest.approx(stats.ks_2samp(*WHOLE).statistic)
    distance = stats.wasserstein_distance(*WHOLE) / np.std(WHOLE[0])
    assert found["wasserstein"] == pytest.approx(distance, rel=1e-6)


def test_many_values_are_measured_nearly_as_scipy_does():
    found = measure("number", *REAL)
    assert found["ks"] == pytest.approx(stats.ks_2samp(*REAL).statistic, abs=1 / FINE)
    distance = stats.wasserstein_distance(*REAL) / np.std(REAL[0])
    assert found["wasserstein"] == pytest.approx(distance, rel=0.02)


def test_psi_is_the_sum_that_the_books_have():
    before, now = np.array([700, 300]), np.array([500, 500])
    expected = -0.2 * np.log(0.5 / 0.7) + 0.2 * np.log(0.5 / 0.3)
    assert effects.psi(before * 1000, now * 1000) == pytest.approx(expected, rel=1e-4)
    assert np.isfinite(effects.psi(np.array([10, 0]), np.array([0, 10])))


def test_the_psi_of_an_unmoved_column_is_not_0():
    """Of 50,000 rows on either side and 10 bins: about 9 * (1 / n + 1 / N)."""
    chance = np.random.default_rng(1)
    some = [measure("number", *chance.normal(size=(2, 50_000)))["psi"] for _ in range(10)]
    assert np.mean(some) == pytest.approx(9 * 2 / 50_000, rel=0.4)


def test_the_same_column_is_at_no_distance():
    assert set(measure("number", REAL[0], REAL[0]).values()) == {0.0}
    assert measure("category", list("aab"), list("aab")) == {"psi": 0.0}


def test_a_column_without_a_value_is_at_no_distance_and_one_that_lost_them_is():
    none = [np.nan] * 50
    assert set(measure("number", none, none).values()) == {0.0}
    assert measure("number", list(range(50)), none)["psi"] > 5


def test_new_categories_are_a_share_of_the_rows_now():
    one, before, now = counts("category", ["a"] * 9 + ["b"], ["a", "c", "c", None])
    known = effects.new_share(before[:-1], now[:-1])
    assert known == pytest.approx(2 / 3)
    assert one.names[:2] == ("a", "c")


def test_more_categories_than_bins_share_one():
    names = [f"v{k}" for k in range(NAMED + 50)]
    one, before, now = counts("category", names, names)
    assert (one.size, one.names[-1]) == (NAMED + 2, OTHER)
    assert before[NAMED] == now[NAMED] == 50
    assert one.by_group(before).sum() == len(names)
