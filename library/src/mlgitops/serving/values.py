"""What one value of a request is called where it is refused."""

import reprlib
from typing import Any

from mlgitops.serving.errors import Refusal

SHOWN = 40
BRIEF = reprlib.Repr()
# A list of a million lists is shown by its first two levels.
BRIEF.maxlevel, BRIEF.maxlist, BRIEF.maxdict, BRIEF.maxother = 2, 4, 4, SHOWN


def missing(value: Any) -> bool:
    """None, NaN, or an empty text."""
    return value is None or value == "" or (type(value) is float and value != value)


def plain(number: float) -> str:
    """All digits of a number, as JSON writes a whole one."""
    return str(number).removesuffix(".0")


def show(value: Any) -> str:
    """The first characters of a value, whatever it holds."""
    return (BRIEF.repr(value) if type(value) in (list, dict) else str(value))[:SHOWN]


def name_list(names: list[str], most: int = 8) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def value_refusal(reason: str, name: str, rule: str, row: int, value: Any = None) -> Refusal:
    """Says the column, the rule and the row, counted from 1."""
    told = "" if value is None else f" ({show(value)})"
    return Refusal(reason, f"{name}: {rule} in row {row + 1}{told}")
