"""Drift that people have seen and declined: read from the proposal that they closed.

A proposal to retrain carries what drifted as a mark in its text. Where it was closed and not
merged, the same drift proposes nothing again until it has grown.
"""

import json
import re
from collections.abc import Mapping

from mlgitops.core.errors import UserError
from mlgitops.github.client import GitHost

GROWTH = 1.2  # what drifted must be this many times what was declined to be told again
MARK = re.compile(r"<!-- drift: (\{.*?\}) -->")

# How far each thing moved, by its name: a column and its measure.
Drift = Mapping[str, float]


def parse(text: str) -> Drift:
    """Drift as JSON; a UserError if it is something else."""
    try:
        found = json.loads(text or "{}")
        return {str(name): float(value) for name, value in found.items()}
    except (ValueError, TypeError, AttributeError):
        raise UserError(f"DRIFT={text[:100]!r} is not a mapping of names to numbers") from None


def mark(drift: Drift) -> str:
    """The mark for the text of a proposal; its names, which come from data, cannot end it early."""
    text = json.dumps(dict(drift), sort_keys=True)
    for char in "<>":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return f"<!-- drift: {text} -->"


def find_declined(there: GitHost, branch: str) -> Drift:
    """What the newest closed proposal of a branch had, if nobody merged it."""
    newest = there.pull(branch, state="closed")
    if newest is None or newest.get("merged_at"):
        return {}
    found = MARK.search(newest.get("body") or "")
    return parse(found[1]) if found else {}


def loud(drift: Drift, before: Drift) -> Drift:
    """What is new, or has grown since it was declined."""
    return {
        name: value
        for name, value in drift.items()
        if name not in before or value > GROWTH * before[name]
    }
