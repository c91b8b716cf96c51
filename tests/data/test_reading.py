"""One table of cases through every way in: what a text means does not depend on how it came."""

import csv
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from mlgitops.data import contract, delimited, reader
from mlgitops.data.schema import Column
from mlgitops.data.source import source_of
from mlgitops.serving import forms, tensors
from mlgitops.serving.columns import Columns
from mlgitops.serving.contract import Signature
from mlgitops.serving.errors import Refusal
from reading_cases import REFUSED, TABLE

NAMES = [f"{one.type}-{one.format or 'plain'}-{len(one.missing)}" for one, _ in TABLE]
EACH = pytest.mark.parametrize(("column", "cases"), TABLE, ids=NAMES)


def write_csv(texts, path, delimiter=","):
    """The texts as the column x, beside numbers with a decimal point."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([("x", "row"), *((text, row + 0.5) for row, text in enumerate(texts))])
    return path


def import_csv(texts, column, folder):
    return reader.read(source_of(str(write_csv(texts, folder / "t.csv"))))[0]


def import_json(texts, column, folder):
    path = folder / "t.json"
    pd.DataFrame({"x": texts}).to_json(path, orient="records")
    return reader.read(source_of(str(path)))[0]


def score_csv(texts, column, folder):
    path = write_csv(texts, folder / "t.csv")
    return pd.concat(reader.chunks(path, 10, {"x": column}), ignore_index=True)


def score_one_by_one(texts, column, folder):
    path = write_csv(texts, folder / "t.csv")
    return pd.concat(reader.chunks(path, 1, {"x": column}), ignore_index=True)


def score_tabs(texts, column, folder):
    path = write_csv(texts, folder / "t.tsv", "\t")
    return pd.concat(reader.chunks(path, 10, {"x": column}, ["x"]), ignore_index=True)


def score_parquet(texts, column, folder):
    path = folder / "t.parquet"
    pd.DataFrame({"x": texts}).to_parquet(path)
    return pd.concat(reader.chunks(path, 10, {"x": column}), ignore_index=True)


def score_objects(texts, column, folder):
    return pd.DataFrame({"x": pd.Series(texts, dtype="object")})


WAYS = [
    import_csv, import_json, score_csv, score_one_by_one, score_tabs, score_parquet, score_objects,
]  # fmt: skip


def test_the_table_has_cases_enough():
    assert sum(len(cases) for _, cases in TABLE) >= 150


@EACH
@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_reads_a_text_as_the_table_says(way, column, cases, tmp_path, capsys):
    texts = list(cases)
    table, broken = contract.check(way(texts, column, tmp_path), {"x": column})
    bad = set(broken["row"])
    found = dict(zip(texts, table["x"].astype("object"), strict=True))
    for row, (text, expected) in enumerate(cases.items()):
        assert (row in bad) == (expected is REFUSED), (text, found[text])
        if expected is REFUSED or expected is None:
            assert pd.isna(found[text]), text
        elif isinstance(expected, str):
            assert found[text] == expected, text
        else:
            assert found[text] == pytest.approx(expected), text
    assert set(broken["rule"]) <= {f"is not of type {column.type}"}


def ask_json(text, columns):
    return {"x": [text], "row": [1]}


def ask_split(text, columns):
    data = {"columns": ["row", "x"], "data": [[1, text]]}
    return forms.from_json({"dataframe_split": data}, columns, 10)[0]


def ask_csv(text, columns):
    file = StringIO()
    csv.writer(file).writerows([("x", "row"), (text, 1)])
    return forms.from_csv(file.getvalue().encode(), columns, 10)[0]


def ask_tensor(text, columns):
    tensor = {"name": "x", "datatype": "BYTES", "shape": [1], "data": [text]}
    found = tensors.values(tensor, columns.inputs["x"], tensors.Binary(b"", 0))
    return {"x": found, "row": [1]}


def ask_binary(text, columns):
    data = len(text.encode()).to_bytes(4, "little") + text.encode()
    sized = {"parameters": {"binary_data_size": len(data)}}
    tensor = {"name": "x", "datatype": "BYTES", "shape": [1], **sized}
    found = tensors.values(tensor, columns.inputs["x"], tensors.Binary(data, 0))
    return {"x": found, "row": [1]}


def columns_of(column):
    """What the server checks requests by: the column, and one that is always there."""
    plain = column.model_dump(mode="json", exclude_none=True)
    signature = {
        "version": 1, "format": "onnx", "task": "regression", "outputs": [],
        "inputs": [{"name": "x", **plain}, {"name": "row", "type": "number"}],
    }  # fmt: skip
    return Columns(Signature.model_validate(signature), lambda *_: None)


@EACH
@pytest.mark.parametrize("ask", [ask_json, ask_split, ask_csv, ask_tensor, ask_binary])
def test_every_request_reads_a_text_as_the_table_says(ask, column, cases):
    columns = columns_of(column)
    for text, expected in cases.items():
        if expected is REFUSED:
            with pytest.raises(Refusal, match="x: is "):
                columns.table(ask(text, columns))
            continue
        found = columns.table(ask(text, columns))["x"][0, 0]
        if isinstance(expected, str):
            assert found == expected
        elif expected is None:
            assert found == "" if column.type == "category" else np.isnan(found), text
        else:
            assert found == pytest.approx(float(expected), rel=1e-6), text


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (Column(type="boolean"), 1, 1),
        (Column(type="boolean"), 0, 0),
        (Column(type="boolean"), 1.0, 1),
        (Column(type="boolean"), True, 1),
        (Column(type="boolean"), 2, REFUSED),
        (Column(type="number"), True, REFUSED),
        (Column(type="integer"), 1.0, 1),
        (Column(type="integer"), 1.5, REFUSED),
        (Column(type="category"), 3, "3"),
        (Column(type="category"), 3.0, "3"),
        (Column(type="category"), 4.5, "4.5"),
        (Column(type="category"), True, "true"),
        (Column(type="category"), [1], REFUSED),
    ],
)
def test_a_value_of_json_is_read_as_one_of_parquet(column, value, expected):
    columns, given = columns_of(column), {"x": [value], "row": [1]}
    _, broken = contract.check(pd.DataFrame({"x": [value]}), {"x": column})
    if expected is REFUSED:
        with pytest.raises(Refusal, match="x: is "):
            columns.table(given)
    else:
        assert columns.table(given)["x"][0, 0] == expected
    if not isinstance(value, list):  # A nested column is left out at import.
        assert broken.empty is (expected is not REFUSED)


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (Column(type="number"), [1, 2], [1, 2]),
        (Column(type="number"), [True, False], [np.nan, np.nan]),
        (Column(type="number"), pd.to_datetime(["2024-01-01"]), [np.nan]),
        (Column(type="boolean"), [1, 0], [True, False]),
        (Column(type="boolean"), [1.0, 0.0], [True, False]),
        (Column(type="boolean"), [2, 0], [pd.NA, False]),
        (Column(type="category"), [3.0, 4.5], ["3", "4.5"]),
        (Column(type="category"), [3, 4], ["3", "4"]),
        (Column(type="category"), [True, False], ["true", "false"]),
        (Column(type="category"), pd.Categorical(["007", "NA"]), ["007", "NA"]),
        (Column(type="number", missing=("NA",)), pd.Categorical(["1", "NA"]), [1, np.nan]),
    ],
)
def test_values_that_have_a_type_are_read_by_the_contract(column, values, expected):
    found = contract.cast(pd.Series(values), column)
    pd.testing.assert_series_equal(
        found.astype("object"), pd.Series(expected, dtype="object"), check_names=False
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x;row\n1,5;1\n-2,25;2\n", [1.5, -2.25]),
        ("x;row\n1.234,5;1\n2,25;2\n", None),
        ("x;row\n€ 1.234,50;1\n2,25;2\n", None),
    ],
)
def test_a_decimal_comma_is_one_in_import_and_score(text, expected, tmp_path, capsys):
    form = None if expected else "money" if "€" in text else "thousands"
    column = Column(type="number", format=form)
    path = tmp_path / "t.csv"
    path.write_text(text, "utf-8")
    for frame in (
        reader.read(source_of(str(path)))[0],
        next(reader.chunks(path, 10, {"x": column})),
        next(reader.chunks(path, 10, {"x": column}, ["x"])),
    ):
        assert contract.cast(frame["x"], column).tolist() == (expected or [1234.5, 2.25])


def test_dates_with_points_are_no_numbers_with_a_decimal_comma():
    texts = pd.Series(["31.12.2024", "0123", "1.5.2", "12,5"])
    assert delimited.with_points(texts).tolist() == ["31.12.2024", "0123", "1.5.2", "12.5"]
