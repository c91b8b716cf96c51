"""Reads the tables that people have, by the end of their name."""

import bz2
import gzip
import json
import lzma
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
from tqdm import tqdm

from mlgitops.core.errors import UserError, join_names
from mlgitops.data import delimited
from mlgitops.data.database import is_database, read_database
from mlgitops.data.delimited import unique_names
from mlgitops.data.schema import Column
from mlgitops.data.source import Source, describe, local_files

PARQUET = (".parquet", ".pq")
OPENERS: dict[str, Callable[[str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": partial(pa.input_stream, compression="zstd"),
}
Table = tuple[pd.DataFrame, list[str]]


def is_parquet(source: str) -> bool:
    """Whether the name says Parquet."""
    return source.lower().endswith(PARQUET)


def form_of(place: str) -> str:
    """The last end of the name that does not tell a compression: .csv of t.csv.gz."""
    ends = Path(place.lower()).suffixes
    return next((end for end in reversed(ends) if end not in OPENERS), "")


def open_file(place: str) -> IO[bytes]:
    """The bytes of a local file, decompressed."""
    opener = OPENERS.get(Path(place.lower()).suffix, partial(open, mode="rb"))
    return cast(IO[bytes], opener(place))


@contextmanager
def explain_errors(source: Source, form: str = "table") -> Iterator[None]:
    """Turns what a reader says of a broken file into a UserError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise UserError(f"{source.name}: is not a {form}: {error}") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise UserError(f"{source.name}: cannot be read ({describe(error, source)})") from None
    except (ValueError, pa.ArrowException) as error:
        raise UserError(f"{source.name}: is not a {form}: {describe(error, source)}") from None


def read(source: Source) -> Table:
    """The whole table, and notes on what had to be changed to read it."""
    if is_database(source.place):
        return flatten(read_database(source)), []
    with local_files(source) as files:
        parts = [read_file(one) for one in files]
    first = parts[0][0]
    for one, (frame, _) in zip(files, parts, strict=True):
        if other := set(frame.columns) ^ set(first.columns):
            raise UserError(
                f"{one.name}: has not the columns of {files[0].name}: {join_names(sorted(other))}"
            )
    notes = list(dict.fromkeys(note for _, some in parts for note in some))
    if len(parts) == 1:
        return first, notes
    together = pd.concat([frame for frame, _ in parts], ignore_index=True)
    return together, [*notes, f"{len(parts)} files are read as one table"]


def read_file(source: Source) -> Table:
    """The table of one file, and notes."""
    form = form_of(source.place)
    if form == ".xls":
        raise UserError(f"{source.name}: a workbook of before 2007: save it as .xlsx")
    reader, name = FORMS.get(form, (read_text, "table"))
    with explain_errors(source, name):
        return reader(source)


def read_text(source: Source) -> Table:
    """A text table, its cells as text."""
    found = dialect(source)
    frame = delimited.read_texts(partial(open_file, source.place), found)
    check_width(frame, source)
    notes = [f"read as {found.encoding}, not UTF-8"] if found.encoding == "cp1252" else []
    if found.delimiter == delimited.BLANKS:
        notes.append("read as columns between runs of blanks")
    repeated = [name for name, count in Counter(map(str.strip, found.names)).items() if count > 1]
    return frame, notes + [
        f"the name {name!r} occurs more than once: the later ones are numbered"
        for name in repeated
        if name
    ]


def read_excel(source: Source) -> Table:
    """A sheet of a workbook, its cells with their own types."""
    from python_calamine import CalamineError

    try:
        return read_sheet(source)
    except CalamineError as error:
        raise ValueError(str(error)) from None


def read_sheet(source: Source) -> Table:
    """The named sheet, else the first, and a note if there are others."""
    with open_file(source.place) as file, pd.ExcelFile(file, "calamine") as book:
        names = [str(name) for name in book.sheet_names]
        sheet = source.sheet or names[0]
        if sheet not in names:
            raise UserError(
                f"{source.name}: there is no sheet {sheet!r}; there are {join_names(names)}"
            )
        cells = book.parse(sheet, dtype=object, keep_default_na=False, na_values=[""])
    notes = [f"the sheet {sheet!r} is read, SHEET= names another: {join_names(names)}"]
    return flatten(cells.infer_objects()), notes if len(names) > 1 and not source.sheet else []


def read_json(source: Source) -> Table:
    """A list of objects, or an object of columns; texts stay texts."""
    with open_file(source.place) as file:
        content = json.load(file)
    rows = isinstance(content, list) and all(isinstance(one, dict) for one in content)
    if not rows and not (isinstance(content, dict) and content):
        raise ValueError("it is neither a list of objects nor an object of columns")
    return flatten(pd.DataFrame(content)), []


def read_json_lines(source: Source) -> Table:
    """An object a line; texts stay texts."""
    with open_file(source.place) as file:
        return flatten(pd.DataFrame([json.loads(line) for line in file if line.strip()])), []


def read_arrow(source: Source, read_table: Callable[[Any], pa.Table]) -> Table:
    """A file of Arrow's family, with its types."""
    with open_file(source.place) as file:
        return flatten(read_table(file).to_pandas()), []


FORMS: dict[str, tuple[Callable[[Source], Table], str]] = {
    **dict.fromkeys(
        PARQUET, (partial(read_arrow, read_table=pyarrow.parquet.read_table), "Parquet file")
    ),
    **dict.fromkeys(
        (".feather", ".arrow"),
        (partial(read_arrow, read_table=pyarrow.feather.read_table), "Feather file"),
    ),
    ".orc": (partial(read_arrow, read_table=pyarrow.orc.read_table), "ORC file"),
    ".xlsx": (read_excel, "workbook"),
    ".json": (read_json, "table in JSON"),
    ".jsonl": (read_json_lines, "table in JSON Lines"),
    ".ndjson": (read_json_lines, "table in JSON Lines"),
}


def dialect(source: Source) -> delimited.Dialect:
    """How a text table is written, from its first megabyte."""
    with open_file(source.place) as file:
        head = file.read(delimited.HEAD)
    try:
        return delimited.detect(head)
    except UserError as error:
        raise UserError(f"{source.name}: {error}") from None


def check_width(frame: pd.DataFrame, source: Source) -> None:
    """Refuse a table whose rows are longer than its header; pandas makes an index of the rest."""
    if not isinstance(frame.index, pd.RangeIndex):
        raise UserError(f"{source.name}: is not a table: its rows have more fields than its header")


def flatten(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with its index, if it has one, as columns; each name once, as text."""
    if not isinstance(frame.index, pd.RangeIndex):
        names = [str(name or "index") for name in frame.index.names]
        frame = frame.reset_index(names=names, allow_duplicates=True)
    return frame.set_axis(unique_names(frame.columns), axis=1)


def chunks(
    path: Path, rows: int, columns: Mapping[str, Column], text: Sequence[str] = ()
) -> Iterator[pd.DataFrame]:
    """A local text or Parquet table in parts of at most `rows` rows, with a progress bar.

    Cells of a text table are text, so that 007 stays 007; plain numbers of the contract are not,
    unless `text` names their column.
    """
    if is_parquet(path.name):
        return parquet_parts(path, rows)
    return text_parts(path, rows, columns, text)


def parquet_parts(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """The rows of a Parquet file in parts."""
    with (
        explain_errors(Source(str(path), str(path)), "Parquet file"),
        pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file,
        tqdm(total=file.metadata.num_rows, unit=" rows", unit_scale=True) as bar,
    ):
        for batch in file.iter_batches(batch_size=rows):
            yield flatten(batch.to_pandas())
            bar.update(batch.num_rows)


def text_parts(
    path: Path, rows: int, columns: Mapping[str, Column], text: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """The rows of a text table in parts."""
    source = Source(str(path), str(path))
    with (
        explain_errors(source),
        open_file(source.place) as file,
        tqdm(unit=" rows", unit_scale=True) as bar,
    ):
        found = dialect(source)
        for part in delimited.read_parts(file, found, rows, delimited.types(found, columns, text)):
            part = delimited.with_points_in(part, columns) if found.decimal == "," else part
            check_width(part, source)
            yield part
            bar.update(len(part))
