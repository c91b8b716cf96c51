import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from baked import PROJECT

TASKS = ("binary", "multiclass", "regression")


def split(records):
    names = list(records[0])
    return {"columns": names, "data": [[one[name] for name in names] for one in records]}


def columns(records):
    return {name: [one[name] for one in records] for name in records[0]}


def text(records, index=False):
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow([*[""] * index, *records[0]])
    for k, one in enumerate(records):
        lines.writerow([*[k] * index, *one.values()])
    return out.getvalue().encode()


FORMS = {
    "dataframe_split": split,
    "dataframe_records": list,
    "inputs": columns,
    "instances": list,
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_answered_as_score_answers(form, task, servers, score_of, records):
    found = servers[task].predictions({form: FORMS[form](records)})
    wanted = score_of(servers[task].folder, records).values.tolist()
    assert found == (pytest.approx(wanted) if task == "regression" else wanted)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("index", [False, True])
def test_csv_is_answered_as_score_answers(index, task, servers, score_of, records):
    wanted = score_of(servers[task].folder, records).values.tolist()
    for kind in ("text/csv", "text/csv; charset=utf-8", 'text/csv; charset="UTF8"'):
        found = servers[task].predictions(text(records, index), kind=kind)
        assert found == (pytest.approx(wanted) if task == "regression" else wanted)


@pytest.mark.parametrize("task", TASKS[:2])
def test_probabilities_are_those_of_ml(task, servers, score_of, records):
    wanted = score_of(servers[task].folder, records)
    asked = {"inputs": columns(records), "params": {"output": "probabilities"}}
    found = servers[task].predictions(asked)
    np.testing.assert_allclose(found, wanted.probabilities, atol=1e-6)
    both = servers[task].predictions(asked | {"params": {"output": "both"}})
    assert [one["label"] for one in both] == wanted.values.tolist()
    assert [list(one["probabilities"].values()) for one in both] == found
    status, _, answer = servers[task].ask(
        "/invocations?output=probabilities", text(records), kind="text/csv"
    )
    assert (status, answer["predictions"]) == (200, found)


def test_params_and_keys_that_nobody_knows_are_ignored_as_by_mlflow(binary, one):
    asked = {"dataframe_records": [one], "more": 1, "params": {"temperature": 0.5}}
    assert binary.predictions(asked) == binary.predictions({"instances": [one], "params": None})


def test_nan_of_python_is_a_missing_value(binary, one):
    body = json.dumps({"dataframe_records": [one | {"length in mm": float("nan")}]}).encode()
    assert b"NaN" in body
    assert binary.predictions(body) == binary.predictions(
        {"dataframe_records": [one | {"length in mm": None}]}
    )


def test_a_record_may_lack_what_another_has(binary, one):
    short = {name: value for name, value in one.items() if name != "colour"}
    found = binary.predictions({"dataframe_records": [one, short]})
    assert found == binary.predictions({"dataframe_records": [one, one | {"colour": None}]})


def test_one_row_may_be_single_values(binary, one):
    assert binary.predictions({"inputs": one}) == binary.predictions({"inputs": [one]})


FRACTION = {"größe": 1.5}
BAD = [
    ({"count": "3x"}, "count: is not a number in row 2 (3x)", "is not a whole number"),
    ({"count": True}, "count: is not a whole number in row 2 (True)", ""),
    (FRACTION, "größe: is not a whole number in row 2 (1.5)", ""),
    ({"length in mm": []}, "length in mm: is not a number in row 2 ([])", ""),
    ({"length in mm": 10**39}, "length in mm: is not a number of 32 bits in row 2 (1e+39)", ""),
    ({"größe": 1e39}, "größe: is not a number of 32 bits in row 2 (1e+39)", ""),
    ({"length in mm": 20.5}, "length in mm: is outside 0 to 20 in row 2 (20.5)", ""),
    (
        {"length in mm": 20.0000000001},
        "length in mm: is outside 0 to 20 in row 2 (20.0000000001)",
        "",
    ),
    ({"count": -1}, "count: is outside 0 to 10 in row 2 (-1)", ""),
    ({"count": None}, "count: has no value in row 2", ""),
    ({"wild": 2}, "wild: is not true or false in row 2 (2)", ""),
    ({"wild": None}, "wild: has no value in row 2", ""),
    ({"colour": "blue"}, "colour: is not one of green, red in row 2 (blue)", ""),
    ({"colour": 1}, "colour: is not one of green, red in row 2 (1)", ""),
    ({"code": {}}, "code: is not text in row 2 ({})", ""),
    ({"code": ""}, "code: has no value in row 2", ""),
]


@pytest.mark.parametrize(("change", "told", "instead"), BAD)
def test_a_bad_value_is_refused_by_column_and_row(change, told, instead, binary, one):
    told = told.replace("is not a number", instead) if instead else told
    for form in FORMS:
        body = {form: FORMS[form]([one, one | change, one | change])}
        status, _, answer = binary.ask("/invocations", body)
        assert (status, answer) == (400, {"error_code": "BAD_REQUEST", "message": told}), form


@pytest.mark.parametrize("digits", ["18446744073709551616", "9" * 400])
def test_a_whole_number_of_any_size_is_json(digits, binary, one):
    """With NaN, which only Python writes, as without it."""
    for length in ("NaN", "1"):
        body = json.dumps({"inputs": [one | {"größe": 77777, "length in mm": 66666}]})
        asked = body.replace("77777", digits).replace("66666", length).encode()
        status, _, answer = binary.ask("/invocations", asked)
        assert status == 400
        assert re.match(r"größe: is (beyond 2\^53|not a number of 32)", answer["message"]), answer


def test_infinity_is_not_a_number(binary, one):
    body = json.dumps({"inputs": [one | {"größe": float("inf")}]}).encode()
    status, _, answer = binary.ask("/invocations", body)
    assert (status, answer["message"]) == (
        400,
        "größe: is not a number of 32 bits in row 1 (inf)",
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"inputs": {"a": "\\ud800"}}', "not JSON"),
        (b'{"inputs": [{"count": NaN, "a": ' + b"9" * 5000 + b"}]}", "a: not among the model's"),
        (b"[]", "must be a JSON object, not a list"),
        (b"{}", "exactly one of the keys dataframe_split"),
        (b'{"inputs": {}, "instances": {}}', "exactly one of the keys"),
        (b'{"inputs": {}}', "no rows"),
        (b'{"inputs": []}', "no rows"),
        (b'{"inputs": 5}', "inputs must be an object of columns"),
        (b'{"inputs": [[1, 2]]}', "row 1 of inputs is not an object of columns"),
        (b'{"inputs": {"a": [1], "b": 2}}', "mixes lists and single values"),
        (b'{"inputs": {"a": [1], "b": [1, 2]}}', "b: has 2 values, others 1"),
        (b'{"inputs": {"a": [1]}, "params": 3}', "params must be an object"),
        (b'{"inputs": {"a": [1]}, "params": {"output": "x"}}', "output must be label or"),
        (b'{"inputs": {"a": [1]}, "params": {"output": []}}', "output must be label or"),
        (b'{"dataframe_records": {"a": 1}}', "must be a list of records"),
        (b'{"dataframe_split": []}', "must be an object of columns, data"),
        (b'{"dataframe_split": {"columns": ["a"]}}', "must be an object of columns, data"),
        (b'{"dataframe_split": {"data": [[1]]}}', "columns must be a list of names"),
        (b'{"dataframe_split": {"columns": [[]], "data": [[1]]}}', "must be a list of names"),
        (b'{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}', "a: named twice"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [[1], [1, 2]]}}', "row 2 of"),
        (b'{"dataframe_split": {"columns": ["a"], "data": 1}}', "must be a list of rows"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [[1]], "index": []}}', "index must"),
        (b'{"dataframe_split": {"columns": ["a"], "data": []}}', "no rows"),
    ],
)
def test_a_body_of_another_form_is_refused(body, told, binary):
    status, _, answer = binary.ask("/invocations", body)
    assert status == 400
    assert told in answer["message"]


