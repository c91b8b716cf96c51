"""What was understood of a table: a line a column."""

import pandas as pd

from mlgitops.core.print_metrics import align
from mlgitops.data import schema


def describe_columns(rows: pd.DataFrame, rules: schema.Schema) -> str:
    """What was understood of the table: a line a column."""
    lines = []
    for name in rows:
        column = rules.columns.get(name)
        values = rows[name]
        lines.append(
            {
                "column": name[:40],
                "type": column.type if column else "(left out)",
                "role": role(name, rules),
                "missing": f"{values.isna().mean():.1%}",
                "values": summarize_values(values, column)
                if column
                else rules.left_out.get(name, "not in schema.yaml"),
            }
        )
    return "\n" + align(lines)


def role(name: str, rules: schema.Schema) -> str:
    """target, time, feature (also slice), or nothing."""
    if name in (rules.target, rules.time):
        return "target" if name == rules.target else "time"
    roles = ["feature"] * (name in rules.features) + ["slice"] * (name in rules.slices)
    return ", ".join(roles)


def summarize_values(values: pd.Series, column: schema.Column) -> str:
    """The range of numbers and times, the first categories of others."""
    known = values.dropna()
    if known.empty:
        return ""
    if column.type in ("category", "boolean"):
        levels = sorted(known.astype("str").unique())
        return f"{len(levels)}: {', '.join(levels[:4])}{', …' * (len(levels) > 4)}"[:60]
    low, high = known.min(), known.max()
    return f"{low} to {high}" if column.type == "time" else f"{low:.6g} to {high:.6g}"
