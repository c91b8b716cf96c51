"""One table of cases through every way in: what a text means does not depend on how it came."""

import csv

import numpy as np
import pandas as pd
import pytest
from mlgitops.data import contract, delimited, reader
from mlgitops.data.schema import Column
from mlgitops.data.source import source_of
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