def test_columns_too_many_or_too_few_are_named(binary, one):
    short = {name: value for name, value in one.items() if name not in ("wild", "code")}
    for body, told in [
        (one | {"year": 2009}, "year: not among the model's columns"),
        (short, "code, wild: missing from the request"),
    ]:
        status, _, answer = binary.ask("/invocations", {"dataframe_records": [body]})
        assert (status, answer["message"]) == (400, told)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "no rows"),
        (b"a,a\n1,2\n", "names a column twice"),
        (b"count,wild\n1\n", "row 1 of the CSV has not 2 values"),
        (b'count\n"1\n', "not CSV"),
        (b"\xff\n1\n", "not CSV in UTF-8"),
        (b"a\n1\n", "a: not among the model's columns"),
    ],
)
def test_csv_of_another_form_is_refused(body, told, binary):
    status, _, answer = binary.ask("/invocations", body, kind="text/csv")
    assert status == 400
    assert told in answer["message"]


def test_a_bad_value_of_a_csv_is_refused_by_column_and_row(binary, one):
    for change, told in [
        ({"count": "3_0"}, "count: is not a whole number in row 1 (3_0)"),
        ({"length in mm": "long"}, "length in mm: is not a number in row 1 (long)"),
        ({"wild": "perhaps"}, "wild: is not true or false in row 1 (perhaps)"),
        ({"code": " "}, "code: has no value in row 1"),
    ]:
        status, _, answer = binary.ask("/invocations", text([one | change]), kind="text/csv")
        assert (status, answer["message"]) == (400, told)


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/json; charset=latin-1", "application/json; a=b"]
)
def test_another_media_type_is_refused(kind, binary, one):
    assert binary.ask("/invocations", {"inputs": [one]}, kind=kind)[0] == 415


