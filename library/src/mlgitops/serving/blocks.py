"""The prediction log on the way to the store: blocks of columns, which cost the server little.

The server writes some rows together as one block; `ship` makes lines of JSON of it elsewhere.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson

from mlgitops.serving.contract import Answer, Input, Signature
from mlgitops.serving.number_columns import Numbers
from mlgitops.serving.protocols import Question
from mlgitops.serving.values import plain

FORMAT = 1
# What stands before a block: its bytes, and their CRC-32.
FRAME = struct.Struct("<II")
SIZE = struct.Struct("<I")
NUMPY = orjson.OPT_SERIALIZE_NUMPY


class Record(NamedTuple):
    """Rows of one request: its id, microseconds since 1970, which rows, and what they hold.

    It is small, for it waits: `numbers` and `likely` are float32 row by row, `texts` a list a
    column, and `values` the answers.
    """

    id: str
    time: int
    rows: Sequence[int]
    numbers: bytes
    texts: list[list[Any]]
    values: list[Any]
    likely: bytes

    def part(self, start: int, end: int) -> "Record":
        """Some of the rows."""
        total = len(self.rows)
        wide, deep = len(self.numbers) // total, len(self.likely) // total
        return self._replace(
            rows=self.rows[start:end],
            numbers=self.numbers[start * wide : end * wide],
            texts=[one[start:end] for one in self.texts],
            values=self.values[start:end],
            likely=self.likely[start * deep : end * deep],
        )

    def take(self, chosen: list[int]) -> "Record":
        """The rows at these positions."""
        total = len(self.rows)
        numbers, likely = (
            np.frombuffer(one, "<f4").reshape(total, -1)[chosen].tobytes()
            for one in (self.numbers, self.likely)
        )
        return self._replace(
            rows=[self.rows[k] for k in chosen],
            numbers=numbers,
            texts=[[one[k] for k in chosen] for one in self.texts],
            values=[self.values[k] for k in chosen],
            likely=likely,
        )


class Facts(NamedTuple):
    """What is the same for all rows of a segment."""

    format: int
    model: str
    release: str
    date: str
    columns: tuple[tuple[str, str], ...]  # names and types, in the order of the signature
    labels: tuple[str, ...] | None

    @property
    def order(self) -> tuple[list[str], list[str]]:
        """The names of the columns that stand in a block as numbers, and as text."""
        texts = [name for name, kind in self.columns if kind == "category"]
        return [name for name, kind in self.columns if kind != "category"], texts


def columns(signature: Signature, key: str) -> tuple[tuple[str, str], ...]:
    """What is logged of the inputs: nothing of private ones, or a hash where there is a key."""
    kept = [one for one in signature.inputs if is_logged(one, key)]
    return tuple((one.name, "category" if one.private else one.type) for one in kept)


def is_logged(column: Input, key: str) -> bool:
    """Whether something of a column may be written."""
    return not column.private or (column.private == "hash" and bool(key))


class Layout:
    """How the rows of one signature become a record, and records a block."""

    def __init__(self, signature: Signature, facts: Facts, key: str) -> None:
        """`key` is that of the hashes."""
        kinds = {one.name: one for one in signature.inputs}
        self.numbers, self.texts = facts.order
        # As `columns.Columns.table` has them.
        self.order = Numbers(signature, ignore).order
        self.categories = [name for name in self.texts if kinds[name].type == "category"]
        self.picked = [self.order.index(name) for name in self.numbers]
        self.hashed = {one.name for one in signature.inputs if one.private}
        self.key = hashlib.blake2b(key.encode(), digest_size=32).digest()

    def record(self, id_: str, time: int, question: Question, answer: Answer) -> Record:
        """The rows of a request; a few copies of bytes, as one array has all numbers."""
        table, rows = question.table, question.rows
        numbers = table[self.order[0]].base if self.order else None
        if numbers is None or numbers.shape != (len(self.order), rows, 1):
            arrays = [table[name] for name in self.order]
            numbers = np.stack(arrays) if arrays else np.empty((0, rows, 1), np.float32)
        texts: list[list[Any]] = [table[name].ravel().tolist() for name in self.categories]
        likely = answer.probabilities
        return Record(
            id_, time, range(rows), numbers.T.tobytes(), texts, answer.values.tolist(),
            b"" if likely is None else likely.tobytes(),
        )  # fmt: skip

    def block(self, records: Sequence[Record]) -> bytes:
        """The records as one block, with its frame."""
        rows = list(chain.from_iterable([one.rows for one in records]))
        numbers = np.frombuffer(b"".join([one.numbers for one in records]), np.float32)
        numbers = numbers.reshape(len(rows), len(self.order)).T
        likely = b"".join([one.likely for one in records])
        head = {
            "ids": [one.id for one in records],
            "times": [one.time for one in records],
            "counts": [len(one.rows) for one in records],
            "rows": rows,
            "texts": [self.text(name, records, numbers) for name in self.texts],
            "values": list(chain.from_iterable([one.values for one in records])),
        }
        text = orjson.dumps(head)
        return frame(b"".join([
            SIZE.pack(len(text)), text, numbers[self.picked].tobytes(), likely,
        ]))  # fmt: skip

    def text(self, name: str, records: Sequence[Record], numbers: np.ndarray) -> list[str]:
        """A column as texts, "" for a missing value."""
        values: list[Any]
        if name in self.categories:
            k = self.categories.index(name)
            values = list(chain.from_iterable([one.texts[k] for one in records]))
        else:
            values = numbers[self.order.index(name)].tolist()
        return [self.hash(value) for value in values] if name in self.hashed else values

    def hash(self, value: Any) -> str:
        """16 digits that stand for a value, and that nobody without the key can look up."""
        if value in ("", None) or value != value:
            return ""
        text = value if type(value) is str else plain(value)
        return hashlib.blake2b(text.encode(), digest_size=8, key=self.key).hexdigest()


def ignore(*_: Any) -> None:
    """Count nothing."""


def frame(payload: bytes) -> bytes:
    """Bytes as a block."""
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def head_block(facts: Facts) -> bytes:
    """The first block of a segment."""
    return frame(orjson.dumps(facts._asdict()))


def payloads(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """What stands in the blocks of a segment, up to one that is not whole."""
    while len(start := read(FRAME.size)) == FRAME.size:
        size, check = FRAME.unpack(start)
        payload = read(size)
        if len(payload) < size or zlib.crc32(payload) != check:
            return
        yield payload


def facts_of(payload: bytes) -> Facts:
    """The first block of a segment; a ValueError if it is of another format."""
    found = orjson.loads(payload)
    if found.get("format") != FORMAT:
        raise ValueError(f"format {found.get('format')} is not known")
    names = tuple((str(name), str(kind)) for name, kind in found.pop("columns"))
    labels = found.pop("labels")
    return Facts(**found, columns=names, labels=None if labels is None else tuple(labels))


def row_count(payload: bytes) -> int:
    """The rows of a block."""
    return len(orjson.loads(head_of(payload))["rows"])


def head_of(payload: bytes) -> bytes:
    """The JSON of a block."""
    (size,) = SIZE.unpack_from(payload)
    return payload[SIZE.size : SIZE.size + size]


def lines(facts: Facts, payload: bytes) -> Iterator[bytes]:
    """The rows of a block as lines of JSON."""
    head = orjson.loads(text := head_of(payload))
    numbers, texts = facts.order
    total = len(head["rows"])
    rest = np.frombuffer(payload, "<f4", offset=SIZE.size + len(text))
    found: dict[str, list[Any]] = dict(zip(texts, map(blank_to_none, head["texts"]), strict=True))
    kinds = dict(facts.columns)
    for k, name in enumerate(numbers):
        found[name] = numbers_of(rest[k * total : (k + 1) * total], kinds[name])
    likely = rest[len(numbers) * total :]
    scores = score_rows(facts, likely, total) if len(likely) else [None] * total
    known = [found[name] for name, _ in facts.columns]
    inputs = zip(*known, strict=True) if known else [()] * total
    names = [name for name, _ in facts.columns]
    values = head["values"] if facts.labels is not None else short(head["values"])
    about = zip(moments(head), inputs, values, scores, strict=True)
    for (time, id_), row, value, score in about:
        line: dict[str, Any] = {"time": time, "id": id_, "model": facts.model}
        line |= {"release": facts.release, "inputs": dict(zip(names, row, strict=True))}
        line["output"] = value
        if facts.labels is not None:
            line["scores"] = score
        yield orjson.dumps(line) + b"\n"


def blank_to_none(values: list[str]) -> list[str | None]:
    """Texts with None for a missing one."""
    return [value or None for value in values]


def numbers_of(values: np.ndarray, kind: str) -> list[Any]:
    """Numbers of 32 bits with as few digits as tell them apart, whole numbers, or truths."""
    plain: list[Any] = orjson.loads(orjson.dumps(np.ascontiguousarray(values), option=NUMPY))
    if kind == "number":
        return plain
    make = bool if kind == "boolean" else int
    return [None if value is None else make(value) for value in plain]


def short(values: list[float]) -> list[float]:
    """Numbers of 32 bits with as few digits as tell them apart; others as they are."""
    narrow = np.array(values, np.float32)
    return numbers_of(narrow, "number") if (narrow == np.array(values)).all() else values


def score_rows(facts: Facts, likely: np.ndarray, total: int) -> list[dict[str, float]]:
    """The probability of each label, row by row."""
    labels = facts.labels or ()
    table = orjson.loads(orjson.dumps(likely.reshape(total, len(labels)), option=NUMPY))
    return [dict(zip(labels, row, strict=True)) for row in table]


def moments(head: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Time and id of each row."""
    rows = iter(head["rows"])
    for id_, time, count in zip(head["ids"], head["times"], head["counts"], strict=True):
        moment = datetime.fromtimestamp(time / 1e6, UTC).isoformat(timespec="milliseconds")
        for _ in range(count):
            yield moment.replace("+00:00", "Z"), f"{id_}/{next(rows)}"
