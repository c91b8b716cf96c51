import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlgitops.core.errors import UserError
from mlgitops.data import split
from mlgitops.data.schema import Column, Schema
from mlgitops.data.split import Split
from mlgitops.training import prepare

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
    share=st.floats(0.05, 0.95),
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
    with pytest.raises(UserError, match="kind: b occurs in the test set only"):
        split.split(frame, by_count, NEWEST)


def test_a_split_by_time_needs_a_time(frame, rules):
    with pytest.raises(UserError, match=r"schema.yaml names no time column"):
        split.split(frame, rules, NEWEST)


def test_nothing_left_to_train_on_is_refused(frame, rules):
    with pytest.raises(UserError, match="too few to split"):
        split.split(frame.head(1), rules, RANDOM)


def by(column, share=0.2, seed=0):
    """The rule that keeps rows of the same value together."""
    return Split(by="group", group=column, test_share=share, seed=seed)


def split_groups(frame, rules, column, **options):
    """Training and test set by groups of a column of the raw table."""
    p = by(column, **options)
    return split.split(frame, rules, p, split.group_of(frame, p))


@pytest.mark.parametrize("group", ["colour", "customer"])
def test_no_group_is_in_both_parts(group, frame, rules):
    """`customer` is a column of the raw table that the model does not see."""
    frame["customer"] = np.arange(40) % 9
    train, test = split_groups(frame, rules, group)
    assert len(train) + len(test) == 40
    assert set(train[group]).isdisjoint(test[group])
    assert len(test) > 0


def test_a_column_that_is_left_out_decides_and_does_not_reach_the_sets(project, frame, choose):
    choose("by: random,", "by: group, group: customer,", "gate.yaml")
    frame["customer"] = np.arange(40) // 4
    frame["row"] = range(40)
    frame.to_parquet("data/raw.parquet")
    prepare.prepare()
    train, test = pd.read_parquet("data/train.parquet"), pd.read_parquet("data/test.parquet")
    assert list(train) == list(test) == ["length", "count", "wild", "colour", "kind"]
    # Two whole customers of four rows each.
    known = frame.merge(test, on=["length", "count", "wild", "colour", "kind"])
    assert len(test) == 8
    assert sorted(known["customer"].value_counts()) == [4, 4]


def test_rows_without_a_group_are_each_their_own(frame, rules):
    frame["customer"] = pd.Series(np.arange(40) % 4).where(np.arange(40) < 20).astype("Int64")
    frame["row"] = range(40)
    train, test = split_groups(frame, rules, "customer", share=0.5)
    assert set(train["customer"].dropna()).isdisjoint(test["customer"].dropna())
    # Were they one group, they would be together.
    assert train["customer"].isna().any()
    assert test["customer"].isna().any()
    assert sorted([*train["row"], *test["row"]]) == list(range(40))


def test_the_share_is_about_right_where_groups_are_small(frame, rules):
    table = pd.concat([frame] * 25, ignore_index=True)
    table["customer"] = np.arange(1000) // 3
    for seed in range(5):
        _, test = split_groups(table, rules, "customer", share=0.3, seed=seed)
        assert 300 <= len(test) <= 302


def test_the_seed_chooses_the_groups(frame, rules):
    frame["customer"] = np.arange(40) % 10
    chosen = [
        set(split_groups(frame, rules, "customer", seed=seed)[1]["customer"]) for seed in (0, 0, 1)
    ]
    assert chosen[0] == chosen[1] != chosen[2]


def test_a_group_that_has_nearly_all_rows_leaves_something_to_train_on(frame, rules):
    frame["customer"] = np.where(np.arange(40) < 4, "small", "large")
    for seed in range(4):
        train, test = split_groups(frame, rules, "customer", share=0.9, seed=seed)
        assert {len(train), len(test)} == {4, 36}


def test_one_group_is_nothing_to_split(frame, rules):
    with pytest.raises(UserError, match=r"split.group: customer has one value only"):
        split_groups(frame.assign(customer="only"), rules, "customer")


def test_a_column_that_is_not_there_is_told(frame, rules):
    with pytest.raises(
        UserError, match=r"no column 'client' in the table; there are length, count"
    ):
        split_groups(frame, rules, "client")


@pytest.mark.parametrize(
    "rule",
    [{"by": "group"}, {"by": "random", "group": "customer"}, {"by": "time", "group": "customer"}],
)
def test_a_group_is_named_where_it_is_needed_and_nowhere_else(rule):
    with pytest.raises(ValueError, match="by: group needs group: COLUMN"):
        Split.model_validate({"test_share": 0.2, "seed": 0} | rule)


@given(
    groups=st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=2, max_size=60),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**32),
    rule=st.sampled_from(["random", "time", "group"]),
)
def test_every_row_is_in_exactly_one_set_by_any_rule(groups, share, seed, rule):
    columns = {name: Column(type="number") for name in ("x", "row", "y")}
    rules = Schema(task="regression", target="y", time="row", columns=columns)
    rows = list(range(len(groups)))
    table = pd.DataFrame({"x": 0.0, "row": rows, "y": 1.0, "group": groups})
    column = "group" if rule == "group" else None
    p = Split(by=rule, group=column, test_share=share, seed=seed)
    values = split.group_of(table, p)
    one_group = len(set(groups)) == 1 and groups[0] is not None
    if one_group if rule == "group" else max(1, round(len(rows) * share)) == len(rows):
        with pytest.raises(UserError, match=r"has one value only|too few to split"):
            split.split(table, rules, p, values)
        return
    train, test = split.split(table, rules, p, values)
    assert sorted([*train["row"], *test["row"]]) == rows
    assert len(train) > 0
    assert len(test) > 0
    if rule == "group":
        assert set(train["group"].dropna()).isdisjoint(test["group"].dropna())
