"""A table of unknown columns → the schema that a person then reviews."""

import math
import re

import numpy as np
import pandas as pd

from mlgitops.core.errors import UserError, join_names
from mlgitops.data.contract import cast, strings
from mlgitops.data.schema import Column, Schema, Task, Type

# Names of columns that number the rows.
NUMBERING = re.compile(r"(^|[\W_])(id|idx|index|key|uuid|guid|nr|no|rowid)$|^unnamed: \d+$", re.I)
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
BOOLEANS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})

LISTED = 50  # a category with more values is open: any text is allowed
CLASSES = 20  # a whole-number target with more values is a quantity
SLICED = 12  # a column with more values makes too many slices
SLICES = 3  # so many columns are sliced at first
WORDS = 4  # text of so many words, in the median, is prose
TINY = 1e-300  # a smaller span has no power of ten
DISTINCT = 0.5  # a text column with a larger share of distinct values names its rows


def kind(values: pd.Series) -> Type | None:
    """The type that the values show; None if they are nested, and so of no type."""
    if pd.api.types.is_bool_dtype(values):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(values):
        return "time"
    known = values.dropna()
    if pd.api.types.infer_dtype(known) == "decimal":
        values = known = known.astype("float64")
    if pd.api.types.is_numeric_dtype(values):
        return "integer" if (known % 1 == 0).all() and known.abs().max() < 2**53 else "number"
    if any(isinstance(value, (list, dict, tuple, np.ndarray)) for value in known.head(100)):
        return None
    text = strings(known)
    if set(text.str.lower().unique()) in BOOLEANS:
        return "boolean"
    if text.head(100).str.match(DATE).all() and cast(text, Column(type="time")).notna().all():
        return "time"
    return "category"


def reason_to_leave_out(name: str, values: pd.Series, shown: Type | None) -> str | None:
    """Why a column is no feature; None if it is one."""
    known = values.dropna()
    if known.empty:
        return "every value is missing"
    if shown is None:
        return "holds lists or other nested values"
    if shown == "time":
        return "a time: name it as TIME, or make a feature from it"
    distinct = known.nunique()
    if distinct == 1:
        return f"constant: every value is {str(known.iloc[0])[:40]}"
    if shown == "integer" and distinct == len(values):
        consecutive = known.max() - known.min() == len(known) - 1
        if consecutive or NUMBERING.search(name):
            return "an identifier: it numbers the rows"
    if shown == "category" and distinct > DISTINCT * len(known):
        if known.astype("str").str.split().str.len().median() >= WORDS:
            return "free text"
        if len(known) > 2 * CLASSES:
            return "an identifier: nearly every row has another value"
    return None


def widen_range(values: pd.Series) -> tuple[float, float] | None:
    """The range seen, half as wide again on each side, in round numbers; signs are kept.

    Wide enough for the data that comes next, narrow enough for a wrong unit or a -999.
    """
    known = cast(values, Column(type="number")).dropna()
    if known.empty:
        return None
    low, high = float(known.min()), float(known.max())
    span = max((high - low) or abs(high) or 1.0, TINY)
    step = 10.0 ** math.floor(math.log10(span))
    lowest = math.floor((low - span / 2) / step) * step
    highest = math.ceil((high + span / 2) / step) * step
    return (
        min(low, float(f"{max(0.0, lowest) if low >= 0 else lowest:.12g}")),
        max(high, float(f"{min(0.0, highest) if high <= 0 else highest:.12g}")),
    )


def limits(values: pd.Series, shown: Type) -> Column:
    """A column with the range or the categories that its values suggest."""
    nullable = bool(cast(values, Column(type=shown)).isna().any())
    if shown in ("number", "integer"):
        return Column(type=shown, nullable=nullable, range=widen_range(values))
    if shown == "category":
        levels = sorted(strings(values).dropna().unique())
        listed = tuple(levels) if len(levels) <= LISTED else None
        return Column(type=shown, nullable=nullable, categories=listed)
    return Column(type=shown, nullable=nullable)


def check_target(values: pd.Series) -> None:
    """Refuse a target with missing, infinite or nested values, or with one value only."""
    if kind(values) is None:
        raise UserError(f"the target {values.name!r} holds lists or other nested values")
    if missing := int(values.isna().sum()):
        raise UserError(
            f"the target {values.name!r} is missing in {missing} rows: remove these rows"
        )
    numbers = cast(values, Column(type="number")) if kind(values) == "number" else values
    if infinite := int(numbers.isna().sum()):
        raise UserError(f"the target {values.name!r} is infinite in {infinite} rows")
    if values.nunique() == 1:
        raise UserError(f"the target {values.name!r} is constant: there is nothing to learn")


