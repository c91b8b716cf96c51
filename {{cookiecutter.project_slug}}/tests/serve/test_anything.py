"""Whatever is asked: no answer of 5xx, and none of 2xx that the contract does not allow."""

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

LIMITS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
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
MENDED = st.tuples(GOOD, st.dictionaries(st.sampled_from([*"ab", "count", "wild", "code"]), VALUES))
RECORDS = st.lists(GOOD | MENDED.map(lambda pair: pair[0] | pair[1]), max_size=4)
ANYTHING = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
)
FORMS = st.sampled_from(["dataframe_split", "dataframe_records", "inputs", "instances", "params"])


def absent(value):
    return value is None or (isinstance(value, float) and math.isnan(value))


def number(value, low=-3.4e38, high=3.4e38):
    return type(value) in (int, float) and low <= value <= high


def allowed(one):
    """The contract, said once more and differently."""
    return set(one) == {"length in mm", "count", "größe", "wild", "colour", "code"} and (
        (absent(one["length in mm"]) or number(one["length in mm"], 0, 20))
        and (number(one["count"], 0, 10) and one["count"] % 1 == 0)
        and (
            absent(one["größe"])
            or (number(one["größe"], 1 - 2**53, 2**53 - 1) and one["größe"] % 1 == 0)
        )
        and type(one["wild"]) is bool
        and (absent(one["colour"]) or one["colour"] in ("", "red", "green"))
        and type(one["code"]) is str
        and one["code"] != ""
    )


@LIMITS
@given(RECORDS)
def test_records_are_answered_exactly_when_the_contract_allows_them(binary, expected, records):
    status, _, answer = binary.ask("/invocations", {"dataframe_records": records})
    names = set().union(*records)
    whole = [dict.fromkeys(names) | one for one in records]
    if records and all(map(allowed, whole)):
        assert status == 200, (answer, records)
        assert answer["predictions"] == expected(binary.folder, whole).values.tolist()
    else:
        assert status == 400, (answer, records)


@LIMITS
@given(st.dictionaries(FORMS, ANYTHING) | ANYTHING)
def test_any_json_is_answered_or_refused(binary, body):
    text = json.dumps(body).encode()
    for path in ("/invocations", "/v2/models/model/infer"):
        assert 400 <= binary.ask(path, text)[0] < 500


@LIMITS
@given(st.binary(max_size=60), st.sampled_from(["application/json", "text/csv", "", "text/csv; a"]))
def test_any_bytes_are_refused(binary, body, kind):
    for path in ("/invocations", "/v2/models/model/infer"):
        assert 400 <= binary.ask(path, body, kind=kind)[0] < 500


TENSOR = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["count", "code", "x"]) | VALUES,
        "shape": st.lists(st.integers(-1, 2), max_size=3) | VALUES,
        "datatype": st.sampled_from(["INT64", "BYTES", "BOOL", "FP32"]) | VALUES,
        "data": st.lists(VALUES, max_size=3) | VALUES,
        "parameters": st.dictionaries(st.sampled_from(["binary_data_size"]), VALUES) | VALUES,
    }
)


@LIMITS
@given(st.lists(TENSOR, max_size=3), ANYTHING, st.none() | st.integers(-1, 400))
def test_any_tensors_are_refused(binary, inputs, outputs, length):
    body = {"inputs": inputs, "outputs": outputs, "parameters": outputs}
    told = {} if length is None else {"Inference-Header-Content-Length": str(length)}
    assert 400 <= binary.ask("/v2/models/model/infer", body, headers=told)[0] < 500
