import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlgitops.core.errors import Mistake
from mlgitops.data import split
from mlgitops.data.schema import Column, Schema
from mlgitops.data.split import Split

RANDOM = Split(by="random", test_share=0.2, seed=0)
NEWEST = RANDOM.model_copy(update={"by": "time"})


@pytest.fixture
def by_count(rules):
    return rules.model_copy(update={"time": "count"})


def test_every_row_is_in_one_part_only(frame, rules):
    frame["row"] = range(40)
    train, test = split.split(frame, rules, RANDOM)
    assert sorted([*train["row"], *test["row"]]) == list(range(40))
    assert list(test.index) == list(range(len(test)))


def test_each_class_has_the_same_share_in_the_test_set(frame, rules):
    frame["kind"] = ["a"] * 30 + ["b"] * 10
    _, test = split.split(frame, rules, RANDOM)
    assert test["kind"].value_counts().to_dict() == {"a": 6, "b": 2}


def test_a_class_of_two_rows_is_in_both_parts(frame, rules):
    frame["kind"] = ["a"] * 38 + ["b"] * 2
    train, test = split.split(frame, rules, RANDOM)
    assert (train["kind"] == "b").sum() == (test["kind"] == "b").sum() == 1


def test_the_seed_alone_decides(frame, rules):
    chosen = [split.test_rows(frame, rules, RANDOM).tolist() for _ in range(2)]
    assert chosen[0] == chosen[1]
    other = split.test_rows(frame, rules, RANDOM.model_copy(update={"seed": 1})).tolist()
    assert other != chosen[0]


def test_the_newest_rows_are_the_test_set(frame, by_count):
    train, test = split.split(frame, by_count, NEWEST)
    assert len(test) == 8
    assert train["count"].max() <= test["count"].min()


def test_moments_are_ordered_too(frame, rules):
    frame["seen"] = pd.date_range("2024-01-01", periods=40, tz="UTC")[::-1]
    columns = rules.columns | {"seen": Column(type="time")}
    found = rules.model_copy(update={"time": "seen", "columns": columns})
    assert split.test_rows(frame, found, NEWEST).nonzero()[0].tolist() == list(range(8))


@given(
    labels=st.lists(st.sampled_from("abc"), min_size=2, max_size=60),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
    by_time=st.booleans(),
)
def test_the_test_set_has_its_share_and_no_row_is_lost(labels, share, seed, by_time):
    columns = {
        "x": Column(type="number"),
        "t": Column(type="integer"),
        "y": Column(type="category"),
    }
    rules = Schema(task="multiclass", target="y", time="t", columns=columns)
    table = pd.DataFrame({"x": 0.0, "t": np.arange(len(labels)) % 4, "y": labels})
    p = Split(by="time" if by_time else "random", test_share=share, seed=seed)
    chosen = split.test_rows(table, rules, p)
    groups = [table] if by_time else [rows for _, rows in table.groupby("y")]
    assert chosen.sum() == sum(max(1, round(len(rows) * share)) for rows in groups)
    if by_time and not chosen.all():
        assert table["t"][~chosen].max() <= table["t"][chosen].min()


def test_a_class_that_is_only_in_the_test_set_is_refused(frame, by_count):
    frame["kind"] = np.where(frame["count"] == 10, "b", "a")
    with pytest.raises(Mistake, match="kind: b occurs in the test set only"):
        split.split(frame, by_count, NEWEST)


def test_a_split_by_time_needs_a_time(frame, rules):
    with pytest.raises(Mistake, match=r"schema.yaml names no time column"):
        split.split(frame, rules, NEWEST)


def test_nothing_left_to_train_on_is_refused(frame, rules):
    with pytest.raises(Mistake, match="too few to split"):
        split.split(frame.head(1), rules, RANDOM)
