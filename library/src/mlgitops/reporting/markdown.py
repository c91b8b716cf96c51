"""Text that others wrote, made inert for GitHub's Markdown; figures; tables that are cut."""

import math
import re
from collections.abc import Sized
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mlgitops.core.print_metrics import most_common

MOST = 60  # characters of a name
JOINER = "\u200b"  # of no width: keeps @, # and // from becoming a mention or a link
# Punctuation that may mean something; _ and / mean nothing between letters and digits.
SPECIAL = re.compile(r"(?<=[^\W_])[_/](?=[^\W_])|([^\w\s,.;:()%+=-]|_)", re.ASCII)


def line(value: object, most: int = MOST) -> str:
    """Printable text on one line, cut to `most` characters; "(empty)" if nothing is left."""
    text = "".join(char if char.isprintable() else " " for char in str(value))
    text = " ".join(text.split())
    return (text if len(text) <= most else text[: most - 1] + "…") or "(empty)"


def _entity(char: re.Match[str]) -> str:
    code = ord(char[0])
    return (
        char[0]
        if code > 127 or char[1] is None
        else f"&#{code};" + (JOINER if char[0] in "@#/" else "")
    )


def plain(value: object, most: int = 400) -> str:
    """Prose that holds names of columns or people: no character of it means anything."""
    text = SPECIAL.sub(_entity, line(value, most))
    return re.sub(r"(?i)\b(www|gh)([.-])", lambda m: f"{m[1]}{JOINER}{m[2]}", text)


def code(value: object, most: int = MOST) -> str:
    """A name as code, in which GitHub links nothing."""
    text = line(value, most)
    if set(text) & set("`|<"):
        return f"<code>{plain(text, most)}</code>"
    return f"`{text}`"


def label(value: object) -> str:
    """A name in a Mermaid chart: letters and digits, few of them."""
    return line("".join(char if char.isalnum() else " " for char in line(value)), 18)


def figure(value: object) -> str:
    """A number with three significant digits, others as they are, a dash for none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "\u2013"
    if isinstance(value, float):
        return f"{value + 0.0:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)


def span(low: float | None, high: float | None) -> str:
    """An interval in brackets, with a space before it; nothing if there is none."""
    return "" if low is None or high is None else f" ({figure(low)} to {figure(high)})"


def cut(rows: Sized, most: int) -> str:
    """The line that says how many rows of a table are left out; nothing if none is."""
    left = len(rows) - most
    return f"\n… and {left} more, left out to keep this page short.\n" if left > 0 else ""


def render(template: str, **facts: Any) -> str:
    """A template of this package with its facts."""
    environment = Environment(
        loader=PackageLoader("mlgitops.reporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (it is Markdown: the filters below make names inert)
    )
    for make in (line, plain, code, label, figure, span, cut):
        environment.filters[make.__name__] = make
    environment.filters["common"] = most_common
    text = environment.get_template(template).render(**facts)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
