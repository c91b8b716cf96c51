"""How a value of a request is read by the contract of its column: the rules of `data.reading`.

What cannot be read stays as it is, to be refused. `missing` and `format` come with the signature.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from mlgitops.serving.contract import Input

TRUTHS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False),
}
PLAIN = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
GROUPED = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+"
# What may stand before and after the digits of a number of each format.
AROUND = {
    "thousands": ("", ""),
    "money": (r"(?:US\$|[$€£¥₹]|USD|EUR|GBP|CHF|JPY)?", r"(?:[$€£¥₹]|USD|EUR|GBP|CHF|JPY)?"),
    "percent": ("", "%?"),
}
NEGATIVE = re.compile(r"^\(|-")
NO_DIGIT = re.compile(r"[^0-9.]")
LONGEST = 400  # characters of a text that may be a number


@cache
def pattern(form: str | None) -> re.Pattern[str]:
    """The regular expression of a whole number text: sign, before, digits, after; or (digits)."""
    if form is None:
        return re.compile(PLAIN)
    before, after = AROUND[form]
    inner = rf"{before}\s*(?:{GROUPED})\s*{after}"
    return re.compile(rf"[+-]?\s*{inner}|\({inner}\)|{before}\s*[+-](?:{GROUPED})\s*{after}")


def read(column: Input, values: Sequence[Any]) -> list[Any]:
    """The values of a column by its type; None for a missing one."""
    readers: dict[str, Callable[[Input, Any], Any]] = {
        "boolean": read_boolean,
        "category": read_text,
    }
    reader = readers.get(column.type, read_number)
    return [reader(column, value) for value in values]


def is_missing(column: Input, text: str) -> bool:
    """Whether a text is empty, or a word for missing."""
    stripped = text.strip()
    return not stripped or stripped in column.missing


def read_number(column: Input, value: Any) -> Any:
    """A text that is a number of the column's format as a number."""
    if type(value) is not str:
        return value
    if is_missing(column, value):
        return None
    text = value.strip()
    if len(text) > LONGEST or not pattern(column.format).fullmatch(text):
        return value
    if column.format is None:
        return float(text)
    digits = float(NO_DIGIT.sub("", text))
    return -digits if NEGATIVE.search(text) else digits


def read_boolean(column: Input, value: Any) -> Any:
    """A word for yes or no, 0 and 1 as true or false."""
    if type(value) is str:
        if is_missing(column, value):
            return None
        return TRUTHS.get(value.strip().lower(), value)
    if type(value) in (int, float) and value in (0, 1):
        return bool(value)
    return value


def read_text(column: Input, value: Any) -> Any:
    """A category as text: 3 and 3.0 are "3", True is "true"; a word for missing is None."""
    match value:
        case str():
            return None if is_missing(column, value) else value
        case bool():
            return str(value).lower()
        case int():
            return str(value) if abs(value) < 10**LONGEST else value
        case float():
            return str(value).removesuffix(".0") if value == value else None
    return value
