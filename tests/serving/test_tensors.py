import json
import struct

import numpy as np
import pytest
from made_tensors import TYPES, tensors

ADDRESS = "/v2/models/model"


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_infer_answers_as_score_answers(task, servers, score_of, records):
    wanted = score_of(servers[task].folder, records)
    status, _, answer = servers[task].ask(f"{ADDRESS}/infer", tensors(records) | {"id": "7"})
    assert (status, answer["model_name"], answer["id"]) == (200, "model", "7")
    first, *rest = answer["outputs"]
    assert first["shape"] == [5]
    if task == "regression":
        assert (first["name"], first["datatype"]) == ("value", "FP32")
        assert first["data"] == pytest.approx(wanted.values.tolist())
        return
    assert first["data"] == wanted.values.tolist()
    assert first["datatype"] == {"binary": "BYTES", "multiclass": "INT64"}[task]
    assert rest[0]["shape"] == list(wanted.probabilities.shape)
    found = np.reshape(rest[0]["data"], rest[0]["shape"])
    np.testing.assert_allclose(found, wanted.probabilities, atol=1e-6)


def test_tensors_of_one_column_and_chosen_outputs(binary, one):
    nested = tensors([one], count={"shape": [1, 1], "data": [[one["count"]]]})
    answer = binary.ask(f"{ADDRESS}/infer", nested | {"outputs": [{"name": "label"}]})[2]
    assert [output["name"] for output in answer["outputs"]] == ["label"]


BAD = [
    ({"count": {"datatype": "BOOL"}}, "count: datatype must be one of BYTES, FP16"),
    ({"code": {"datatype": "FP8"}}, "code: datatype must be one of BOOL, BYTES"),
    ({"wild": {"datatype": ["BOOL"]}}, "wild: datatype must be one of BOOL, BYTES"),
    ({"count": {"data": [1.5]}}, "count: is not of INT64 in row 1 (1.5)"),
    ({"count": {"data": ["1"]}}, "count: is not of INT64 in row 1 (1)"),
    ({"count": {"data": [None]}}, "count: is not of INT64 in row 1"),
    ({"größe": {"datatype": "INT8", "data": [None]}}, "größe: is not of INT8 in row 1"),
    ({"größe": {"datatype": "INT8", "data": [-129]}}, "größe: is not of INT8 in row 1 (-129)"),
    ({"größe": {"datatype": "UINT8", "data": [-1]}}, "größe: is not of UINT8 in row 1 (-1)"),
    ({"größe": {"datatype": "UINT16", "data": [65536]}}, "größe: is not of UINT16 in row 1"),
    ({"count": {"data": [11]}}, "count: is outside 0 to 10 in row 1 (11)"),
    ({"code": {"data": [""]}}, "code: has no value in row 1"),
    ({"colour": {"data": ["blue"]}}, "colour: is not one of green, red in row 1 (blue)"),
    ({"count": {"shape": [2]}}, "count: has 1 values, its shape says 2"),
    ({"count": {"shape": [1, 2]}}, "count: shape must be [rows] or [rows, 1]"),
    ({"count": {"shape": [-1]}}, "count: shape must be a list of whole numbers"),
    ({"count": {"data": None}}, "count: data must be a list"),
    ({"count": {"name": "length in mm"}}, "each tensor needs a name of its own"),
    ({"count": {"name": "year"}}, "year: not among the model's columns"),
    ({"count": {"shape": [2], "data": [1, 2]}}, "different numbers of rows"),
    ({"count": {"parameters": {"binary_data_size": 9}}}, "count: has not 9 bytes"),
]


@pytest.mark.parametrize(("changes", "told"), BAD)
def test_a_bad_tensor_is_refused_by_name_and_row(changes, told, binary, one):
    status, _, answer = binary.ask(f"{ADDRESS}/infer", tensors([one], **changes))
    assert status == 400
    assert told in answer["error"]


@pytest.mark.parametrize(
    ("datatype", "value"), [("INT8", -128), ("UINT8", 255), ("INT32", 2**31 - 1), ("FP64", None)]
)
def test_what_a_datatype_can_hold_is_taken(datatype, value, binary, one):
    asked = tensors([one], größe={"datatype": datatype, "data": [value]})
    assert binary.ask(f"{ADDRESS}/infer", asked)[0] == 200


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "inputs must be a list of tensors"),
        ({"inputs": [3]}, "inputs must be a list of tensors"),
        ({"inputs": []}, "missing from the request"),
        ({"inputs": [], "id": 3}, "id must be text"),
    ],
)
def test_another_form_is_refused(body, told, binary):
    status, _, answer = binary.ask(f"{ADDRESS}/infer", body)
    assert status == 400
    assert told in answer["error"]


