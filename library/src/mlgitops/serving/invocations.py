"""MLflow's scoring protocol: what `mlflow models serve` takes and answers at /invocations."""

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import numpy as np
import orjson

from mlgitops.serving.columns import Given
from mlgitops.serving.contract import Answer, Input, Signature
from mlgitops.serving.documents import parsed
from mlgitops.serving.errors import Refusal

FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
OUTPUTS = ("label", "probabilities", "both")
# What pandas.read_csv takes for a missing value.
ABSENT = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"}
    | {"<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
)
UTF8 = ("", "charset=utf-8", "charset=utf8")
TRUTHS = {"true": True, "false": False}
CODES = {413: "REQUEST_LIMIT_EXCEEDED", 503: "TEMPORARILY_UNAVAILABLE", 500: "INTERNAL_ERROR"}


class Question(NamedTuple):
    """The columns of a request, and which of OUTPUTS is asked for."""

    given: Given
    rows: int
    output: str


def question(body: bytes, media: str, query: bytes, signature: Signature, most: int) -> Question:
    """The question of a request, by its Content-Type; a Refusal says what is wrong with its form.

    What is asked for stands in `params` of the JSON, or in the query of the address. Of a CSV, one
    row more than `most` is read, no more.
    """
    kind, _, rest = media.lower().partition(";")
    if rest and rest.strip().replace('"', "") not in UTF8:
        raise Refusal("media_type", f"only UTF-8 is read, not {media[:80]!r}", 415)
    asked = parse_qs(query.decode("latin-1")).get("output", [None])[-1] if query else None
    match kind.strip():
        case "application/json":
            given, rows, params = from_json(body)
            asked = params.get("output", asked)
        case "text/csv":
            given, rows = from_csv(body, {one.name: one for one in signature.inputs}, most)
        case _:
            raise Refusal(
                "media_type", f"the body must be application/json or text/csv, not {media[:80]!r}",
                415,
            )  # fmt: skip
    return Question(given, rows, chosen(asked, signature))


def chosen(asked: Any, signature: Signature) -> str:
    """Which output is meant: the label, or the value of a regression, unless said otherwise."""
    allowed = ("value",) if signature.labels is None else OUTPUTS
    if asked is None:
        return allowed[0]
    if asked not in allowed:
        raise Refusal("bad_form", f"output must be {' or '.join(allowed)}, not {asked!r:.40}")
    return str(asked)


def from_json(body: bytes) -> tuple[Given, int, dict[str, Any]]:
    """Columns, rows and params of any of FORMS. Other keys and params are ignored, as by MLflow."""
    found = parsed(body)
    forms = [key for key in FORMS if key in found]
    if len(forms) != 1:
        raise Refusal("bad_form", f"the body must have exactly one of the keys {', '.join(FORMS)}")
    params = found.get("params")
    if params is not None and type(params) is not dict:
        raise Refusal("bad_form", "params must be an object")
    data = found[forms[0]]
    if forms[0] == "dataframe_split":
        given, rows = from_split(data)
    elif forms[0] == "dataframe_records" or type(data) is list:
        given, rows = from_records(data, forms[0])
    else:
        given, rows = from_columns(data, forms[0])
    return given, rows, params or {}


def from_split(data: Any) -> tuple[Given, int]:
    """{"columns": [...], "data": [[...], ...]}, perhaps with an index."""
    if type(data) is not dict or "data" not in data or data.keys() - {"columns", "data", "index"}:
        raise Refusal("bad_form", "dataframe_split must be an object of columns, data and index")
    names, rows = data.get("columns"), data["data"]
    if type(names) is not list or not {str}.issuperset(map(type, names)):
        raise Refusal("bad_form", "dataframe_split.columns must be a list of names")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal("bad_form", f"{twice[:40]}: named twice in dataframe_split.columns")
    if type(rows) is not list:
        raise Refusal("bad_form", "dataframe_split.data must be a list of rows")
    width = len(names)
    for k, row in enumerate(rows):
        if type(row) is not list or len(row) != width:
            raise Refusal("bad_form", f"row {k + 1} of dataframe_split.data has not {width} values")
    index = data.get("index")
    if index is not None and (type(index) is not list or len(index) != len(rows)):
        raise Refusal("bad_form", "dataframe_split.index must have one entry a row")
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * width
    return dict(zip(names, columns, strict=True)), len(rows)


