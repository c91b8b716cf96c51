import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlgitops.data import contract, reading
from mlgitops.data.schema import Column

NUMBER = Column(type="number", range=(0, 10))


def test_a_table_that_keeps_every_rule_has_no_breach(frame, rules):
    table, broken = contract.check(frame, rules.columns)
    assert broken.empty
    assert len(table) == 40


@pytest.mark.parametrize(
    ("column", "values", "line"),
    [
        (NUMBER, None, "x: is missing from the table"),
        (NUMBER, ["1", "two", "3", "four"], "x: is not of type number: 2 rows, first row 2 (two)"),
        (NUMBER, [1.0, np.inf], "x: is not of type number: 1 row, first row 2 (inf)"),
        (NUMBER, [1.0, np.nan, np.nan], "x: has missing values: 2 rows, first row 2"),
        (NUMBER, [1, 2, 11, -1], "x: is outside 0 to 10: 2 rows, first row 3 (11.0)"),
        (
            Column(type="integer"),
            ["1", "2.5"],
            "x: is not of type integer: 1 row, first row 2 (2.5)",
        ),
        (
            Column(type="integer", range=(0, 2)),
            [3, 1],
            "x: is outside 0 to 2: 1 row, first row 1 (3)",
        ),
        (
            Column(type="boolean"),
            ["yes", "perhaps"],
            "x: is not of type boolean: 1 row, first row 2 (perhaps)",
        ),
        (
            Column(type="time"),
            ["2024-02-29", "2024-02-30"],
            "x: is not of type time: 1 row, first row 2 (2024-02-30)",
        ),
        (
            Column(type="category", categories=("a", "b")),
            ["a", "c", "b", "c"],
            "x: is not one of a, b: 2 rows, first row 2 (c)",
        ),
        (
            Column(type="category", categories=("a",)),
            ["a", ""],
            "x: has missing values: 1 row, first row 2",
        ),
    ],
)
def test_each_broken_rule_names_column_count_first_row_and_example(column, values, line):
    frame = pd.DataFrame({"y": [1]} if values is None else {"x": values})
    _, broken = contract.check(frame, {"x": column})
    assert contract.summary(broken) == [line]


def test_a_value_of_another_type_is_named_once():
    frame = pd.DataFrame({"x": ["1", "two", None]})
    _, broken = contract.check(frame, {"x": NUMBER})
    assert contract.summary(broken) == [
        "x: is not of type number: 1 row, first row 2 (two)",
        "x: has missing values: 1 row, first row 3",
    ]


def test_every_column_is_named(frame, rules):
    frame = frame.drop(columns="wild").assign(count=99, colour="pink")
    _, broken = contract.check(frame, rules.columns)
    assert [line.split(":")[0] for line in contract.summary(broken)] == ["wild", "count", "colour"]


@pytest.mark.parametrize("name", ["a b", "größe", "^x.*$", "a/b", "None", "", "index"])
def test_any_name_can_be_checked(name):
    _, broken = contract.check(pd.DataFrame({name: [1, 11]}), {name: NUMBER})
    assert contract.summary(broken) == [f"{name}: is outside 0 to 10: 1 row, first row 2 (11.0)"]


def test_the_index_of_the_table_does_not_matter():
    frame = pd.DataFrame({"x": [1.0, 11.0]}, index=[7, 7])
    _, broken = contract.check(frame, {"x": NUMBER})
    assert broken["row"].tolist() == [1]


