import json
from pathlib import Path

import pandas as pd
import pytest
from mlgitops.core.errors import UserError
from mlgitops.data.validate import validate

RAW, DATA = Path("data/raw.parquet"), Path("artifacts/data.json")


def run_validate(frame):
    frame.to_parquet(RAW)
    validate(RAW, DATA)


def test_a_good_table_passes_and_is_profiled(project, frame, capsys):
    run_validate(frame)
    found = json.loads(DATA.read_text("utf-8"))
    assert found["rows"] == 40
    assert found["duplicates"] == 0
    assert found["columns"]["length"]["missing"] == 0.1
    assert found["columns"]["colour"]["shares"] == {"red": 0.35, "blue": 0.325, "green": 0.325}
    assert "40 rows pass every rule" in capsys.readouterr().out


BREAKS = {
    "column": (lambda t: t.drop(columns="wild"), "wild: is missing from the table"),
    "type": (
        lambda t: t.assign(count=["many", *t["count"].astype("str")[1:]]),
        "count: is not of type integer: 1 row, first row 1 (many)",
    ),
    "missing": (
        lambda t: t.assign(count=t["count"].where(t["count"] != 9)),
        "count: has missing values: 4 rows, first row 4",
    ),
    "range": (
        lambda t: t.assign(length=t["length"].replace(9.75, 99.5)),
        "length: is outside 0 to 20: 1 row, first row 18 (99.5)",
    ),
    "category": (
        lambda t: t.assign(colour=t["colour"].replace("red", "pink")),
        "colour: is not one of blue, green, red: 14 rows, first row 1 (pink)",
    ),
    "rows": (lambda t: t.head(19), "19 rows: fewer than validate.min_rows, 20"),
    "no rows": (lambda t: t.head(0), "0 rows: fewer than validate.min_rows, 20"),
    "duplicates": (
        lambda t: pd.concat([t] * 3),
        "66.7% of the rows repeat another row: more than validate.max_duplicates, 50.0%",
    ),
    "one-valued target": (
        lambda t: t.assign(kind="a"),
        "kind: the target has one value only, nothing to learn",
    ),
    "class of one row": (
        lambda t: t.assign(kind=["a"] * 39 + ["b"]),
        "kind: class b has one row only",
    ),
}


@pytest.mark.parametrize("rule", BREAKS)
def test_each_rule_refuses(rule, project, frame):
    change, told = BREAKS[rule]
    with pytest.raises(UserError) as mistake:
        run_validate(change(frame))
    assert f"\n  {told}" in str(mistake.value)
    assert not DATA.exists()


def test_all_broken_rules_are_named_at_once(project, frame):
    frame = frame.assign(colour="pink", count=99).drop(columns="wild")
    with pytest.raises(UserError) as mistake:
        run_validate(frame)
    assert str(mistake.value).startswith("data/raw.parquet violates 3 rules of")


def test_half_of_the_rows_may_repeat(project, frame):
    run_validate(pd.concat([frame] * 2))
    assert json.loads(DATA.read_text("utf-8"))["duplicates"] == 0.5