def from_records(data: Any, form: str) -> tuple[Given, int]:
    """[{"column": value, ...}, ...]; a value that one record lacks and another has is missing."""
    if type(data) is not list:
        raise Refusal("bad_form", f"{form} must be a list of records")
    for k, record in enumerate(data):
        if type(record) is not dict:
            what = f"row {k + 1} of {form} is not an object of columns: they go by their names"
            raise Refusal("bad_form", what)
    names = (
        data[0].keys() if len(data) == 1 else dict.fromkeys(name for one in data for name in one)
    )
    return {name: [record.get(name) for record in data] for name in names}, len(data)


def from_columns(data: Any, form: str) -> tuple[Given, int]:
    """{"column": [value, ...], ...}, or one row of {"column": value, ...}."""
    if type(data) is not dict:
        raise Refusal("bad_form", f"{form} must be an object of columns, or a list of records")
    lists = [type(values) is list for values in data.values()]
    if not any(lists):
        return {name: [value] for name, value in data.items()}, min(len(data), 1)
    if not all(lists):
        raise Refusal("bad_form", f"{form} mixes lists and single values")
    rows = len(next(iter(data.values())))
    for name, values in data.items():
        if len(values) != rows:
            raise Refusal("bad_form", f"{name[:40]}: has {len(values)} values, others {rows}")
    return data, rows


def from_csv(body: bytes, columns: Mapping[str, Input], most: int) -> tuple[Given, int]:
    """A header and a line a row, as pandas.DataFrame.to_csv writes them, with or without index.

    Reading ends at one row more than `most`.
    """
    try:
        lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        names, *rows = list(islice(filter(None, lines), most + 2)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal("not_csv", f"the body is not CSV in UTF-8: {error}") from None
    if len(set(names)) != len(names):
        raise Refusal("bad_form", "the header of the CSV names a column twice")
    for k, row in enumerate(rows):
        if len(row) != len(names):
            raise Refusal("bad_form", f"row {k + 1} of the CSV has not {len(names)} values")
    cells: list[Sequence[str]] = list(zip(*rows, strict=True)) or [()] * len(names)
    given = dict(zip(names, cells, strict=True))
    if "" in given and "" not in columns:
        del given[""]  # The index.
    return {name: read(columns.get(name), values) for name, values in given.items()}, len(rows)


def read(column: Input | None, values: Sequence[str]) -> Sequence[Any]:
    """The values of a CSV's column; those that are not of its type stay text, to be refused."""
    if column is None:
        return values
    if column.type == "category":
        absent = ABSENT.difference(column.categories or ())
        return [None if value in absent else value for value in values]
    if column.type == "boolean":
        return [None if one in ABSENT else TRUTHS.get(one.lower(), one) for one in values]
    return [None if one in ABSENT else number(one) for one in values]


def number(text: str) -> float | str:
    """A number, or the text that is none."""
    try:
        return text if "_" in text else float(text)
    except ValueError:
        return text


def answer(found: Answer, output: str, signature: Signature) -> bytes:
    """{"predictions": [...]}: a list of labels or values, of probabilities, or of both."""
    predictions: Any = found.values
    if predictions.dtype == object:
        predictions = predictions.tolist()
    if output == "probabilities":
        predictions = likelihoods(found)
    elif output == "both":
        names = [str(label) for label in signature.labels or ()]
        rows = zip(found.values.tolist(), likelihoods(found), strict=True)
        predictions = [
            {"label": label, "probabilities": dict(zip(names, row, strict=True))}
            for label, row in rows
        ]
    return orjson.dumps({"predictions": predictions}, option=orjson.OPT_SERIALIZE_NUMPY)


def likelihoods(found: Answer) -> np.ndarray:
    """The probabilities; a Refusal if the model has none."""
    if found.probabilities is None:
        raise Refusal("bad_form", "this model gives no probabilities")
    return np.ascontiguousarray(found.probabilities)


def problem(refusal: Refusal) -> bytes:
    """An error in MLflow's form."""
    code = CODES.get(refusal.status, "BAD_REQUEST")
    return orjson.dumps({"error_code": code, "message": refusal.message})
