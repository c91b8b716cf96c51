"""A table of unknown columns → the schema that a person then reviews."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mlgitops.core.errors import UserError, join_names
from mlgitops.data import reading
from mlgitops.data.contract import cast
from mlgitops.data.schema import NUMBER_FORMATS, Column, Format, Schema, Task, Type

# Names of columns that number the rows.
NUMBERING = re.compile(r"(^|[\W_])(id|idx|index|key|uuid|guid|nr|no|rowid)$|^unnamed: \d+$", re.I)
DATE = r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}"
SHORT_DATE = r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.]"  # the year comes last
CODE = r"[+-]?0[0-9]"  # leading zeros tell a code from a number
INFINITE = r"[+-]?(?:inf|infinity|Infinity|Inf)"
LONG = r"[+-]?[0-9]{16,}"
BOOLEANS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})

SPELLINGS = 10  # of yes and no, at most
LISTED = 50  # a category with more values is open: any text is allowed
CLASSES = 20  # a whole-number target with more values is a quantity
SLICED = 12  # a column with more values makes too many slices
SLICES = 3  # so many columns are sliced at first
WORDS = 4  # text of so many words, in the median, is prose
TINY = 1e-300  # a smaller span has no power of ten
DISTINCT = 0.5  # a text column with a larger share of distinct values names its rows


@dataclass(frozen=True)
class Look:
    """What values look like: a type (None if they are nested), words for missing, a format."""

    type: Type | None
    missing: tuple[str, ...] = ()
    format: Format | None = None
    ambiguous: bool = False  # a date that may be day first and month first

    @property
    def column(self) -> Column:
        """The contract that reads the values so; of text if they are nested."""
        return Column(type=self.type or "category", missing=self.missing, format=self.format)


def kind(values: pd.Series) -> Type | None:
    """The type that the values show; None if they are nested, and so of no type."""
    return look(values).type


def look(values: pd.Series, words: Sequence[str] = ()) -> Look:
    """What the values look like, by their storage or, where they are text, by all of the texts.

    `words` mean a missing value, whatever the type.
    """
    values = reading.plain(values)
    if pd.api.types.is_bool_dtype(values):
        return Look("boolean")
    if pd.api.types.is_datetime64_any_dtype(values):
        return Look("time")
    if pd.api.types.is_numeric_dtype(values):
        return Look("integer" if is_whole(values.dropna()) else "number")
    some = values.dropna().head(100)
    if any(isinstance(value, (list, dict, tuple, np.ndarray)) for value in some):
        return Look(None)
    texts = reading.strip(pd.Series(values.dropna().astype("str").unique())).drop_duplicates()
    return look_at_texts(texts[texts != ""].reset_index(drop=True), words)


def is_whole(numbers: pd.Series) -> bool:
    """Whether all numbers are whole and exact as float64."""
    return bool((numbers % 1 == 0).all() and numbers.abs().max() < reading.EXACT)


def look_at_texts(texts: pd.Series, words: Sequence[str]) -> Look:
    """What distinct texts look like; usual words for missing are such beside another type only."""
    is_word = texts.isin([*reading.MISSING, *words])
    missing, rest = tuple(sorted(texts[is_word])), texts[~is_word]
    if 0 < len(rest) <= SPELLINGS and set(rest.str.lower()) in BOOLEANS:
        return Look("boolean", missing)
    if found := look_at_numbers(rest) or look_at_dates(rest):
        return replace(found, missing=missing)
    return Look("category", tuple(word for word in missing if word in words))


def look_at_numbers(texts: pd.Series) -> Look | None:
    """A number in the first format that all texts have; None if one is a code or no number."""
    if texts.empty or not texts.head(100).str.contains(r"[0-9]|inf").all():
        return None
    forms: tuple[Format | None, ...] = (None, *NUMBER_FORMATS)
    for form in forms:
        if are_numbers(texts.head(100), form) and are_numbers(texts, form):
            return look_at_size(texts, reading.parse(texts, form), form)
    return None


def are_numbers(texts: pd.Series, form: Format | None) -> bool:
    """Whether all texts are numbers of the format; an infinite one is, though no model takes it."""
    rest = texts[reading.parse(texts, form).isna()]
    return bool(rest.str.fullmatch(INFINITE).all())


def look_at_size(texts: pd.Series, numbers: pd.Series, form: Format | None) -> Look | None:
    """Whether numbers are whole; None for codes: leading zeros, or more digits than are exact."""
    if numbers.isna().all() or texts.str.match(CODE).any():
        return None
    if is_whole(numbers):
        return Look("integer", format=form)
    return None if texts.str.fullmatch(LONG).any() else Look("number", format=form)


def look_at_dates(texts: pd.Series) -> Look | None:
    """A time, if all texts are dates: ISO 8601, or in the order that fits them."""
    if texts.empty or not (texts.head(100).str.match(DATE).all() and texts.str.match(DATE).all()):
        return None
    if not texts.str.match(SHORT_DATE).all():
        return Look("time") if reading.moments(texts, None).notna().all() else None
    forms: list[Format] = (
        ["day_first"] if reading.is_dotted(texts) else ["month_first", "day_first"]
    )
    fit = [form for form in forms if reading.fits_order(texts, form == "day_first")]
    return Look("time", format=fit[0], ambiguous=len(fit) == 2) if fit else None


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


def limits(values: pd.Series, column: Column) -> Column:
    """The column with the range or the categories that its values suggest."""
    known = cast(values, column)
    found = column.model_copy(update={"nullable": bool(known.isna().any())})
    if column.type in ("number", "integer"):
        return found.model_copy(update={"range": widen_range(known)})
    if column.type == "category":
        levels = sorted(known.dropna().unique())
        listed = tuple(levels) if len(levels) <= LISTED else None
        return found.model_copy(update={"categories": listed})
    return found


def check_target(values: pd.Series, column: Column) -> None:
    """Refuse a target with missing, infinite or nested values, or with one value only."""
    if missing := int((~reading.has_value(values, column.missing)).sum()):
        raise UserError(
            f"the target {values.name!r} is missing in {missing} rows: remove these rows"
        )
    read = cast(values, column)
    if infinite := int(read.isna().sum()):
        raise UserError(f"the target {values.name!r} is infinite in {infinite} rows")
    if read.nunique() == 1:
        raise UserError(f"the target {values.name!r} is constant: there is nothing to learn")


def check_classes(values: pd.Series) -> None:
    """Refuse a class of one row: it cannot be in the training and in the test set."""
    counts = values.value_counts()
    if counts.min() == 1:
        alone = counts.index[counts == 1]
        have = "have one row only each" if len(alone) > 1 else "has one row only"
        names = join_names(sorted(map(repr, map(str, alone))))
        raise UserError(
            f"the target {values.name!r}: the class {names} {have}; RARE=drop leaves such rows "
            "out, RARE=other makes one class of them, TASK=regression if it is a quantity"
        )


def task_of(values: pd.Series, shown: Type | None, wanted: Task | None) -> Task:
    """What kind of prediction the target asks for; its values are typed."""
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


def look_at_target(values: pd.Series, words: Sequence[str] = ()) -> Look:
    """What a target looks like; a UserError if its values are nested."""
    shown = look(values, words)
    if shown.type is None:
        raise UserError(f"the target {values.name!r} holds lists or other nested values")
    return shown


def target_column(values: pd.Series, shown: Look, task: Task) -> Column:
    """The target: numbers for a regression, else whole numbers or the text of the classes."""
    if task == "regression":
        return limits(values, shown.column)
    if shown.type == "integer":
        numbers = cast(values, shown.column)
        ends = (float(numbers.min()), float(numbers.max()))
        return shown.column.model_copy(update={"range": ends})
    column = Column(type="category", missing=shown.missing)
    return column.model_copy(
        update={"categories": tuple(sorted(cast(values, column).dropna().unique()))}
    )


def time_column(values: pd.Series, words: Sequence[str] = ()) -> Column:
    """The time: moments or numbers, none of them missing."""
    shown = look(values, words)
    if shown.type not in ("time", "integer", "number"):
        raise UserError(f"the time {values.name!r} holds neither dates nor numbers")
    if missing := int((~reading.has_value(values, shown.missing)).sum()):
        raise UserError(f"the time {values.name!r} is missing in {missing} rows")
    return shown.column


def infer(
    frame: pd.DataFrame,
    target: str,
    time: str | None,
    wanted: Task | None,
    words: Sequence[str] = (),
) -> Schema:
    """The schema that the table suggests; a UserError if nothing can be learned from the table."""
    check_roles(frame, target, time)
    shown = look_at_target(frame[target], words)
    check_target(frame[target], shown.column)
    typed = cast(frame[target], shown.column)
    task = task_of(typed, shown.type, wanted)
    if task != "regression":
        check_classes(typed)
    rest = frame.drop(columns=[target, *([time] if time else [])])
    features, left_out = features_of(rest, words)
    if not features:
        why = (
            join_names(f"{name}: {reason}" for name, reason in left_out.items()) or "there is none"
        )
        raise UserError(f"no column is left to predict {target!r} from ({why})")
    columns = features | {target: target_column(frame[target], shown, task)}
    if time:
        columns[time] = time_column(frame[time], words)
    return Schema(
        task=task,
        target=target,
        time=time,
        slices=slices(frame, features),
        columns={name: columns[name] for name in frame if name in columns},
        left_out=left_out,
    )


def check_roles(frame: pd.DataFrame, target: str, time: str | None) -> None:
    """Refuse a target and a time that are not there, or are the same."""
    for name in [target, *([time] if time else [])]:
        if name not in frame:
            raise UserError(f"there is no column {name!r}; there are {join_names(frame.columns)}")
    if target == time:
        raise UserError(f"{target!r} cannot be both the target and the time")


def features_of(
    frame: pd.DataFrame, words: Sequence[str] = ()
) -> tuple[dict[str, Column], dict[str, str]]:
    """The columns to predict from, and the others with the reason why not."""
    columns, left_out = {}, {}
    for name in frame:
        shown = look(frame[name], words)
        typed = cast(frame[name], shown.column) if shown.type else frame[name]
        if reason := reason_to_leave_out(name, typed, shown.type):
            left_out[name] = reason
        else:
            columns[name] = limits(typed, shown.column)
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
