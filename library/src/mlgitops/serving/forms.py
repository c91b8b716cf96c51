"""The forms in which a table comes by MLflow's scoring protocol: four of JSON, and CSV.

Rows and names are counted, and unknown names refused, before anything is built of them.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from mlgitops.serving.columns import Columns, Given
from mlgitops.serving.errors import Refusal
from mlgitops.serving.protocols import check_rows

FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
SPLIT = "dataframe_split must be an object of columns, data and index"


def from_json(found: dict[str, Any], columns: Columns, most: int) -> tuple[Given, int]:
    """Columns and rows of any of FORMS. Other keys are ignored, as by MLflow."""
    forms = [key for key in FORMS if key in found]
    if len(forms) != 1:
        raise Refusal("bad_form", f"the body must have exactly one of the keys {', '.join(FORMS)}")
    form, data = forms[0], found[forms[0]]
    if form == "dataframe_split":
        return from_split(data, columns, most)
    if form == "dataframe_records" or type(data) is list:
        return from_records(data, form, columns, most)
    return from_columns(data, form, columns, most)


def from_split(data: Any, columns: Columns, most: int) -> tuple[Given, int]:
    """{"columns": [...], "data": [[...], ...]}, perhaps with an index."""
    if type(data) is not dict or "data" not in data or data.keys() - {"columns", "data", "index"}:
        raise Refusal("bad_form", SPLIT)
    names, rows, index = data.get("columns"), data["data"], data.get("index")
    if type(names) is not list or not {str}.issuperset(map(type, names)):
        raise Refusal("bad_form", "dataframe_split.columns must be a list of names")
    if (twice := repetition(names)) is not None:
        raise Refusal("bad_form", f"{twice[:40]}: named twice in dataframe_split.columns")
    if type(rows) is not list:
        raise Refusal("bad_form", "dataframe_split.data must be a list of rows")
    width = len(names)
    for k, row in enumerate(rows):
        if type(row) is not list or len(row) != width:
            raise Refusal("bad_form", f"row {k + 1} of dataframe_split.data has not {width} values")
    if index is not None and (type(index) is not list or len(index) != len(rows)):
        raise Refusal("bad_form", "dataframe_split.index must have one entry per row")
    check_rows(len(rows), most)
    columns.check_known(names)
    return dict(zip(names, zip(*rows, strict=True), strict=True)), len(rows)


def repetition(names: list[str]) -> str | None:
    """A name that stands twice, or more often; None if none does."""
    if len(set(names)) == len(names):
        return None
    return Counter(names).most_common(1)[0][0]


def from_records(data: Any, form: str, columns: Columns, most: int) -> tuple[Given, int]:
    """[{"column": value, ...}, ...]; a value that one record lacks and another has is missing."""
    if type(data) is not list:
        raise Refusal("bad_form", f"{form} must be a list of records")
    for k, record in enumerate(data):
        if type(record) is not dict:
            what = f"row {k + 1} of {form} is not an object of columns: they go by their names"
            raise Refusal("bad_form", what)
    check_rows(len(data), most)
    if len(data) == 1:
        columns.check_known(data[0])
        return {name: [value] for name, value in data[0].items()}, 1
    names = set().union(*data)
    if not names <= columns.known:
        columns.check_known(dict.fromkeys(name for record in data for name in record))
    given = {name: [record.get(name) for record in data] for name in names & columns.names}
    return given, len(data)


def from_columns(data: Any, form: str, columns: Columns, most: int) -> tuple[Given, int]:
    """{"column": [value, ...], ...}, or one row of {"column": value, ...}."""
    if type(data) is not dict:
        raise Refusal("bad_form", f"{form} must be an object of columns, or a list of records")
    lists = [type(values) is list for values in data.values()]
    if not any(lists):
        check_rows(min(len(data), 1), most)
        columns.check_known(data)
        return {name: [value] for name, value in data.items()}, 1
    if not all(lists):
        raise Refusal("bad_form", f"{form} mixes lists and single values")
    rows = len(next(iter(data.values())))
    for name, values in data.items():
        if len(values) != rows:
            raise Refusal("bad_form", f"{name[:40]}: has {len(values)} values, others {rows}")
    check_rows(rows, most)
    columns.check_known(data)
    return data, rows


def from_csv(body: bytes, columns: Columns, most: int) -> tuple[Given, int]:
    """A header and a line a row, as pandas.DataFrame.to_csv writes them, with or without index.

    Reading ends at one row more than `most`.
    """
    try:
        lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        filled = filter(None, lines)
        names = next(filled, [])
        if repetition(names) is not None:
            raise Refusal("bad_form", "the header of the CSV names a column twice")
        columns.check_known([name for name in names if name])
        rows = list(same_width(filled, len(names), most))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal("not_csv", f"the body is not CSV in UTF-8: {error}") from None
    check_rows(len(rows), most)
    given = dict(zip(names, zip(*rows, strict=True), strict=True))
    if "" not in columns.names:
        given.pop("", None)  # The index.
    return given, len(rows)


def same_width(lines: Iterator[list[str]], width: int, most: int) -> Iterator[list[str]]:
    """The lines, at most one more than `most`; a Refusal of the first of another width."""
    for k, row in enumerate(islice(lines, most + 1)):
        if len(row) != width:
            raise Refusal("bad_form", f"row {k + 1} of the CSV has not {width} values")
        yield row
