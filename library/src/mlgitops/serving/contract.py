"""artifacts/model/: what a complete folder holds, what it is asked and what it answers."""

import json
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mlgitops.serving.errors import Refusal, UserError

# Named columns of shape (rows, 1): float32, or text ("" if missing).
Table = dict[str, np.ndarray]
Policy = Literal["refuse", "accept"]
FILES = {"onnx": ("model.onnx",), "sklearn": ("model.joblib",)}


class Strict(BaseModel):
    """Frozen; unknown keys are of another format version."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(Strict):
    """A column: what it may hold."""

    name: str
    type: Literal["number", "integer", "boolean", "category"]
    nullable: bool = False
    range: tuple[float, float] | None = None
    categories: tuple[str, ...] | None = None
    seen: tuple[float, float] | None = None
    missing: tuple[str, ...] = ()
    format: str | None = None
    # Left out of the prediction log, or hashed there.
    private: bool | Literal["hash"] = False


class Output(Strict):
    """A result."""

    name: str
    type: Literal["label", "probabilities", "value"]


class Signature(Strict):
    """signature.json."""

    version: Literal[1]
    format: Literal["onnx", "sklearn"]
    task: Literal["binary", "multiclass", "regression"]
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    labels: tuple[int | str, ...] | None = None
    examples: tuple[dict[str, Any], ...] = ()
    unknown_category: Policy = "refuse"
    out_of_range: Policy = "refuse"
    # Columns of the table that are no inputs, as its target: a request may have them.
    ignored: tuple[str, ...] = ()


class Answer:
    """Labels or values of shape (rows,); probabilities of shape (rows, labels) where asked for.

    Its numbers are finite: a Refusal names the first row for which the model computed none.
    """

    __slots__ = ("probabilities", "values")

    def __init__(self, values: np.ndarray, probabilities: np.ndarray | None) -> None:
        """The answer for a table, row by row."""
        numbers = values if probabilities is None else probabilities
        # A sum of squares is finite only if all are: one call, before the look at each.
        if numbers.dtype.kind == "f" and not isfinite(np.vdot(numbers, numbers)):
            finite(numbers)
        self.values, self.probabilities = values, probabilities

    def part(self, start: int, end: int) -> "Answer":
        """The answer for some of the rows."""
        some = None if self.probabilities is None else self.probabilities[start:end]
        return Answer(self.values[start:end], some)


def finite(numbers: np.ndarray) -> None:
    """A Refusal if one is not: for values so large that the model overflows; JSON has no word."""
    known = np.isfinite(numbers)
    if np.count_nonzero(known) < known.size:
        row = int(known.reshape(len(known), -1).all(axis=1).argmin())
        raise Refusal("not_finite", f"the model computes no finite number for row {row + 1}")


class Runtime(Protocol):
    """What computes; safe to call from several threads."""

    def __call__(self, table: Table, likely: bool) -> Answer:
        """The answer for a checked table; `likely`: with probabilities, where it has them."""


def read(folder: Path) -> Signature:
    """The signature of a complete folder; a UserError says what is missing or another version."""
    try:
        signature = Signature.model_validate(read_json(folder / "signature.json"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{folder / 'signature.json'}: {where}: {first['msg']}") from None
    reference = read_json(folder / "reference.json")
    known = reference.get("columns") if isinstance(reference, dict) else None
    if not isinstance(known, dict) or set(known) != {one.name for one in signature.inputs}:
        raise UserError(f"{folder / 'reference.json'} does not describe the signature's columns")
    for name in FILES[signature.format]:
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing: the folder is incomplete")
    return signature


def read_json(file: Path) -> Any:
    """The JSON of a file."""
    try:
        return json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file} is missing: there is no complete model in {file.parent}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {' '.join(str(error).split())}") from None
