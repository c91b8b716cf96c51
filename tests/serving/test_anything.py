"""Whatever is asked: no answer of 5xx, and none of 2xx that the contract does not allow."""

import json
import math
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

LIMITS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["red", "green", "", "NaN", 0, 3, 3.0, 9.5, 11, [], {}, [1]])
)
GOOD = st.fixed_dictionaries(
    {
        "length in mm": st.none() | st.floats(0, 20),
        "count": st.integers(0, 10),
        "größe": st.none() | st.integers(-(2**53), 2**53),
        "wild": st.booleans(),
        "colour": st.sampled_from([None, "red", "green"]),
        "code": st.text(min_size=1, max_size=5),
    }
)
CORRECTED = st.tuples(
    GOOD, st.dictionaries(st.sampled_from([*"ab", "count", "wild", "code"]), VALUES)
)
RECORDS = st.lists(GOOD | CORRECTED.map(lambda pair: pair[0] | pair[1]), max_size=4)
ANYTHING = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
)
FORMS = st.sampled_from(["dataframe_split", "dataframe_records", "inputs", "instances", "params"])


def absent(value):
    return value is None or (isinstance(value, float) and math.isnan(value))


def number(value, low=-3.4e38, high=3.4e38):
    return type(value) in (int, float) and low <= value <= high


def as_number(value):
    """A text that is a number as the number, an empty one as none."""
    if type(value) is not str:
        return value
    if not value.strip():
        return None
    plain = re.fullmatch(r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?", value.strip())
    return float(value) if plain else value


def as_truth(value):
    """A word for yes or no, 0 and 1 as true or false."""
    if isinstance(value, str | int | float):
        word = str(value).strip().lower()
        if word in ("true", "t", "yes", "y", "1", "1.0"):
            return True
        if word in ("false", "f", "no", "n", "0", "0.0", "-0.0"):
            return False if word != "-0.0" or type(value) is float else value
    return value


def as_text(value):
    """What a category is as text; a blank one is none."""
    if type(value) is str:
        return value if value.strip() else None
    if type(value) is bool:
        return str(value).lower()
    return str(value).removesuffix(".0") if type(value) in (int, float) else value


READ = {
    "length in mm": as_number, "count": as_number, "größe": as_number, "wild": as_truth,
    "colour": as_text, "code": as_text,
}  # fmt: skip


def as_read(one):
    """The record with its values as the contract reads them."""
    return {
        name: value if absent(value) else READ.get(name, as_text)(value)
        for name, value in one.items()
    }


def is_allowed(one):
    """The contract, said once more and differently."""
    return set(one) == {"length in mm", "count", "größe", "wild", "colour", "code"} and (
        (absent(one["length in mm"]) or number(one["length in mm"], 0, 20))
        and (number(one["count"], 0, 10) and one["count"] % 1 == 0)
        and (
            absent(one["größe"])
            or (number(one["größe"], 1 - 2**53, 2**53 - 1) and one["größe"] % 1 == 0)
        )
        and type(one["wild"]) is bool
        and (absent(one["colour"]) or one["colour"] in ("red", "green"))
        and type(one["code"]) is str
    )


@LIMITS
@given(RECORDS)
def test_records_are_answered_exactly_when_the_contract_allows_them(binary, score_of, records):
    status, _, answer = binary.ask("/invocations", {"dataframe_records": records})
    names = set().union(*records)
    whole = [as_read(dict.fromkeys(names) | one) for one in records]
    if records and all(map(is_allowed, whole)):
        assert status == 200, (answer, records)
        assert answer["predictions"] == score_of(binary.folder, whole).values.tolist()
    else:
        assert status == 400, (answer, records)


def rows(body):
    """The records of a body of MLflow's protocol; None where it is of no form at all."""
    forms = set(body) & {"dataframe_split", "dataframe_records", "inputs", "instances"}
    if len(forms) != 1 or type(body.get("params", {})) not in (dict, type(None)):
        return None
    (form,) = forms
    data = body[form]
    if form == "dataframe_split":
        names = data["columns"]
        if set(data) - {"index"} != {"columns", "data"} or len(set(names)) != len(names):
            return None
        return [dict(zip(names, values, strict=True)) for values in data["data"]]
    if type(data) is dict and form in ("inputs", "instances"):
        if not any(type(values) is list for values in data.values()):
            return [data]
        columns = zip(*data.values(), strict=True)
        return [dict(zip(data, values, strict=True)) for values in columns]
    names = set().union(*data)
    return [dict.fromkeys(names) | dict(one) for one in data]


def right_answer(body):
    """The records that must be answered; None where the body must be refused."""
    try:
        found = [as_read(one) for one in rows(body)]
        params = body.get("params") or {}
        asked = params.get("output", "label") in ("label", "probabilities", "both", None)
        return (
            found if found and len(found) <= 50 and asked and all(map(is_allowed, found)) else None
        )
    except (TypeError, ValueError, AttributeError, KeyError):
        return None


def rewrite(form, records):
    """Records in another form."""
    names = list(records[0])
    if form == "dataframe_split":
        return {"columns": names, "data": [[one[name] for name in names] for one in records]}
    if form == "inputs":
        return {name: [one[name] for one in records] for name in names}
    return records


GOOD_FORMS = st.builds(
    lambda form, records, more: {form: rewrite(form, records)} | more,
    st.sampled_from(["dataframe_split", "dataframe_records", "inputs", "instances"]),
    st.lists(GOOD, min_size=1, max_size=3),
    st.just({}) | st.dictionaries(FORMS | st.text(max_size=3), ANYTHING, max_size=1),
)


@LIMITS
@given(GOOD_FORMS | st.dictionaries(FORMS, ANYTHING) | ANYTHING)
def test_any_json_is_answered_exactly_when_the_contract_allows_it(binary, score_of, body):
    status, _, answer = binary.ask("/invocations", json.dumps(body).encode())
    records = right_answer(body) if type(body) is dict else None
    if records is None:
        assert 400 <= status < 500, answer
        return
    assert status == 200, answer
    labels = [one["label"] if type(one) is dict else one for one in answer["predictions"]]
    if type(labels[0]) is str:
        assert labels == score_of(binary.folder, records).values.tolist()


@LIMITS
@given(st.binary(max_size=60), st.sampled_from(["application/json", "text/csv", "", "text/csv; a"]))
def test_any_bytes_are_refused(binary, body, kind):
    for path in ("/invocations", "/v2/models/model/infer"):
        assert 400 <= binary.ask(path, body, kind=kind)[0] < 500


TYPES = {
    "length in mm": st.sampled_from(["FP16", "FP32", "FP64", "INT64", "UINT8"]),
    "count": st.sampled_from(["FP32", "FP64", "INT64", "INT8", "UINT8", "UINT64"]),
    "größe": st.sampled_from(["FP64", "INT64", "INT8", "INT32", "UINT8", "UINT64"]),
    "wild": st.just("BOOL"),
    "colour": st.just("BYTES"),
    "code": st.just("BYTES"),
}
NUMBERS = st.none() | st.integers(-300, 300) | st.floats(0, 20) | st.booleans() | st.text()
TENSOR = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["count", "code", "x"]) | VALUES,
        "shape": st.lists(st.integers(-1, 2), max_size=3) | VALUES,
        "datatype": st.sampled_from(["INT64", "BYTES", "BOOL", "FP32"]) | VALUES,
        "data": st.lists(VALUES, max_size=3) | VALUES,
        "parameters": st.dictionaries(st.sampled_from(["binary_data_size"]), VALUES) | VALUES,
    }
)
CHANGES = st.dictionaries(st.sampled_from(["count", "größe", "length in mm", "wild"]), NUMBERS)


