"""The check of every request: columns against the signature, a few array operations in all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn

import numpy as np

from mlgitops.serving.contract import Input, Signature, Table
from mlgitops.serving.errors import Refusal

Given = Mapping[str, Sequence[Any]]
# Called with "unknown_category" or "out_of_range", the column, and how many values.
Counted = Callable[[str, str, int], None]
LARGEST = float(np.finfo(np.float32).max)
EXACT = 2**53  # whole numbers below it are exact as float64
NUMBERS = frozenset({int, float, type(None)})
TRUTHS = frozenset({bool, type(None)})
NAMES = {
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "category": "text",
}
SHOWN = 40


def missing(value: Any) -> bool:
    """None, NaN, or an empty text."""
    return value is None or value == "" or (type(value) is float and value != value)


def plain(number: float) -> str:
    """All digits of a number, as JSON writes a whole one."""
    return str(number).removesuffix(".0")


def refused(reason: str, name: str, rule: str, row: int, value: Any = None) -> Refusal:
    """Says the column, the rule and the row, counted from 1."""
    shown = "" if value is None else f" ({str(value)[:SHOWN]})"
    return Refusal(reason, f"{name}: {rule} in row {row + 1}{shown}")


class Columns:
    """The contract of a signature, laid out so that all number columns are one array."""

    def __init__(self, signature: Signature, counted: Counted) -> None:
        """Integers come first among the numbers, so that they are one slice."""
        numbers = [one for one in signature.inputs if one.type in ("number", "integer")]
        numbers.sort(key=lambda one: one.type != "integer")
        self.whole = sum(one.type == "integer" for one in numbers)
        self.count = len(numbers)
        self.numbers = numbers + [one for one in signature.inputs if one.type == "boolean"]
        self.order = [one.name for one in self.numbers]
        self.texts = [
            (one, frozenset(self.allowed(one)))
            for one in signature.inputs
            if one.type == "category"
        ]
        self.names = frozenset(one.name for one in signature.inputs)
        self.accepts_unknown = signature.unknown_category == "accept"
        self.accepts_outside = signature.out_of_range == "accept"
        ranges = [one.range or (-LARGEST, LARGEST) for one in self.numbers]
        largest = [EXACT - 1 if one.type == "integer" else LARGEST for one in self.numbers]
        ends = np.array(largest, dtype=np.float64)[:, None]
        limits = np.clip(np.array(ranges, dtype=np.float64).reshape(-1, 2), -ends, ends)
        self.low, self.high = limits[:, :1], limits[:, 1:]
        self.required = np.array([not one.nullable for one in self.numbers], dtype=bool)[:, None]
        self.counted = counted

    @staticmethod
    def allowed(column: Input) -> Iterable[str | None]:
        """The values of a category that need no second look."""
        return (*(column.categories or ()), *((None, "") if column.nullable else ()))

    def table(self, given: Given) -> Table:
        """What the model takes; a Refusal names the column and the first bad row.

        The columns are lists of one length, at least 1, of what JSON holds.
        """
        if given.keys() != self.names:
            self.misnamed(given)
        table: Table = {}
        if self.numbers:
            lists = [given[name] for name in self.order]
            matrix = self.matrix(lists)
            self.check(matrix)
            table.update(zip(self.order, matrix[:, :, None].astype(np.float32), strict=True))
        for column, allowed in self.texts:
            table[column.name] = self.text(column, allowed, given[column.name])
        return table

    def misnamed(self, given: Given) -> NoReturn:
        """Names the columns that are too many or too few."""
        unknown = [str(name)[:SHOWN] for name in given if name not in self.names]
        if unknown:
            listed = ", ".join(unknown[:8])
            raise Refusal("unknown_column", f"{listed}: not among the model's columns")
        absent = [name for name in sorted(self.names) if name not in given]
        raise Refusal("missing_column", f"{', '.join(absent[:8])}: missing from the request")

    def matrix(self, lists: list[Sequence[Any]]) -> np.ndarray:
        """Numbers, integers and booleans as float64 of shape (columns, rows); NaN if missing."""
        numbers, truths = lists[: self.count], lists[self.count :]
        typed = NUMBERS.issuperset(map(type, chain.from_iterable(numbers)))
        if not typed or not TRUTHS.issuperset(map(type, chain.from_iterable(truths))):
            lists = [self.typed(*pair) for pair in zip(self.numbers, lists, strict=True)]
        return np.array(lists, dtype=np.float64)

    def typed(self, column: Input, values: Sequence[Any]) -> Sequence[Any]:
        """The values, with None for NaN; a Refusal of the first that has another type."""
        right = TRUTHS if column.type == "boolean" else NUMBERS
        for row, value in enumerate(values):
            if type(value) not in right and not (value != value and type(value) is float):
                raise refused("wrong_type", column.name, f"is not {NAMES[column.type]}", row, value)
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
            self.counted("out_of_range", self.numbers[k].name, int(outside[k].sum()))

    def first(self, reason: str, bad: np.ndarray, matrix: np.ndarray, rule: str | None) -> None:
        """Refuse the first bad value, if there is one; without a rule it is the range."""
        if not bad.any():
            return
        k = int(bad.any(axis=1).argmax())
        row = int(bad[k].argmax())
        column, value = self.numbers[k], matrix[k, row]
        if rule is None:
            rule = f"is outside {plain(self.low[k, 0])} to {plain(self.high[k, 0])}"
        shown = None if reason == "missing_value" else plain(value)
        raise refused(reason, column.name, rule, row, shown)

    def text(self, column: Input, allowed: frozenset[str | None], given: Sequence[Any]) -> Any:
        """A category as objects of shape (rows, 1)."""
        try:
            known = allowed.issuperset(given)
        except TypeError:  # A list or an object, which has no hash.
            known = False
        if not known:
            self.look(column, allowed, given)
        if column.nullable:
            given = ["" if missing(value) else value for value in given]
        array = np.empty((len(given), 1), dtype=object)
        array[:, 0] = given
        return array

    def look(self, column: Input, allowed: frozenset[str | None], given: Sequence[Any]) -> None:
        """Refuse or count the values of a category that are not among the allowed ones."""
        unknown = 0
        for row, value in enumerate(given):
            if missing(value):
                if not column.nullable:
                    raise refused("missing_value", column.name, "has no value", row)
            elif type(value) is not str:
                raise refused("wrong_type", column.name, "is not text", row, value)
            elif column.categories is not None and value not in allowed:
                if not self.accepts_unknown:
                    rule = f"is not one of {', '.join(column.categories[:8])}"
                    rule += " and more" * (len(column.categories) > 8)
                    raise refused("unknown_category", column.name, rule, row, value)
                unknown += 1
        if unknown:
            self.counted("unknown_category", column.name, unknown)
