"""The Open Inference Protocol V2: a tensor a column, with the extension for binary data."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from mlgitops.serving.columns import SHOWN, Given, refused
from mlgitops.serving.contract import Answer, Input, Signature
from mlgitops.serving.documents import parsed
from mlgitops.serving.errors import Refusal

WIDTHS = {
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BOOL": "?",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip
ENDS = {name: np.iinfo(width) for name, width in WIDTHS.items() if "INT" in name}
WHOLE = {name: range(ends.min, ends.max + 1) for name, ends in ENDS.items()}
NUMBERS = frozenset(WIDTHS) - {"BOOL"}
TAKEN = {
    "number": NUMBERS,
    "integer": NUMBERS,
    "boolean": frozenset({"BOOL"}),
    "category": frozenset({"BYTES"}),
}
OWN = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "category": "BYTES"}
LENGTH = "inference-header-content-length"


class Wanted(NamedTuple):
    """An output that is asked for, and whether as binary data."""

    name: str
    binary: bool


class Question(NamedTuple):
    """The columns of a request, its id, and the outputs asked for."""

    given: Given
    rows: int
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


def question(body: bytes, length: str | None, signature: Signature) -> Question:
    """The question of a request; `length` is that of its JSON where binary data follows it."""
    end = len(body) if length is None else counted(length, len(body))
    found = parsed(body[:end])
    tensors, id_ = found.get("inputs"), found.get("id")
    if type(tensors) is not list or not all(type(one) is dict for one in tensors):
        raise Refusal("bad_form", "inputs must be a list of tensors")
    if id_ is not None and type(id_) is not str:
        raise Refusal("bad_form", "id must be text")
    columns = {one.name: one for one in signature.inputs}
    given: dict[str, Sequence[Any]] = {}
    binary = Binary(body, end)
    for tensor in tensors:
        name = tensor.get("name")
        if type(name) is not str or name in given:
            raise Refusal("bad_form", "each tensor needs a name of its own")
        given[name] = values(tensor, name, columns.get(name), binary)
    rows = {len(one) for one in given.values()}
    if len(rows) > 1:
        raise Refusal("bad_form", "the tensors have different numbers of rows")
    if binary.left:
        raise Refusal("bad_form", "more binary data came than the tensors need")
    return Question(given, rows.pop() if rows else 0, id_, tuple(wanted(found, signature)))


def counted(text: str, most: int) -> int:
    """The number of a header; it cannot be more than there is."""
    found = int(text) if len(text) < 20 and text.isascii() and text.isdigit() else most + 1
    if found > most:
        raise Refusal("bad_form", f"{LENGTH} is not the length of the JSON: {text[:40]}")
    return found


class Binary:
    """What follows the JSON, taken piece by piece."""

    def __init__(self, body: bytes, start: int) -> None:
        """All of the body from `start`."""
        self.body, self.start = body, start

    @property
    def left(self) -> int:
        """The bytes that nobody took."""
        return len(self.body) - self.start

    def take(self, size: Any, name: str) -> bytes:
        """The next `size` bytes."""
        if type(size) is not int or not 0 <= size <= self.left:
            raise Refusal("bad_form", f"{name[:40]}: has not {str(size)[:20]} bytes of binary data")
        self.start += size
        return self.body[self.start - size : self.start]


def values(
    tensor: dict[str, Any], name: str, column: Input | None, binary: Binary
) -> Sequence[Any]:
    """The values of a tensor of shape [rows] or [rows, 1], as JSON would hold them."""
    datatype, shape = tensor.get("datatype"), tensor.get("shape")
    if column is not None and (type(datatype) is not str or datatype not in TAKEN[column.type]):
        taken = ", ".join(sorted(TAKEN[column.type]))
        raise Refusal("wrong_type", f"{name}: datatype must be one of {taken}")
    if type(shape) is not list or not all(type(one) is int and one >= 0 for one in shape):
        raise Refusal("bad_form", f"{name[:40]}: shape must be a list of whole numbers")
    if len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
        raise Refusal("bad_form", f"{name[:40]}: shape must be [rows] or [rows, 1]")
    parameters = tensor.get("parameters") or {}
    if type(parameters) is dict and "binary_data_size" in parameters:
        found = unpacked(binary.take(parameters["binary_data_size"], name), str(datatype), name)
    else:
        found = flat(tensor.get("data"), name)
        exact(found, str(datatype), name)
    if len(found) != shape[0]:
        raise Refusal(
            "bad_form", f"{name[:40]}: has {len(found)} values, its shape says {shape[0]}"
        )
    return found


def flat(data: Any, name: str) -> list[Any]:
    """The values of a list, or of a list of lists of one value."""
    if type(data) is not list:
        raise Refusal("bad_form", f"{name[:40]}: data must be a list")
    if data and all(type(one) is list and len(one) == 1 for one in data):
        return [one[0] for one in data]
    return data


def exact(found: list[Any], datatype: str, name: str) -> None:
    """Refuse what a tensor of whole numbers cannot hold: null, 1.5, or -1 without a sign."""
    known = WHOLE.get(datatype)
    if known is None:
        return
    whole = {int}.issuperset(map(type, found))
    # The smallest and the largest stand for all: less than half the time of a look at each.
    if whole and min(found, default=0) in known and max(found, default=0) in known:
        return
    for row, value in enumerate(found):
        if type(value) is not int or value not in known:
            raise refused("wrong_type", name[:SHOWN], f"is not of {datatype}", row, value)


def unpacked(data: bytes, datatype: str, name: str) -> list[Any]:
    """The values of binary data: little endian, text after its length in four bytes."""
    if datatype != "BYTES":
        kind = np.dtype(WIDTHS.get(datatype, "V1"))
        if len(data) % kind.itemsize or (datatype == "BOOL" and max(data, default=0) > 1):
            raise Refusal("bad_form", f"{name[:40]}: is not binary data of {datatype[:10]}")
        found: list[Any] = np.frombuffer(data, kind).tolist()
        return found
    texts, start = [], 0
    while start < len(data):
        end = start + 4 + int.from_bytes(data[start : start + 4], "little")
        try:
            texts.append(data[start + 4 : end].decode("utf-8"))
        except UnicodeDecodeError:
            end = len(data) + 1
        if end > len(data) or start + 4 > len(data):
            what = f"{name[:40]}: is not text in row {len(texts)}"
            raise Refusal("wrong_type", what)
        start = end
    return texts


def wanted(found: dict[str, Any], signature: Signature) -> list[Wanted]:
    """The outputs that are asked for; all of them if none is named."""
    known = [one.name for one in signature.outputs]
    everywhere = flag(found, "binary_data_output")
    asked = found.get("outputs")
    if not asked and (asked is None or type(asked) is list):
        return [Wanted(name, everywhere) for name in known]
    if type(asked) is not list or not all(type(one) is dict for one in asked):
        raise Refusal("bad_form", "outputs must be a list of objects")
    for one in asked:
        if one.get("name") not in known:
            what = f"there is no output {one.get('name')!r:.40}, there is {', '.join(known)}"
            raise Refusal("bad_form", what)
    return [Wanted(one["name"], flag(one, "binary_data", everywhere)) for one in asked]


def flag(holder: dict[str, Any], name: str, default: bool = False) -> bool:
    """A parameter that is true or false."""
    parameters = holder.get("parameters") or {}
    if type(parameters) is not dict:
        raise Refusal("bad_form", "parameters must be an object")
    return parameters.get(name, default) is True


def answer(
    found: Answer, asked: Question, name: str, version: str, signature: Signature
) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON if binary data follows it."""
    kinds = {one.name: one.type for one in signature.outputs}
    outputs, pieces = [], []
    for one in asked.wanted:
        array = found.probabilities if kinds[one.name] == "probabilities" else found.values
        if array is None:
            raise Refusal("bad_form", "this model gives no probabilities")
        like = form(kinds[one.name], signature)
        array = np.ascontiguousarray(array, dtype=WIDTHS.get(like["datatype"], object))
        output = like | {"name": one.name, "shape": list(array.shape)}
        if one.binary:
            pieces.append(packed(array))
            output["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            output["data"] = array.reshape(-1) if array.dtype != object else array.tolist()
        outputs.append(output)
    head: dict[str, Any] = {"model_name": name, "model_version": version}
    if asked.id is not None:
        head["id"] = asked.id
    text = orjson.dumps(head | {"outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join([text, *pieces]), len(text) if pieces else None


def packed(array: np.ndarray) -> bytes:
    """Binary data of an output."""
    if array.dtype != object:
        return array.tobytes()
    texts = [str(value).encode("utf-8") for value in array]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def problem(refusal: Refusal) -> bytes:
    """An error in V2's form."""
    return orjson.dumps({"error": refusal.message})