def test_outputs_that_do_not_exist_are_refused(binary, one):
    for asked in ([{"name": "value"}], [3], "label", [{"name": []}]):
        status, _, answer = binary.ask(f"{ADDRESS}/infer", tensors([one]) | {"outputs": asked})
        assert (status, "output" in answer["error"]) == (400, True)


def test_rows_are_limited(binary, one):
    status, _, answer = binary.ask(f"{ADDRESS}/infer", tensors([one] * 51))
    assert (status, answer["error"]) == (413, "the request has more than 50 rows")
    assert binary.ask(f"{ADDRESS}/infer", tensors([]))[0] == 400


def test_binary_data_goes_both_ways(binary, one):
    pieces = [
        struct.pack("<f", one["length in mm"]), struct.pack("<q", one["count"]),
        struct.pack("<d", one["größe"]), struct.pack("<?", one["wild"]),
        *[struct.pack("<I", len(one[n].encode())) + one[n].encode() for n in ("colour", "code")],
    ]  # fmt: skip
    head = tensors([one])
    for tensor, piece in zip(head["inputs"], pieces, strict=True):
        del tensor["data"]
        tensor["parameters"] = {"binary_data_size": len(piece)}
    head["parameters"] = {"binary_data_output": True}
    text = json.dumps(head).encode()

    def ask(*parts, length=None):
        told = {"Inference-Header-Content-Length": str(length or len(text))}
        return binary.ask(f"{ADDRESS}/infer", b"".join(parts), headers=told)

    status, headers, body = ask(text, *pieces)
    assert status == 200
    end = int(headers["inference-header-content-length"])
    label, likely = json.loads(body[:end])["outputs"]
    size = label["parameters"]["binary_data_size"]
    plain = binary.ask(f"{ADDRESS}/infer", tensors([one]))[2]["outputs"]
    assert [body[end + 4 : end + size].decode()] == plain[0]["data"]
    np.testing.assert_array_equal(
        np.frombuffer(body[end + size :], "<f4"), np.float32(plain[1]["data"])
    )
    assert likely["shape"] == [1, 2]
    assert ask(text, *pieces, b"x")[0] == 400
    assert ask(text, *pieces[:-1])[0] == 400
    assert ask(text, *pieces[:-1], b"\x09\x00\x00\x00" + pieces[-1][4:])[0] == 400
    for length in (10**9, -1, "x", 3, "0" * 5000 + "2"):
        assert ask(text, *pieces, length=length)[0] == 400


def test_metadata_and_health(binary):
    assert binary.ask("/v2")[2]["extensions"] == ["binary_tensor_data"]
    assert binary.ask("/v2/health/live")[0] == binary.ask("/v2/health/ready")[0] == 200
    about = binary.ask(ADDRESS)[2]
    assert about["inputs"][1] == {"name": "count", "datatype": "INT64", "shape": [-1]}
    assert about["outputs"][1]["parameters"] == {"labels": ["no", "yes"]}
    assert binary.ask(f"{ADDRESS}/ready")[0] == binary.ask(f"{ADDRESS}/versions/1/ready")[0] == 200


def test_another_model_or_version_is_not_there(binary, one):
    for path in ("/v2/models/other", "/v2/models/other/ready", f"{ADDRESS}/versions/2"):
        assert binary.ask(path)[0] == 404
    status, _, answer = binary.ask("/v2/models/other/infer", tensors([one]))
    assert (status, "there is no model 'other'" in answer["error"]) == (404, True)


@pytest.mark.parametrize("raw", [False, True])
def test_the_client_of_triton_works(raw, binary, records, score_of):
    client = pytest.importorskip("tritonclient.http")
    with client.InferenceServerClient(f"127.0.0.1:{binary.port}") as asking:
        assert asking.is_server_live()
        assert asking.is_server_ready()
        assert asking.is_model_ready("model")
        assert asking.get_model_metadata("model")["name"] == "model"
        inputs = []
        kinds = {"FP32": "f4", "INT64": "i8", "FP64": "f8", "BOOL": "?", "BYTES": object}
        known = [one for one in records if None not in one.values()]
        for name, kind in TYPES.items():
            array = np.array([one[name] for one in known], dtype=kinds[kind])
            inputs.append(client.InferInput(name, list(array.shape), kind))
            inputs[-1].set_data_from_numpy(array, binary_data=raw)
        outputs = [
            client.InferRequestedOutput(n, binary_data=raw) for n in ("label", "probabilities")
        ]
        found = asking.infer("model", inputs, outputs=outputs)
        wanted = score_of(binary.folder, known)
        labels = [v.decode() if raw else v for v in found.as_numpy("label").tolist()]
        assert labels == wanted.values.tolist()
        np.testing.assert_allclose(found.as_numpy("probabilities"), wanted.probabilities, atol=1e-6)
