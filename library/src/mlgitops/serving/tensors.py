"""The tensors of V2: their shapes and values, in JSON and as binary data."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlgitops.serving.contract import Input
from mlgitops.serving.errors import Refusal
from mlgitops.serving.values import SHOWN, value_refusal

DATATYPES = {
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BOOL": "?",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip
ENDS = {name: np.iinfo(width) for name, width in DATATYPES.items() if "INT" in name}
WHOLE = {name: range(ends.min, ends.max + 1) for name, ends in ENDS.items()}
NUMBERS = frozenset(DATATYPES) - {"BOOL"}
TAKEN = {
    "number": NUMBERS | {"BYTES"},
    "integer": NUMBERS | {"BYTES"},
    "boolean": NUMBERS | {"BOOL", "BYTES"},
    "category": NUMBERS | {"BOOL", "BYTES"},
}


class Binary:
    """What follows the JSON, taken piece by piece."""

    def __init__(self, body: bytes, start: int) -> None:
        """All of the body from `start`."""
        self.body, self.start = body, start

    @property
    def remainder(self) -> int:
        """The bytes that nobody took."""
        return len(self.body) - self.start

    def take(self, size: Any, name: str) -> bytes:
        """The next `size` bytes."""
        if type(size) is not int or not 0 <= size <= self.remainder:
            raise Refusal("bad_form", f"{name[:40]}: has not {str(size)[:20]} bytes of binary data")
        self.start += size
        return self.body[self.start - size : self.start]


def check_shape(tensor: dict[str, Any], name: str) -> int:
    """The rows of a tensor of shape [rows] or [rows, 1]."""
    shape = tensor.get("shape")
    if type(shape) is not list or not all(type(one) is int and one >= 0 for one in shape):
        raise Refusal("bad_form", f"{name[:40]}: shape must be a list of whole numbers")
    if len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
        raise Refusal("bad_form", f"{name[:40]}: shape must be [rows] or [rows, 1]")
    return int(shape[0])


def values(tensor: dict[str, Any], column: Input | None, binary: Binary) -> Sequence[Any]:
    """The values of a tensor, as many as its shape says; nothing of one that no input has."""
    name, datatype, rows = tensor["name"], tensor.get("datatype"), tensor["shape"][0]
    if column is not None and (type(datatype) is not str or datatype not in TAKEN[column.type]):
        taken = ", ".join(sorted(TAKEN[column.type]))
        raise Refusal("wrong_type", f"{name}: datatype must be one of {taken}")
    parameters = tensor.get("parameters") or {}
    if type(parameters) is dict and "binary_data_size" in parameters:
        data = binary.take(parameters["binary_data_size"], name)
        found = [] if column is None else binary_values(data, str(datatype), name, rows)
    else:
        found = [] if column is None else flat(tensor.get("data"), name)
        exact(found, str(datatype), name)
    if column is not None and len(found) != rows:
        raise count_refusal(name, len(found), rows)
    return found


def count_refusal(name: str, values: int, rows: int) -> Refusal:
    """A tensor has more or fewer values than its shape says."""
    return Refusal("bad_form", f"{name[:40]}: has {values} values, its shape says {rows}")


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
            raise value_refusal("wrong_type", name[:SHOWN], f"is not of {datatype}", row, value)


def binary_values(data: bytes, datatype: str, name: str, rows: int) -> list[Any]:
    """The values of binary data: little endian, text after its length in four bytes."""
    if datatype == "BYTES":
        return texts(data, name, rows)
    kind = np.dtype(DATATYPES.get(datatype, "V1"))
    if len(data) % kind.itemsize or (datatype == "BOOL" and max(data, default=0) > 1):
        raise Refusal("bad_form", f"{name[:40]}: is not binary data of {datatype[:10]}")
    if len(data) // kind.itemsize != rows:
        raise count_refusal(name, len(data) // kind.itemsize, rows)
    found: list[Any] = np.frombuffer(data, kind).tolist()
    return found


def texts(data: bytes, name: str, rows: int) -> list[str]:
    """The texts of binary data, at most one more than `rows`."""
    found: list[str] = []
    start = 0
    while start < len(data) and len(found) <= rows:
        end = start + 4 + int.from_bytes(data[start : start + 4], "little")
        try:
            found.append(data[start + 4 : end].decode("utf-8"))
        except UnicodeDecodeError:
            end = len(data) + 1
        if end > len(data) or start + 4 > len(data):
            raise Refusal("wrong_type", f"{name[:40]}: is not text in row {len(found)}")
        start = end
    return found


def pack(array: np.ndarray) -> bytes:
    """Binary data of an output."""
    if array.dtype != object:
        return array.tobytes()
    encoded = [str(value).encode("utf-8") for value in array]
    return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)