HELD = {
    "INT8": range(-128, 128),
    "UINT8": range(256),
    "INT32": range(-(2**31), 2**31),
    "INT64": range(-(2**63), 2**63),
    "UINT64": range(2**64),
}


def fits(datatype, value):
    """Whether a tensor of this datatype can hold a value."""
    return datatype not in HELD or (type(value) is int and value in HELD[datatype])


@LIMITS
@given(st.lists(st.builds(dict.__or__, GOOD, CHANGES), min_size=1, max_size=3),
       st.fixed_dictionaries(TYPES), st.booleans())  # fmt: skip
def test_tensors_are_answered_exactly_when_the_contract_allows_them(
    binary, score_of, records, types, nested
):
    inputs = [
        {
            "name": name,
            "datatype": datatype,
            "shape": [len(records), 1] if nested else [len(records)],
            "data": [[one[name]] if nested else one[name] for one in records],
        }
        for name, datatype in types.items()
    ]
    status, _, answer = binary.ask("/v2/models/model/infer", {"inputs": inputs})
    held = all(fits(types[name], one[name]) for one in records for name in types)
    if held and all(map(is_allowed, records)):
        assert status == 200, (answer, inputs)
        assert answer["outputs"][0]["data"] == score_of(binary.folder, records).values.tolist()
    else:
        assert status == 400, (answer, inputs)


@LIMITS
@given(st.lists(TENSOR, max_size=3), ANYTHING, st.none() | st.integers(-1, 400))
def test_tensors_of_other_columns_are_refused(binary, inputs, outputs, length):
    """None of them names all columns."""
    body = {"inputs": inputs, "outputs": outputs, "parameters": outputs}
    told = {} if length is None else {"Inference-Header-Content-Length": str(length)}
    assert 400 <= binary.ask("/v2/models/model/infer", body, headers=told)[0] < 500


@LIMITS
@given(st.dictionaries(FORMS, ANYTHING) | ANYTHING)
def test_json_that_is_no_tensors_is_refused(binary, body):
    assert 400 <= binary.ask("/v2/models/model/infer", json.dumps(body).encode())[0] < 500
