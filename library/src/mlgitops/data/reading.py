"""How a text is read as a value: the rules of a contract, as tables. `serving.reading` has a copy.

Empty is missing; any other word only where the contract says so. A number is plain, or of a named
format; a yes or no is one of fixed words; a date is ISO 8601, or of a named order.
"""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

# Words that mean missing where the rest of a column holds numbers, times or yes and no.
MISSING = (
    "NA", "N/A", "n/a", "na", "#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "Null", "null", "None",
    "none", "nil", "missing", "?", "-", "--", ".", "..",
)  # fmt: skip
TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})
EXACT = 2**53  # whole numbers up to it are exact as float64
LARGEST = float(np.finfo("float32").max)  # the model computes in float32

PLAIN = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
GROUPED = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+"
# What may stand before and after the digits of a number of each format.
AROUND: dict[str, tuple[str, str]] = {
    "thousands": ("", ""),
    "money": (r"(?:US\$|[$€£¥₹]|USD|EUR|GBP|CHF|JPY)?", r"(?:[$€£¥₹]|USD|EUR|GBP|CHF|JPY)?"),
    "percent": ("", "%?"),
}
DOTTED = r"\s*\d{1,2}\.\d{1,2}\.\d"  # 01.02.2024 is the first of February


def pattern(form: str | None) -> str:
    """The regular expression of a whole number text: sign, before, digits, after; or (digits)."""
    if form is None:
        return PLAIN
    before, after = AROUND[form]
    inner = rf"{before}\s*(?:{GROUPED})\s*{after}"
    return rf"[+-]?\s*{inner}|\({inner}\)|{before}\s*[+-](?:{GROUPED})\s*{after}"


def plain(values: pd.Series) -> pd.Series:
    """The values without pandas' categories, which are a form of storage and not a type."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.astype(values.cat.categories.dtype)
    return values


def is_text(values: pd.Series) -> bool:
    """Whether the values are texts, or a mixture that is read as text."""
    return bool(pd.api.types.is_object_dtype(values) or pd.api.types.is_string_dtype(values))


def strip(values: pd.Series) -> pd.Series:
    """The values as text without blanks around it; missing ones stay missing."""
    return values.astype("str").str.strip()


def has_value(values: pd.Series, missing: tuple[str, ...]) -> pd.Series:
    """Which values are there: not missing, not empty, and none of the words for missing."""
    if not is_text(values):
        return values.notna()
    return values.notna() & ~strip(values).isin(["", *missing])


def numbers(values: pd.Series, form: str | None) -> pd.Series:
    """float64, NaN where a value is no number of the format, or too large for float32."""
    if is_text(values):
        found = parse(strip(values), form)
    elif pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        found = pd.Series(np.nan, index=values.index, dtype="float64")
    else:
        found = values.astype("float64")
    return found.where(found.abs() <= LARGEST)


def parse(text: pd.Series, form: str | None) -> pd.Series:
    """Stripped texts as float64, NaN where one does not match the format as a whole."""
    fits = text.str.fullmatch(pattern(form)).fillna(False).astype("bool")
    digits = text.where(fits).str.removeprefix("+")
    if form is not None:
        negative = digits.str.contains(r"^\(|-", regex=True).fillna(False).astype("bool")
        digits = digits.str.replace(r"[^0-9.]", "", regex=True)
        digits = digits.where(~negative, "-" + digits)
    array = pc.cast(pa.array(digits, type=pa.string(), from_pandas=True), pa.float64())
    return pd.Series(array.to_numpy(zero_copy_only=False), index=text.index, dtype="float64")


def whole(values: pd.Series) -> pd.Series:
    """int64, or Int64 where a number is missing, not whole, or too large to be exact."""
    exact = values.where((values % 1 == 0) & (values.abs() < EXACT))
    return exact.astype("Int64") if exact.isna().any() else exact.astype("int64")


def booleans(values: pd.Series) -> pd.Series:
    """bool, or boolean where a value is none of the words."""
    if pd.api.types.is_bool_dtype(values):
        return values
    words = dict.fromkeys(TRUE, True) | dict.fromkeys(FALSE, False)
    found = strip(values).str.lower().map(words)
    return found.astype("boolean" if found.isna().any() else "bool")


def moments(values: pd.Series, form: str | None) -> pd.Series:
    """Moments in UTC, NaT where a value is none; without a format, the order that fits the most."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return pd.to_datetime(values, utc=True)
    if form is not None or is_dotted(values):
        return read_moments(values, dayfirst=form != "month_first")
    found = read_moments(values)
    if found.count() == values.count():
        return found
    other = read_moments(values, dayfirst=True)
    return other if other.count() > found.count() else found


def is_dotted(values: pd.Series) -> bool:
    """Whether a date is written as in 31.12.2024, which is always day first."""
    return bool(values.astype("str").str.match(DOTTED).any())


def fits_order(values: pd.Series, day_first: bool) -> bool:
    """Whether all dates with the year last can be read in an order: no month is above 12."""
    parts = values.str.extract(r"^\s*(\d{1,2})[-/.](\d{1,2})[-/.]").astype("float64")
    month = parts[1] if day_first else parts[0]
    return bool((month <= 12).all() and moments(values, order(day_first)).notna().all())


def order(day_first: bool) -> str:
    """The name of the order."""
    return "day_first" if day_first else "month_first"


def read_moments(values: pd.Series, dayfirst: bool = False) -> pd.Series:
    """Moments in UTC: all in the form of the first value, or in any of ISO 8601."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Each way warns that it is not another.
        found = pd.to_datetime(values, errors="coerce", utc=True, dayfirst=dayfirst)
        if found.count() == values.count():
            return found
        other = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
    return other if other.count() > found.count() else found


def strings(values: pd.Series) -> pd.Series:
    """The values as text: 3 and 3.0 are "3", True is "true", an empty text is a missing one."""
    if pd.api.types.is_bool_dtype(values):
        return values.map({True: "true", False: "false"}).astype("str")
    text = values.astype("str")
    if pd.api.types.is_float_dtype(values):
        text = text.str.removesuffix(".0")
    return text.mask(text.str.strip() == "")
