"""The Open Inference Protocol V2: a tensor a column, with the extension for binary data."""

from typing import Any, NamedTuple

import numpy as np
import orjson

from mlgitops.serving.columns import Given
from mlgitops.serving.contract import Answer, Input, Signature
from mlgitops.serving.documents import read_object
from mlgitops.serving.errors import Refusal
from mlgitops.serving.protocols import JSON, LENGTH, Question, Reply, Request, Served, check_rows
from mlgitops.serving.tensors import DATATYPES, Binary, check_shape, pack, values

OWN = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "category": "BYTES"}
CLASSES = "classification is not supported: ask for the probabilities, which are in label order"


class Wanted(NamedTuple):
    """An output that is asked for, and whether as binary data."""

    name: str
    binary: bool


class Form(NamedTuple):
    """The id of a request, and the outputs asked for."""

    id: str | None
    wanted: tuple[Wanted, ...]


def metadata(name: str, version: str, signature: Signature) -> dict[str, Any]:
    """What GET /v2/models/<name> says; labels are a parameter of the probabilities."""
    inputs = [{"name": one.name, "datatype": own(one), "shape": [-1]} for one in signature.inputs]
    outputs = [{"name": one.name, **form(one.type, signature)} for one in signature.outputs]
    platform = "onnxruntime_onnx" if signature.format == "onnx" else "sklearn"
    return {
        "name": name, "versions": [version], "platform": platform, "inputs": inputs,
        "outputs": outputs,
    }  # fmt: skip


def own(column: Input) -> str:
    """The datatype that holds a column: missing numbers need a NaN."""
    return "FP64" if column.type == "integer" and column.nullable else OWN[column.type]


def form(kind: str, signature: Signature) -> dict[str, Any]:
    """Datatype and shape of an output."""
    labels = signature.labels or ()
    if kind == "probabilities":
        shape = {"datatype": "FP32", "shape": [-1, len(labels)]}
        return shape | {"parameters": {"labels": [str(label) for label in labels]}}
    text = any(type(label) is str for label in labels)
    value = "FP32" if signature.format == "onnx" else "FP64"
    datatype = value if kind == "value" else "BYTES" if text else "INT64"
    return {"datatype": datatype, "shape": [-1]}


def decode(served: Served, request: Request) -> Question:
    """The question of a request; a header has the length of its JSON if binary data follows it."""
    length, size = request.headers.get(LENGTH), len(request.body)
    end = size if length is None else json_end(length.decode("latin-1"), size)
    found = read_object(request.body[:end])
    tensors, id_ = found.get("inputs"), found.get("id")
    if type(tensors) is not list or not all(type(one) is dict for one in tensors):
        raise Refusal("bad_form", "inputs must be a list of tensors")
    if id_ is not None and type(id_) is not str:
        raise Refusal("bad_form", "id must be text")
    asked = tuple(outputs(found, served.signature))
    given, rows = columns(tensors, served, Binary(request.body, end))
    table = served.columns.table(given)
    likely = any(one.name == "probabilities" for one in asked)
    return Question(table, rows, likely, Form(id_, asked), id_)


def json_end(text: str, most: int) -> int:
    """The number of the header; it cannot be more than there is."""
    found = int(text) if len(text) < 20 and text.isascii() and text.isdigit() else most + 1
    if found > most:
        raise Refusal("bad_form", f"{LENGTH.decode()} is not the length of the JSON: {text[:40]}")
    return found


def columns(tensors: list[dict[str, Any]], served: Served, binary: Binary) -> tuple[Given, int]:
    """The values of the tensors by column, and the rows; names and shapes are checked first."""
    names: list[Any] = [one.get("name") for one in tensors]
    if not {str}.issuperset(map(type, names)) or len(set(names)) < len(names):
        raise Refusal("bad_form", "each tensor needs a name of its own")
    served.columns.check_known(names)
    shapes = [check_shape(one, str(one["name"])) for one in tensors]
    if shapes:
        check_rows(max(shapes), served.settings.max_rows)
    inputs = served.columns.inputs
    given = {one["name"]: values(one, inputs.get(one["name"]), binary) for one in tensors}
    if len(set(shapes)) > 1:
        raise Refusal("bad_form", "the tensors have different numbers of rows")
    if binary.remainder:
        raise Refusal("bad_form", "more binary data came than the tensors need")
    return given, shapes[0] if shapes else 0


def outputs(found: dict[str, Any], signature: Signature) -> list[Wanted]:
    """The outputs that are asked for, each once; all of them if none is named."""
    known = [one.name for one in signature.outputs]
    everywhere = flag(found, "binary_data_output")
    asked = found.get("outputs")
    if not asked and (asked is None or type(asked) is list):
        return [Wanted(name, everywhere) for name in known]
    if type(asked) is not list or not all(type(one) is dict for one in asked):
        raise Refusal("bad_form", "outputs must be a list of objects")
    free = list(known)
    for one in asked:
        if one.get("name") not in known:
            what = f"there is no output {one.get('name')!r:.40}, there is {', '.join(known)}"
            raise Refusal("bad_form", what)
        if one["name"] not in free:
            raise Refusal("bad_form", f"outputs names {one['name']} twice")
        free.remove(one["name"])
        if parameters(one).get("classification") or parameters(one).get("class_count"):
            raise Refusal("bad_form", CLASSES)
    return [Wanted(one["name"], flag(one, "binary_data", everywhere)) for one in asked]


def parameters(holder: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a request or of an output."""
    found = holder.get("parameters") or {}
    if type(found) is not dict:
        raise Refusal("bad_form", "parameters must be an object")
    return found


def flag(holder: dict[str, Any], name: str, default: bool = False) -> bool:
    """A parameter that is true or false."""
    return parameters(holder).get(name, default) is True


def encode(served: Served, found: Answer, question: Question) -> Reply:
    """The tensors, as JSON or as JSON with binary data behind it."""
    signature, settings = served.signature, served.settings
    kinds = {one.name: one.type for one in signature.outputs}
    outputs, pieces = [], []
    for one in question.form.wanted:
        output, array = tensor(kinds[one.name], found, signature)
        output["name"] = one.name
        if one.binary:
            pieces.append(pack(array))
            output["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            output["data"] = array.reshape(-1) if array.dtype != object else array.tolist()
        outputs.append(output)
    head: dict[str, Any] = {"model_name": settings.name, "model_version": settings.version}
    if question.form.id is not None:
        head["id"] = question.form.id
    text = orjson.dumps(head | {"outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    if not pieces:
        return Reply(text, JSON)
    return Reply(b"".join([text, *pieces]), b"application/octet-stream", len(text))


def tensor(kind: str, found: Answer, signature: Signature) -> tuple[dict[str, Any], np.ndarray]:
    """The head of an output, and its values."""
    values = found.probabilities if kind == "probabilities" else found.values
    if values is None:
        raise Refusal("bad_form", "this model gives no probabilities")
    head = form(kind, signature)
    array = np.ascontiguousarray(values, dtype=DATATYPES.get(head["datatype"], object))
    return head | {"shape": list(array.shape)}, array


def problem(refusal: Refusal) -> bytes:
    """An error in V2's form."""
    return orjson.dumps({"error": refusal.message})
