import pandas as pd
from mlgitops.data.describe import describe_columns, role
from mlgitops.data.schema import Schema


def test_each_column_is_described_with_its_role_and_values(frame: pd.DataFrame, rules: Schema):
    left = rules.model_copy(update={"left_out": {"note": "free text"}})
    lines = describe_columns(frame.assign(note="a b"), left).splitlines()
    by_name = {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line}
    assert by_name["length"] == "number feature 10.0% 0 to 9.75"
    assert by_name["wild"] == "boolean feature 0.0% 2: False, True"
    assert by_name["kind"] == "category target 0.0% 2: a, b"
    assert by_name["note"] == "(left out) 0.0% free text"


def test_a_slice_is_also_a_feature(rules: Schema):
    assert role("colour", rules) == "feature, slice"
    assert role("unknown", rules) == ""


def test_a_column_without_values_is_described(frame: pd.DataFrame, rules: Schema):
    assert "100.0%" in describe_columns(frame.assign(length=float("nan")), rules)
