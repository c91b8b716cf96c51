"""What was understood of a table: a line a column."""

import pandas as pd

from mlgitops.core.print_metrics import align
from mlgitops.data import reading, schema


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


def explain_reading(frame: pd.DataFrame, rules: schema.Schema) -> list[str]:
    """What was read otherwise than it stands there, or might be: a line for each such column."""
    lines = []
    for name, column in rules.columns.items():
        values = reading.plain(frame[name])
        if not reading.is_text(values):
            continue
        texts = reading.strip(values)
        for word, count in texts[texts.isin(reading.MISSING)].value_counts().items():
            rows = f"{count} row{'s say' if count > 1 else ' says'} {word!r}"
            kept = f"kept as a value: RESET=1 MISSING={word} reads it as missing"
            lines.append(f"{name}: {rows}, {'read as missing' if word in column.missing else kept}")
        lines += explain_format(name, texts[~texts.isin(column.missing)].dropna(), column)
    return lines


def explain_format(name: str, texts: pd.Series, column: schema.Column) -> list[str]:
    """A line on the format of a column; of a date that may be meant otherwise, with the choice."""
    if column.type != "time":
        read = f"{name}: written as {column.format}, as in {texts.iloc[0]!r}: read as numbers"
        return [read] if column.format else []
    if column.format is None:
        return []
    taken, other = column.format.replace("_", " "), other_order(column.format)
    both = all(reading.fits_order(texts, first) for first in (True, False))
    if both and not reading.is_dotted(texts):
        line = f"both fit, so the usual one is taken; format: {other} in schema.yaml is the other"
    else:
        line = "the only order that fits all rows"
    return [f"{name}: {texts.iloc[0]!r} is read {taken}: {line}"]


def other_order(form: str) -> str:
    """The other order of day and month."""
    return "month_first" if form == "day_first" else "day_first"
