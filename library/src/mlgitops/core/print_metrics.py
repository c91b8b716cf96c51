"""`make show`: the metrics and the slices of the last run, as tables."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlgitops.core import paths
from mlgitops.core.errors import UserError

METRICS, SLICES = paths.METRICS, paths.SLICES
WIDTH = 100  # columns of a terminal
CLASS = 20  # characters of the name of a class


def align(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of the same keys as aligned text: names to the left, numbers to the right."""
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = [isinstance(value, str) for value in rows[0].values()]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in cells
    )


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def cut(text: str, width: int) -> str:
    """A name of at most so many characters."""
    return text if len(text) <= width else text[: width - 1] + "\u2026"


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows that start with `slice` as text of at most WIDTH columns: long names are cut."""
    numbers = [{key: value for key, value in row.items() if key != "slice"} for row in rows]
    room = WIDTH - 2 - max(map(len, align(numbers).splitlines()))
    return align([{**row, "slice": cut(str(row["slice"]), max(room, 8))} for row in rows])


def show() -> None:
    """Print the metrics and the slices of the last run."""
    try:
        measured, sliced = (json.loads(path.read_text("utf-8")) for path in (METRICS, SLICES))
    except OSError:
        raise UserError(f"{METRICS} is not there: run `make pipeline`") from None
    rows = [{"slice": "(all rows)", **measured}]
    for part in sliced:
        name = f"{part.pop('column')} = {part.pop('value')}"
        rows.append({"slice": name, **part})
    found = classes()
    if never := never_predicted(found):
        print(f"Never predicted: {', '.join(never)}\n")
    print(table(rows))
    if found:
        print(f"\n{class_table(found)}")


def classes() -> list[dict[str, Any]]:
    """Recall, precision and confusion of each class; empty for a regression."""
    try:
        found: list[dict[str, Any]] = json.loads(paths.CLASSES.read_text("utf-8"))
    except OSError:
        return []
    return found


def never_predicted(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The classes that the test set has and the model never predicts."""
    return [one["class"] for one in found if one["rows"] and not one["predicted"]]


def class_table(found: Sequence[Mapping[str, Any]]) -> str:
    """A line for each class: rows, recall, precision, and what its rows were most predicted as."""
    return align(
        [
            {
                "class": cut(one["class"], CLASS),
                "rows": one["rows"],
                "recall": one["recall"],
                "precision": one["precision"],
                "predicted as": most_common(one["confusion"]),
            }
            for one in found
        ]
    )


def most_common(confusion: Mapping[str, int]) -> str:
    """The classes that rows were predicted as, the most frequent first, as text."""
    counts = sorted(confusion.items(), key=lambda one: -one[1])
    return cut(", ".join(f"{cut(name, CLASS)} {count}" for name, count in counts), 50)