def check_classes(values: pd.Series) -> None:
    """Refuse a class of one row: it cannot be in the training and in the test set."""
    counts = values.value_counts()
    if counts.min() == 1:
        raise UserError(
            f"the target {values.name!r}: the class {str(counts.idxmin())!r} has one row only; "
            "gather more rows of it, remove it, or say TASK=regression if it is a quantity"
        )


def task_of(values: pd.Series, wanted: Task | None) -> Task:
    """What kind of prediction the target asks for."""
    shown = kind(values)
    if shown == "time":
        raise UserError(f"the target {values.name!r} is a time: name it as TIME")
    distinct = values.nunique()
    quantity = shown == "number" or (shown == "integer" and distinct > CLASSES)
    found: Task = "regression" if quantity else "binary" if distinct == 2 else "multiclass"
    if wanted == "regression" and shown in ("boolean", "category"):
        raise UserError(f"the target {values.name!r} holds no numbers: it cannot be a regression")
    if wanted in ("binary", "multiclass") and (distinct == 2) != (wanted == "binary"):
        raise UserError(f"the target {values.name!r} has {distinct} values: it is not {wanted}")
    return wanted or found


def target_column(values: pd.Series, task: Task) -> Column:
    """The target: numbers for a regression, else whole numbers or the text of the classes."""
    shown = kind(values)
    if task == "regression":
        return limits(values, "integer" if shown == "integer" else "number")
    if shown == "integer":
        return Column(type="integer", range=(float(values.min()), float(values.max())))
    return Column(type="category", categories=tuple(sorted(strings(values).dropna().unique())))


def time_column(values: pd.Series) -> Column:
    """The time: moments or numbers, none of them missing."""
    shown = kind(values)
    if shown not in ("time", "integer", "number"):
        raise UserError(f"the time {values.name!r} holds neither dates nor numbers")
    if missing := int(values.isna().sum()):
        raise UserError(f"the time {values.name!r} is missing in {missing} rows")
    return Column(type=shown)


def infer(frame: pd.DataFrame, target: str, time: str | None, wanted: Task | None) -> Schema:
    """The schema that the table suggests; a UserError if nothing can be learned from the table."""
    task = task_of_table(frame, target, time, wanted)
    features, left_out = features_of(frame.drop(columns=[target, *([time] if time else [])]))
    if not features:
        why = (
            join_names(f"{name}: {reason}" for name, reason in left_out.items()) or "there is none"
        )
        raise UserError(f"no column is left to predict {target!r} from ({why})")
    columns = features | {target: target_column(frame[target], task)}
    if time:
        columns[time] = time_column(frame[time])
    return Schema(
        task=task,
        target=target,
        time=time,
        slices=slices(frame, features),
        columns={name: columns[name] for name in frame if name in columns},
        left_out=left_out,
    )


def task_of_table(frame: pd.DataFrame, target: str, time: str | None, wanted: Task | None) -> Task:
    """The task of the target, once the columns are there and the target can be learned."""
    for name in [target, *([time] if time else [])]:
        if name not in frame:
            raise UserError(f"there is no column {name!r}; there are {join_names(frame.columns)}")
    if target == time:
        raise UserError(f"{target!r} cannot be both the target and the time")
    check_target(frame[target])
    task = task_of(frame[target], wanted)
    if task != "regression":
        check_classes(frame[target])
    return task


def features_of(frame: pd.DataFrame) -> tuple[dict[str, Column], dict[str, str]]:
    """The columns to predict from, and the others with the reason why not."""
    columns, left_out = {}, {}
    for name in frame:
        shown = kind(frame[name])
        if reason := reason_to_leave_out(name, frame[name], shown):
            left_out[name] = reason
        elif shown:
            columns[name] = limits(frame[name], shown)
    return columns, left_out


def slices(frame: pd.DataFrame, features: dict[str, Column]) -> tuple[str, ...]:
    """The categories and booleans with the fewest values: groups worth a metric of their own."""
    counts = {
        name: frame[name].nunique()
        for name, column in features.items()
        if column.type in ("category", "boolean")
    }
    few = sorted((name for name in counts if counts[name] <= SLICED), key=lambda name: counts[name])
    return tuple(few[:SLICES])