def test_a_nullable_column_may_be_missing_throughout():
    for kind in ("number", "integer", "boolean", "category", "time"):
        frame = pd.DataFrame({"x": [None, None]})
        table, broken = contract.check(frame, {"x": Column(type=kind, nullable=True)})
        assert broken.empty
        assert table["x"].isna().all()


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("integer", ["1", "2.0", " 3 "], [1, 2, 3]),
        ("integer", [1.0, 2.0], [1, 2]),
        ("number", ["1.5", "-2e3"], [1.5, -2000.0]),
        (
            "boolean",
            ["Yes", " no ", "TRUE", "f", "1", "0"],
            [True, False, True, False, True, False],
        ),
        ("boolean", [1, 0], [True, False]),
        ("boolean", [1.0, 0.0], [True, False]),
        ("category", [True, False], ["true", "false"]),
        ("category", [1, 20], ["1", "20"]),
        ("category", [1.0, 20.0], ["1", "20"]),
        ("category", [1.0, 2.5], ["1", "2.5"]),
        ("category", ["007", "7"], ["007", "7"]),
    ],
)
def test_values_are_cast_to_the_type(kind, values, expected):
    assert contract.cast(pd.Series(values), Column(type=kind)).tolist() == expected


def test_integers_with_missing_values_stay_integers():
    cast = contract.cast(pd.Series([1.0, np.nan]), Column(type="integer"))
    assert cast.dtype == "Int64"
    assert cast[0] == 1


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (["2024-02-01", "2024-02-13"], [1, 13]),
        (["2024-02-01", "2024-02-13T10:00:00.5", "2024-02-14 09:30"], [1, 13, 14]),
        (["02/01/2024", "02/13/2024"], [1, 13]),
        (["01/02/2024", "13/02/2024"], [1, 13]),
        (["01.02.2024", "13.02.2024"], [1, 13]),
        (["01.02.2024", "02.02.2024"], [1, 2]),
        (["2024-02-01T00:00:00+00:00", "2024-02-13T00:00:00Z"], [1, 13]),
    ],
)
def test_dates_are_read_in_the_order_that_fits_all_of_them(texts, days, recwarn):
    moments = contract.cast(pd.Series(texts), Column(type="time"))
    assert moments.dt.day.tolist() == days
    assert set(moments.dt.month) == {2}
    assert not recwarn.list


@given(
    values=st.lists(st.floats(width=32) | st.none(), min_size=1, max_size=20),
    ends=st.tuples(st.integers(-100, 100), st.integers(-100, 100)).map(sorted),
    nullable=st.booleans(),
)
def test_the_rows_named_are_those_that_break_a_rule(values, ends, nullable):
    low, high = ends
    column = Column(type="number", nullable=nullable, range=(low, high))
    _, broken = contract.check(
        pd.DataFrame({"x": pd.Series(values, dtype="float64")}), {"x": column}
    )
    expected = {
        row
        for row, value in enumerate(values)
        if (
            not nullable
            if value is None or np.isnan(value)
            else np.isinf(value) or not low <= value <= high
        )
    }
    assert set(broken["row"]) == expected
    assert len(broken) == len(expected)


@given(
    values=st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1),
    allowed=st.sets(st.sampled_from(["a", "b", "c", "d"]), min_size=1),
)
def test_the_rows_named_are_those_of_unknown_categories(values, allowed):
    column = Column(type="category", categories=tuple(sorted(allowed)))
    _, broken = contract.check(pd.DataFrame({"x": values}), {"x": column})
    assert broken["row"].tolist() == [row for row, one in enumerate(values) if one not in allowed]


@given(values=st.lists(st.floats(allow_nan=False), min_size=1))
def test_the_text_of_a_number_does_not_depend_on_its_neighbours(values):
    together = reading.strings(pd.Series(values)).tolist()
    assert together == [reading.strings(pd.Series([value]))[0] for value in values]


def test_counted_parts_are_told_as_the_whole():
    values = [1, 11, 12, 3, None, 13, -1, 5]
    _, broken = contract.check(pd.DataFrame({"x": values}), {"x": NUMBER})
    parts = [contract.count_by_rule(broken[broken["row"] // 3 == part]) for part in range(3)]
    assert sorted(contract.summary(pd.concat(parts))) == sorted(contract.summary(broken))
    assert len(parts[1]) == 2