def test_too_many_rows_and_too_large_a_body_are_refused(binary, one):
    assert len(binary.predictions({"inputs": [one] * 50})) == 50
    status, _, answer = binary.ask("/invocations", {"inputs": [one] * 51})
    assert (status, answer["message"]) == (413, "the request has more than 50 rows")
    status, _, answer = binary.ask("/invocations", b" " * 100_001)
    assert (status, answer["error_code"]) == (413, "REQUEST_LIMIT_EXCEEDED")


def test_the_value_of_a_regression_has_no_probabilities(servers, one):
    asked = {"inputs": [one], "params": {"output": "probabilities"}}
    status, _, answer = servers["regression"].ask("/invocations", asked)
    assert (status, answer["message"]) == (400, "output must be value, not 'probabilities'")


def test_another_method_is_refused(binary):
    assert binary.ask("/invocations")[0] == 405


def test_what_the_page_tells_to_paste_can_be_pasted():
    text = (PROJECT / "docs/serving.md").read_text("utf-8")
    asked = [json.loads(body) for body in re.findall(r"-d '([^']*)'", text)]
    assert [set(body) for body in asked] == [{"dataframe_records"}, {"inputs", "outputs"}]
    [record] = asked[0]["dataframe_records"]
    assert {one["name"]: one["data"][0] for one in asked[1]["inputs"]} == record


def test_the_client_of_mlflow_works(binary, records, score_of):
    scoring = pytest.importorskip("mlflow.pyfunc.scoring_server.client")
    client = scoring.ScoringServerClient("127.0.0.1", binary.port)
    client.wait_server_ready(timeout=5)
    wanted = score_of(binary.folder, records)
    found = client.invoke(pd.DataFrame(records)).get_predictions()
    assert found[0].tolist() == wanted.values.tolist()
    asked = {"params": {"output": "probabilities"}}
    found = client.invoke(pd.DataFrame(records), **asked).get_predictions()
    np.testing.assert_allclose(found, wanted.probabilities, atol=1e-6)
