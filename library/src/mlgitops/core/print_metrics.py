"""`make show`: the metrics and the slices of the last run, as tables."""

import json
from collections.abc import Mapping, Sequence

from mlgitops.core import paths
from mlgitops.core.errors import UserError

METRICS, SLICES = paths.METRICS, paths.SLICES


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


def show() -> None:
    """Print the metrics and the slices of the last run."""
    try:
        measured, sliced = (json.loads(path.read_text("utf-8")) for path in (METRICS, SLICES))
    except OSError:
        raise UserError(f"{METRICS} is not there: run `make pipeline`") from None
    rows = [{"column": "(all rows)", "value": "", **measured}, *sliced]
    print(align(rows))
