import json

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from mlgitops.data import profile
from mlgitops.data.schema import Column


def test_numbers_are_described_by_quantiles():
    found = profile.column(pd.Series([*range(21), None]), "number")
    assert found["quantiles"] == list(range(21))
    assert found["missing"] == profile.round_number(1 / 22)


def test_categories_are_described_by_shares():
    found = profile.column(pd.Series(["b", "a", "a", None]), "category")
    assert found == {"type": "category", "missing": 0.25, "shares": {"a": 0.666667, "b": 0.333333}}


def test_booleans_with_missing_values_too():
    found = profile.column(pd.Series([True, None, False], dtype="boolean"), "boolean")
    assert found["shares"] == {"False": 0.5, "True": 0.5}


def test_times_are_described_by_the_first_and_the_last():
    found = profile.column(pd.to_datetime(pd.Series(["2024-02-01", "2024-01-01"])), "time")
    assert (found["first"], found["last"]) == ("2024-01-01 00:00:00", "2024-02-01 00:00:00")


def test_a_time_that_is_missing_throughout_has_no_first():
    found = profile.column(pd.Series([None, None], dtype="datetime64[ns]"), "time")
    assert (found["first"], found["last"]) == (None, None)


def test_a_column_without_values_has_no_quantiles():
    assert profile.column(pd.Series([np.nan]), "number")["quantiles"] == [None] * 21
    assert profile.column(pd.Series([], dtype="float64"), "number")["missing"] is None


def test_what_comes_after_the_most_frequent_is_one_share():
    assert profile.shares(pd.Series(list("aaabbcd")), most=2) == {
        "a": 0.428571,
        "b": 0.285714,
        "…": 0.285714,
    }


@given(st.lists(st.text(max_size=3), min_size=1), st.integers(1, 4))
def test_shares_sum_to_one_in_an_order_that_rows_do_not_change(values, most):
    found = profile.shares(pd.Series(values, dtype="str"), most)
    assert abs(sum(found.values()) - 1) < 1e-4
    again = profile.shares(pd.Series(values[::-1], dtype="str"), most)
    assert list(again.items()) == list(found.items())


@given(st.floats())
def test_rounded_numbers_are_json(value):
    json.dumps(profile.round_number(value), allow_nan=False)


def test_the_profile_names_rows_and_every_column(frame, rules):
    found = profile.profile(frame, rules.columns)
    assert found["rows"] == 40
    assert list(found["columns"]) == list(frame)
    assert profile.profile(frame.head(0), {"count": Column(type="integer")})["rows"] == 0
