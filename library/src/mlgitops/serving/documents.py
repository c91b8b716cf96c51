"""JSON as clients write it."""

import json
from typing import Any

import orjson

from mlgitops.serving.errors import Refusal

DEEP = "the body is not JSON that can be read: it is nested too deeply"


def read_object(text: bytes) -> dict[str, Any]:
    """The object that a body holds; NaN and Infinity are read too, as Python's clients write them.

    A Refusal if it is not JSON, not an object, or has an object with the same key twice.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        found = lenient(text, error)
    if type(found) is not dict:
        raise Refusal("bad_form", f"the body must be a JSON object, not a {type(found).__name__}")
    # A colon a key: only if there are more of them is a look at every object needed.
    if text.count(b":") != plain_keys(found):
        check_keys(text)
    return found


def plain_keys(found: dict[str, Any]) -> int:
    """How many keys a request has in the places where each protocol has them."""
    count = len(found)
    for value in found.values():
        if type(value) is dict:
            count += len(value)
        elif type(value) is list and value and type(value[0]) is dict:
            count += sum([len(one) for one in value if type(one) is dict])
    return count


def check_keys(text: bytes) -> None:
    """Refuse an object with the same key twice: which of the values is meant, nobody knows."""
    try:
        # Numbers become their lengths and objects nothing, so that it needs little memory.
        json.loads(
            text.decode("utf-8"), object_pairs_hook=check_pairs, parse_int=len, parse_float=len
        )
    except RecursionError:
        raise Refusal("not_json", DEEP) from None


def check_pairs(pairs: list[tuple[str, Any]]) -> None:
    """Refuse the pairs of an object if two have the same key."""
    known: set[str] = set()
    for key, _ in pairs:
        if key in known:
            raise Refusal("bad_form", f"{key[:40]}: stands twice in the same object")
        known.add(key)


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
