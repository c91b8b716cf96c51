"""A table against its columns' contract: types it, and names every rule that it breaks."""

from collections.abc import Mapping

import pandas as pd
import pandera.pandas as pa

from mlgitops.core.errors import join_names
from mlgitops.data import reading
from mlgitops.data.schema import Column

VIOLATION = ["column", "rule", "row", "value"]


def cast_table(
    frame: pd.DataFrame, columns: Mapping[str, Column]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The columns with their types, and a violation for each value of another type.

    Other columns of the table are left out; a column that the table lacks is a violation without a
    row. A value that does not fit becomes a missing one.
    """
    cast_columns: dict[str, pd.Series] = {}
    broken = []
    for name, column in columns.items():
        if name not in frame:
            broken.append(
                pd.DataFrame([[name, "is missing from the table", -1, ""]], columns=VIOLATION)
            )
            continue
        given = reading.plain(frame[name].reset_index(drop=True))
        cast_columns[name] = cast(given, column)
        lost = given[cast_columns[name].isna() & given.notna()]
        values = lost[reading.has_value(lost, column.missing)].astype("str")
        if len(values):
            rule = f"is not of type {column.type}"
            broken.append(
                pd.DataFrame({"column": name, "rule": rule, "row": values.index, "value": values})
            )
    return pd.DataFrame(cast_columns), _concatenate(broken)


def cast(values: pd.Series, column: Column) -> pd.Series:
    """The values with the column's type; those that do not fit, or mean missing, are missing."""
    values = reading.plain(values)
    # A text that is no number becomes a missing one anyhow.
    if reading.is_text(values) and (column.missing or column.type not in ("number", "integer")):
        values = values.where(reading.has_value(values, column.missing))
    match column.type:
        case "number":
            return reading.numbers(values, column.format)
        case "integer":
            return reading.whole(reading.numbers(values, column.format))
        case "boolean":
            return reading.booleans(values)
        case "time":
            return reading.moments(values, column.format)
        case "category":
            return reading.strings(values)


def violations(table: pd.DataFrame, columns: Mapping[str, Column]) -> pd.DataFrame:
    """The broken rules of a typed table: column, rule, row (its position), value; one line each."""
    contract = pa.DataFrameSchema({name: _rules(columns[name]) for name in table})
    try:
        contract.validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        return pd.DataFrame(
            {
                "column": cases["column"],
                "rule": cases["check"].replace("not_nullable", "has missing values"),
                "row": cases["index"].astype("int64"),
                "value": cases["failure_case"].astype("str"),
            }
        )
    return _concatenate([])


def _rules(column: Column) -> pa.Column:
    checks = []
    if column.range is not None:
        low, high = column.range
        checks.append(pa.Check.in_range(low, high, error=f"is outside {low:g} to {high:g}"))
    if column.categories is not None:
        error = f"is not one of {join_names(column.categories)}"
        checks.append(pa.Check.isin(column.categories, error=error))
    return pa.Column(None, checks, nullable=column.nullable)


def check(frame: pd.DataFrame, columns: Mapping[str, Column]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The typed table and all its violations."""
    table, mistyped = cast_table(frame, columns)
    broken = violations(table, columns)
    if not mistyped.empty:
        # A value of another type became a missing one: it is named once, for its type.
        key = ["column", "row"]
        seen = broken.set_index(key).index.isin(mistyped.set_index(key).index)
        broken = broken[~(seen & (broken["rule"] == "has missing values"))]
    return table, _concatenate([mistyped, broken])


def count_by_rule(broken: pd.DataFrame) -> pd.DataFrame:
    """A line for each broken rule of a column: its first row and value, and how many rows."""
    return (
        broken.assign(rows=1)
        .groupby(["column", "rule"], sort=False, as_index=False)
        .agg(row=("row", "first"), value=("value", "first"), rows=("rows", "sum"))
    )


def summary(broken: pd.DataFrame) -> list[str]:
    """One line a broken rule: the column, the rule, the number of rows, the first example.

    The violations may be `counted`, of several parts of a table.
    """
    lines = []
    known = broken if "rows" in broken else count_by_rule(broken)
    for (column, rule), cases in known.groupby(["column", "rule"], sort=False):
        first, count = cases.iloc[0], int(cases["rows"].sum())
        where = f": {count} row{'s' * (count > 1)}, first row {first['row'] + 1}"
        example = "" if rule == "has missing values" else f" ({first['value'][:40]})"
        lines.append(f"{column}: {rule}" + (where + example if first["row"] >= 0 else ""))
    return lines


def _concatenate(parts: list[pd.DataFrame]) -> pd.DataFrame:
    parts = [part for part in parts if not part.empty]
    if not parts:
        return pd.DataFrame(columns=VIOLATION)
    return pd.concat(parts, ignore_index=True)
