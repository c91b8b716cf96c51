"""Text tables: how a file is written, its cells as text, and its rows in parts."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import count
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from mlgitops.core.errors import UserError
from mlgitops.data.reading import is_text
from mlgitops.data.schema import Column

HEAD = 1 << 20
BLANKS = r"\s+"
# Numbers, not dates such as 31.12.2024; 1,234 may be either, and so tells nothing.
WITH_COMMA = r"(?<![\d.,])(?:\d+,(?!\d{3}(?!\d))\d+|\d{1,3}(?:\.\d{3})+,\d+)(?![\d.,])"
WITH_POINT = r"(?<![\d.,])\d+\.\d+(?![\d.,])"
# A number with a decimal comma, or with points between thousands; a sign or currency beside it.
COMMA_NUMBER = r"[^\w.,]*(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|0|[1-9][0-9]*)(?:,[0-9]+)?[^\w.,]*"
EMPTY = {"keep_default_na": False, "na_values": [""]}


@dataclass(frozen=True)
class Dialect:
    """How a text table is written."""

    encoding: str
    delimiter: str
    decimal: str
    names: tuple[str, ...]

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of pandas.read_csv; an empty cell alone is missing."""
        return {
            "sep": self.delimiter,
            "encoding": self.encoding,
            "names": unique_names(self.names),
            "header": 0,
            **EMPTY,
        }


def detect(head: bytes) -> Dialect:
    """Encoding, delimiter and column names of a text table, from its first megabyte."""
    encoding = detect_encoding(head)
    if encoding is None:
        raise UserError("is not a table: it contains binary data")
    text = head.decode(encoding, errors="ignore").lstrip("\ufeff\r\n")
    if not text.strip():
        raise UserError("is empty")
    delimiter = detect_delimiter(text)
    names = pd.read_csv(
        StringIO(text), sep=delimiter, header=None, nrows=1, dtype="str", keep_default_na=False
    )
    commas = len(re.findall(WITH_COMMA, text)) > len(re.findall(WITH_POINT, text))
    decimal = "," if commas and delimiter != "," else "."
    return Dialect(encoding, delimiter, decimal, tuple(names.iloc[0]))


def detect_encoding(head: bytes) -> str | None:
    """The encoding of a text by its first bytes; None if they are no text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in head:
        return None
    # A character may be cut by the end of the head.
    whole = head[: head.rfind(b"\n") + 1] if len(head) == HEAD else head
    try:
        whole.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def detect_delimiter(text: str) -> str:
    """What stands most often in the header, outside of quotes; runs of blanks if nothing else."""
    first, _, rest = text.partition("\n")
    unquoted = re.sub(r'"[^"]*"', "", first)
    delimiter = max(",;\t|", key=unquoted.count)
    if unquoted.count(delimiter):
        return delimiter
    names = unquoted.split()
    rows = [len(line.split()) for line in re.sub(r'"[^"]*"', "x", rest).splitlines()[:20] if line]
    return BLANKS if len(names) > 1 and set(rows) == {len(names)} else delimiter


def read_texts(open_file: Callable[[], IO[bytes]], dialect: Dialect) -> pd.DataFrame:
    """All cells as text, an empty one missing; numbers with a decimal comma get a point."""
    with open_file() as file:
        frame = read_fast(file, dialect)
    if frame is None:
        with open_file() as file:
            frame = pd.read_csv(file, dtype="str", **dialect.options)
    if dialect.decimal == ",":
        for name in frame:
            if frame[name].dropna().str.fullmatch(COMMA_NUMBER).all():
                frame[name] = with_points(frame[name])
    return frame


def read_fast(file: IO[bytes], dialect: Dialect) -> pd.DataFrame | None:
    """The same by Arrow, in a tenth of the time; None where it is stricter than pandas."""
    if dialect.delimiter == BLANKS:
        return None
    encoding = "utf8" if dialect.encoding == "utf-8-sig" else dialect.encoding
    columns = {f"f{number}": pa.string() for number in range(len(dialect.names))}
    try:
        table = pyarrow.csv.read_csv(
            file,
            pyarrow.csv.ReadOptions(encoding=encoding, autogenerate_column_names=True),
            pyarrow.csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
            pyarrow.csv.ConvertOptions(
                column_types=columns, null_values=[""], strings_can_be_null=True
            ),
        )
    except (pa.ArrowException, UnicodeError):
        return None
    # The first row is the header: it has no other place if a name spans lines.
    table = table.slice(1)
    return table.to_pandas().set_axis(unique_names(dialect.names), axis=1)


def with_points(texts: pd.Series) -> pd.Series:
    """Numbers with a decimal comma as ones with a point; other texts stay."""
    fits = texts.str.fullmatch(COMMA_NUMBER).fillna(False).astype("bool")
    swapped = texts.str.translate(str.maketrans(".,", ",."))
    return texts.where(~fits, swapped)


def types(dialect: Dialect, columns: Mapping[str, Column], text: Sequence[str]) -> dict[str, str]:
    """The columns to read as text: all but those of plain numbers that `text` does not name."""
    plain = {
        name
        for name, one in columns.items()
        if one.type in ("number", "integer") and not (one.missing or one.format)
    }
    return {name: "str" for name in unique_names(dialect.names) if name not in plain - {*text}}


def read_parts(
    file: IO[bytes], dialect: Dialect, rows: int, types: Mapping[str, str]
) -> Iterator[pd.DataFrame]:
    """The rows in parts of at most `rows`, the cells of the columns with their types."""
    options = dialect.options | {"decimal": dialect.decimal}
    with pd.read_csv(file, **options, dtype=dict(types), chunksize=rows) as parts:
        yield from parts


def with_points_in(part: pd.DataFrame, columns: Mapping[str, Column]) -> pd.DataFrame:
    """The rows with points in the numbers of the contract that are still text."""
    texts = {
        name: with_points(part[name])
        for name, one in columns.items()
        if one.type in ("number", "integer") and name in part and is_text(part[name])
    }
    return part.assign(**texts)


def unique_names(names: Iterable[object]) -> list[str]:
    """The names as text, trimmed, none of them empty, each another."""
    trimmed = [str(name).strip() or f"Unnamed: {k}" for k, name in enumerate(names)]
    given, found = set(trimmed), dict[str, None]()
    for name in trimmed:
        numbered = (f"{name}.{number}" for number in count(1))
        other = (one for one in numbered if one not in given and one not in found)
        found[next(other) if name in found else name] = None
    return list(found)
