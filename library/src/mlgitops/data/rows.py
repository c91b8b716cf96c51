"""Which rows of a new table are learned from: those with a target and a time, of no rare class."""

from collections.abc import Mapping
from typing import Literal

import pandas as pd

from mlgitops.core.errors import UserError, join_names
from mlgitops.data import reading
from mlgitops.data.contract import cast
from mlgitops.data.schema import Column

Rare = Literal["", "drop", "other"]
FEW = 2  # rows of a class that is rare
OTHER = "other"


def drop_missing(
    frame: pd.DataFrame, columns: Mapping[str, Column], limit: float
) -> tuple[pd.DataFrame, list[str]]:
    """The rows in which no column of the contract is missing, and a line for each that was.

    A UserError where the share of the others is above the limit.
    """
    notes = []
    for name, column in columns.items():
        there = reading.has_value(reading.plain(frame[name]), column.missing)
        missing, share = int((~there).sum()), float((~there).mean()) if len(frame) else 0.0
        if not missing:
            continue
        words = words_in(frame[name], column)
        text = f"{name!r} is missing in {missing} of {len(frame)} rows ({share:.1%}){words}"
        if share > limit:
            raise UserError(f"{text}: more than validate.max_missing of gate.yaml, {limit:.1%}")
        frame = frame[there].reset_index(drop=True)
        notes.append(f"{text}: these rows are left out")
    return frame, notes


def words_in(values: pd.Series, column: Column) -> str:
    """The words for missing that the values have, for a message."""
    found = values[values.notna()].astype("str").str.strip()
    counts = found[found.isin(column.missing)].value_counts()
    return f", {join_names(f'{count} say {word!r}' for word, count in counts.items())}" * bool(
        len(counts)
    )


def treat_rare(
    frame: pd.DataFrame, target: str, column: Column, how: Rare
) -> tuple[pd.DataFrame, list[str]]:
    """The table without the rows of rare classes, or with one class of them, and a line on it."""
    values = cast(frame[target], column)
    counts = values.value_counts()
    rare = counts.index[counts <= FEW]
    if not how or rare.empty:
        return frame, []
    if column.type == "number" or (how == "other" and column.type != "category"):
        raise UserError(f"RARE={how}: the target {target!r} has no classes that are text")
    found, names = values.isin(rare), join_names(sorted(map(str, rare)))
    if how == "drop":
        note = f"{int(found.sum())} rows of rare classes are left out: {names}"
        return frame[~found].reset_index(drop=True), [note]
    if OTHER in set(counts.index) - set(rare):
        raise UserError(f"RARE=other: {target!r} has a class {OTHER!r} of its own: RARE=drop")
    merged = frame.assign(**{target: values.mask(found, OTHER)})
    return merged, [f"{int(found.sum())} rows of rare classes are now {OTHER!r}: {names}"]
