import pandas as pd
import pytest
from mlgitops.core.errors import UserError
from mlgitops.data import rows
from mlgitops.data.schema import Column

TEXT, WHOLE = Column(type="category"), Column(type="integer", missing=("?",))


def table(*values):
    return pd.DataFrame({"y": values, "x": range(len(values))})


def test_rows_without_a_value_are_left_out_and_their_words_counted():
    found, notes = rows.drop_missing(table("1", "?", "", "2", None), {"y": WHOLE}, 0.6)
    assert found["x"].tolist() == [0, 3]
    told = "'y' is missing in 3 of 5 rows (60.0%), 1 say '?': these rows are left out"
    assert notes == [told]
    assert rows.drop_missing(found, {"y": WHOLE}, 0.0)[1] == []


def test_a_share_above_the_limit_is_refused():
    with pytest.raises(UserError, match=r"\(50.0%\): more than validate.max_missing .*, 40.0%"):
        rows.drop_missing(table("1", ""), {"y": WHOLE}, 0.4)


def test_a_class_of_one_or_two_rows_is_rare():
    frame = table(*"aaabbc")
    assert rows.treat_rare(frame, "y", TEXT, "")[0] is frame
    assert rows.treat_rare(frame, "y", TEXT, "drop")[0]["y"].tolist() == ["a"] * 3
    merged, notes = rows.treat_rare(frame, "y", TEXT, "other")
    assert merged["y"].tolist() == ["a"] * 3 + ["other"] * 3
    assert notes == ["3 rows of rare classes are now 'other': b, c"]


def test_what_cannot_be_merged_is_refused():
    with pytest.raises(UserError, match="has no classes that are text"):
        rows.treat_rare(table(1, 1, 1, 2), "y", Column(type="integer"), "other")
    with pytest.raises(UserError, match="a class 'other' of its own"):
        rows.treat_rare(table(*["other"] * 3, "b"), "y", TEXT, "other")
