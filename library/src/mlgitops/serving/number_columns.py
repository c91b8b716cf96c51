"""The number, integer and boolean columns of a request, checked as one array."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from mlgitops.serving.contract import Input, Signature, Table
from mlgitops.serving.reading import read
from mlgitops.serving.values import plain, value_refusal

# Called with "unknown_category" or "out_of_range", the column, and how many values.
Counted = Callable[[str, str, int], None]
LARGEST = float(np.finfo(np.float32).max)
EXACT = 2**53  # whole numbers below it are exact as float64
NUMBERS = frozenset({int, float, type(None)})
TRUTHS = frozenset({bool, type(None)})
NAMES = {"number": "a number", "integer": "a whole number", "boolean": "true or false"}


class Numbers:
    """Their contract, laid out so that a few array operations check them all."""

    def __init__(self, signature: Signature, counted: Counted) -> None:
        """Integers come first, so that they are one slice; booleans last."""
        numbers = [one for one in signature.inputs if one.type in ("number", "integer")]
        numbers.sort(key=lambda one: one.type != "integer")
        self.whole = sum(one.type == "integer" for one in numbers)
        self.count = len(numbers)
        self.columns = numbers + [one for one in signature.inputs if one.type == "boolean"]
        self.order = [one.name for one in self.columns]
        self.accepts_outside = signature.out_of_range == "accept"
        ranges = [one.range or (-LARGEST, LARGEST) for one in self.columns]
        largest = [EXACT - 1 if one.type == "integer" else LARGEST for one in self.columns]
        ends = np.array(largest, dtype=np.float64)[:, None]
        limits = np.clip(np.array(ranges, dtype=np.float64).reshape(-1, 2), -ends, ends)
        self.low, self.high = limits[:, :1], limits[:, 1:]
        self.required = np.array([not one.nullable for one in self.columns], dtype=bool)[:, None]
        self.counted = counted

    def table(self, lists: list[Sequence[Any]]) -> Table:
        """The columns, in `order`, as float32 of shape (rows, 1); a Refusal of a bad row."""
        matrix = self.matrix(lists)
        self.check(matrix)
        return dict(zip(self.order, matrix[:, :, None].astype(np.float32), strict=True))

    def matrix(self, lists: list[Sequence[Any]]) -> np.ndarray:
        """Numbers, integers and booleans as float64 of shape (columns, rows); NaN if missing."""
        numbers, truths = lists[: self.count], lists[self.count :]
        typed = NUMBERS.issuperset(map(type, chain.from_iterable(numbers)))
        if not typed or not TRUTHS.issuperset(map(type, chain.from_iterable(truths))):
            lists = [self.check_types(*pair) for pair in zip(self.columns, lists, strict=True)]
        return np.array(lists, dtype=np.float64)

    def check_types(self, column: Input, values: Sequence[Any]) -> Sequence[Any]:
        """The values as read, with None for NaN; a Refusal of the first that has another type."""
        values = read(column, values)
        right = TRUTHS if column.type == "boolean" else NUMBERS
        for row, value in enumerate(values):
            if type(value) not in right and not (value != value and type(value) is float):
                raise value_refusal(
                    "wrong_type", column.name, f"is not {NAMES[column.type]}", row, value
                )
        return [None if value != value else value for value in values]

    def check(self, matrix: np.ndarray) -> None:
        """Refuse or count what is missing, not whole or outside its range."""
        ints = matrix[: self.whole]
        inside = (matrix >= self.low) & (matrix <= self.high)
        if inside.all() and not (self.whole and np.mod(ints, 1).any()):
            return
        absent = np.isnan(matrix)
        self.first("missing_value", absent & self.required, matrix, "has no value")
        broken = (ints != np.trunc(ints)) & ~absent[: self.whole]
        self.first("wrong_type", broken, matrix, "is not a whole number")
        self.first("wrong_type", np.abs(matrix) > LARGEST, matrix, "is not a number of 32 bits")
        self.first("wrong_type", np.abs(ints) >= EXACT, matrix, "is beyond 2^53")
        outside = ~inside & ~absent
        if not self.accepts_outside:
            self.first("out_of_range", outside, matrix, None)
        for k in np.flatnonzero(outside.any(axis=1)):
            self.counted("out_of_range", self.columns[k].name, int(outside[k].sum()))

    def first(self, reason: str, bad: np.ndarray, matrix: np.ndarray, rule: str | None) -> None:
        """Refuse the first bad value, if there is one; without a rule it is the range."""
        if not bad.any():
            return
        k = int(bad.any(axis=1).argmax())
        row = int(bad[k].argmax())
        column, value = self.columns[k], matrix[k, row]
        if rule is None:
            rule = f"is outside {plain(self.low[k, 0])} to {plain(self.high[k, 0])}"
        shown = None if reason == "missing_value" else plain(value)
        raise value_refusal(reason, column.name, rule, row, shown)
