"""JSON as clients write it."""

import json
from typing import Any

import orjson

from mlgitops.serving.errors import Refusal


def parsed(text: bytes) -> dict[str, Any]:
    """The object that a body holds; NaN and Infinity are read too, as Python's clients write them.

    A Refusal if it is not JSON, or not an object.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        found = lenient(text, error)
    if type(found) is not dict:
        raise Refusal("bad_form", f"the body must be a JSON object, not a {type(found).__name__}")
    return found


def lenient(text: bytes, error: ValueError) -> Any:
    """What Python's own parser makes of it, where that is text and numbers that others know."""
    try:
        found = json.loads(text.decode("utf-8"), parse_int=whole)
        # Half of a surrogate pair, or more levels than any column has.
        orjson.dumps(found, default=str)
    except (ValueError, RecursionError, TypeError):
        raise Refusal("not_json", f"the body is not JSON: {error}") from None
    return found


def whole(digits: str) -> int | float:
    """A whole number; as orjson reads it, a float where 64 bits do not hold it."""
    return int(digits) if len(digits) < 19 else float(digits)
