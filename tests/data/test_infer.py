import decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlgitops.core.errors import UserError
from mlgitops.data import contract, infer
from mlgitops.data.schema import Column

ROWS = np.arange(60)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], "integer"),
        ([1.0, np.nan], "integer"),
        ([1.5, 2], "number"),
        ([1, np.inf], "number"),
        ([2.0**60, 1], "number"),
        ([decimal.Decimal("1.50"), None], "number"),
        ([True, False], "boolean"),
        ([True, False, None], "boolean"),
        (["true", "False"], "boolean"),
        (["Yes", "no", None], "boolean"),
        ([0, 1], "integer"),
        (["yes", "no", "maybe"], "category"),
        (["2024-01-01", "2024-02-29"], "time"),
        (["31.12.2023", "01.01.2024"], "time"),
        (["2024-01-01T10:00:00Z", None], "time"),
        (["2024-01-01", "later"], "category"),
        (["2024-13-45", "2024-13-46"], "category"),
        ([["a"], ["b"]], None),
        ([{"a": 1}], None),
    ],
)
def test_the_type_is_what_the_values_show(values, expected):
    assert infer.kind(pd.Series(values)) == expected


def test_pandas_own_types_are_known():
    assert infer.kind(pd.Series([1, None], dtype="Int64")) == "integer"
    assert infer.kind(pd.Series([True, None], dtype="boolean")) == "boolean"
    assert infer.kind(pd.Series(["a", "b"], dtype="category")) == "category"
    assert infer.kind(pd.to_datetime(pd.Series(["2024-01-01"]))) == "time"


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("x", [None] * 60, "every value is missing"),
        ("x", [np.nan] * 60, "every value is missing"),
        ("x", ["same"] * 60, "constant: every value is same"),
        ("x", [3.0, None] * 30, "constant: every value is 3"),
        ("x", [[1, 2]] * 60, "holds lists or other nested values"),
        ("x", pd.date_range("2024-01-01", periods=60), "a time: name it as TIME"),
        ("row", ROWS + 1000, "an identifier: it numbers the rows"),
        ("customer_id", ROWS * 7919 % 10007, "an identifier: it numbers the rows"),
        ("x", [f"c{row:04}" for row in ROWS], "an identifier: nearly every row has another"),
        ("x", [f"what was said in case {row}" for row in ROWS], "free text"),
    ],
)
def test_a_column_that_teaches_nothing_is_left_out_with_its_reason(name, values, told):
    frame = pd.DataFrame({"y": ROWS % 2, "x": ROWS % 7, name: values, "z": ROWS % 5})
    found = infer.infer(frame, "y", None, None)
    assert found.left_out[name].startswith(told)
    assert name not in found.columns


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("grid", ROWS * 7919 % 10007),
        ("paid", ROWS * 1.5),
        ("town", [f"t{row % 25}" for row in ROWS]),
        ("customer_id", ROWS % 20),
    ],
)
def test_a_column_that_repeats_or_measures_is_a_feature(name, values):
    frame = pd.DataFrame({"y": ROWS % 2, name: values})
    assert list(infer.infer(frame, "y", None, None).features) == [name]


def test_a_category_with_many_values_is_open():
    frame = pd.DataFrame({"y": np.arange(200) % 2, "x": [f"t{row % 51}" for row in range(200)]})
    assert infer.infer(frame, "y", None, None).columns["x"].categories is None
    frame["x"] = [f"t{row % 50}" for row in range(200)]
    assert len(infer.infer(frame, "y", None, None).columns["x"].categories) == 50


@pytest.mark.parametrize(
    ("target", "wanted", "task", "kind"),
    [
        (ROWS % 2, None, "binary", "integer"),
        (ROWS % 3, None, "multiclass", "integer"),
        (ROWS % 2 == 0, None, "binary", "category"),
        (np.where(ROWS % 2, "yes", "no"), None, "binary", "category"),
        (np.array(["a", "b", "c"])[ROWS % 3], None, "multiclass", "category"),
        (np.array([0.5, 1.5])[ROWS % 2], "binary", "binary", "category"),
        (ROWS / 7, None, "regression", "number"),
        (ROWS % 30, None, "regression", "integer"),
        (ROWS % 30, "multiclass", "multiclass", "integer"),
        (ROWS % 3, "regression", "regression", "integer"),
    ],
)
def test_the_task_follows_from_the_target(target, wanted, task, kind):
    found = infer.infer(pd.DataFrame({"x": ROWS % 7, "y": target}), "y", None, wanted)
    assert (found.task, found.columns["y"].type) == (task, kind)


@pytest.mark.parametrize(
    ("target", "wanted", "told"),
    [
        ([1] * 60, None, "'y' is constant"),
        ([None] * 60, None, "'y' is missing in 60 rows"),
        ([None, *[1, 2] * 29, 1], None, "'y' is missing in 1 row"),
        ([np.inf, *np.arange(59) / 7], None, "'y' is infinite in 1 row"),
        (["a"] * 30 + ["b"] * 29 + ["c"], None, "the class 'c' has one row only"),
        ([["a"], ["b"]] * 30, None, "'y' holds lists"),
        (pd.date_range("2024", periods=60), None, "'y' is a time"),
        (np.where(ROWS % 2, "yes", "no"), "regression", "holds no numbers"),
        (ROWS % 3, "binary", "'y' has 3 values: it is not binary"),
        (ROWS % 2, "multiclass", "'y' has 2 values: it is not multiclass"),
        (ROWS / 7, "multiclass", "the class '0.0', .* have one row only each"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(target, wanted, told):
    with pytest.raises(UserError, match=told):
        infer.infer(pd.DataFrame({"x": ROWS % 7, "y": target}), "y", None, wanted)


@pytest.mark.parametrize(
    ("target", "time", "told"),
    [
        ("z", None, "there is no column 'z'; there are x, y, t, w"),
        ("y", "z", "there is no column 'z'"),
        ("y", "y", "'y' cannot be both"),
        ("y", "w", "'w' holds neither dates nor numbers"),
        ("y", "t", "the time 't' is missing in 1 row"),
    ],
)
def test_a_role_that_no_column_can_have_is_refused(target, time, told):
    days = [None, *pd.date_range("2024", periods=59)]
    frame = pd.DataFrame(
        {"x": ROWS % 7, "y": ROWS % 2, "t": days, "w": [f"w{r % 9}" for r in ROWS]}
    )
    with pytest.raises(UserError, match=told):
        infer.infer(frame, target, time, None)


def test_no_feature_left_names_the_reason_of_each_column():
    frame = pd.DataFrame({"y": ROWS % 2, "a": 1, "b": ROWS})
    with pytest.raises(
        UserError, match=r"predict 'y' from \(a: constant: .*, b: an identifier: .*\)"
    ):
        infer.infer(frame, "y", None, None)
    with pytest.raises(UserError, match="there is none"):
        infer.infer(frame[["y"]], "y", None, None)


def test_the_smallest_groups_are_sliced_first():
    frame = pd.DataFrame({"y": ROWS % 2})
    for count in (13, 12, 4, 2, 3):
        frame[f"c{count}"] = [f"v{row % count}" for row in ROWS]
    assert infer.infer(frame, "y", None, None).slices == ("c2", "c3", "c4")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 10], (0, 20)),
        ([100, 110], (90, 120)),
        ([-10, 0], (-20, 0)),
        ([5, 5], (2, 8)),
        ([1, np.inf], (0, 2)),
        ([0.0, 0.001], (0, 0.002)),
    ],
)
def test_ranges_are_wider_than_what_was_seen(values, expected):
    low, high = infer.widen_range(pd.Series(values, dtype="float64"))
    assert low == pytest.approx(expected[0])
    assert high == pytest.approx(expected[1])


@given(st.lists(st.floats(allow_nan=False, width=64), min_size=1))
def test_every_finite_value_seen_is_in_the_range(values):
    column = infer.limits(pd.Series(values), Column(type="number"))
    _, broken = contract.check(pd.DataFrame({"x": values}), {"x": column})
    assert set(broken["rule"]) <= {"is not of type number"}
    assert all(abs(float(value)) > 3.4e38 for value in broken["value"])


TEXT = st.sampled_from(
    ["a", "b", "yes", "no", "1", "2.5", "", " ", "NA", "true", "2024-01-01", "ß"]
)


@given(st.lists(TEXT | st.none() | st.booleans(), min_size=1))
def test_a_table_keeps_the_contract_inferred_from_it(values):
    frame = pd.DataFrame({"x": pd.Series(values, dtype="object")})
    columns, left_out = infer.features_of(frame)
    assert set(columns) | set(left_out) == {"x"}
    _, broken = contract.check(frame, columns)
    assert broken.empty


def test_left_out_and_columns_together_are_the_table():
    frame = pd.DataFrame({"y": ROWS % 2, "a": 1, "größe (cm)": ROWS % 7, "t": ROWS % 5})
    found = infer.infer(frame, "y", "t", None)
    assert {*found.columns, *found.left_out} == set(frame)
    assert found.columns["t"] == Column(type="integer")
