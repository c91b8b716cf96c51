"""Reads the tables that people have: CSV or Parquet, from a path or an fsspec URL."""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from itertools import count
from pathlib import Path
from typing import IO, Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from tqdm import tqdm

from mlgitops.core.errors import UserError

PARQUET = (".parquet", ".pq")
HEAD = 1 << 20
# Numbers, not dates such as 31.12.2024.
WITH_COMMA = r"(?<![\d.,])\d+,\d+(?![\d.,])"
WITH_POINT = r"(?<![\d.,])\d+\.\d+(?![\d.,])"


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written."""

    encoding: str
    delimiter: str
    decimal: str
    names: tuple[str, ...]

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of pandas.read_csv."""
        return {
            "sep": self.delimiter,
            "decimal": self.decimal,
            "encoding": self.encoding,
            "names": unique_names(self.names),
            "header": 0,
        }


def is_parquet(source: str) -> bool:
    """Whether the name says Parquet; everything else is read as CSV."""
    return source.lower().endswith(PARQUET)


def open_source(source: str) -> IO[bytes]:
    """The bytes of the source, decompressed; a UserError that says why not."""
    if Path(source).is_dir():
        raise UserError(f"{source} is a folder: name one CSV or Parquet file")
    if source.lower().endswith((".xlsx", ".xls", ".json", ".zip")):
        raise UserError(f"{source}: only CSV (also .csv.gz) and Parquet are read; save it as one")
    try:
        file: IO[bytes] = fsspec.open(source, "rb", compression="infer").open()
    except FileNotFoundError:
        raise UserError(f"{source}: there is no such file") from None
    except ImportError as error:
        raise UserError(
            f"{source}: {error}; add the package to the group train in pyproject.toml"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{source}: cannot be read ({error})") from None
    return file


@contextmanager
def explain_errors(source: str, form: str = "table") -> Iterator[None]:
    """Turns what a reader says of a broken file into a UserError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: is not a {form}: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{source}: cannot be read ({error})") from None
    except (ValueError, pa.ArrowException) as error:
        raise UserError(
            f"{source}: is not a {form}: {' '.join(str(error).split())[:200]}"
        ) from None


def dialect(source: str) -> Dialect:
    """Encoding, delimiter and column names of a CSV file, from its first megabyte."""
    with open_source(source) as file, explain_errors(source):
        head = file.read(HEAD)
    encoding = _encoding(head)
    if encoding is None:
        raise UserError(f"{source}: is not a table: it holds bytes that no text has")
    text = head.decode(encoding, errors="ignore").lstrip("\ufeff\r\n")
    if not text.strip():
        raise UserError(f"{source}: is empty")
    unquoted = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    delimiter = max(",;\t|", key=unquoted.count)
    with explain_errors(source):
        names = pd.read_csv(
            StringIO(text), sep=delimiter, header=None, nrows=1, dtype="str", keep_default_na=False
        )
    commas = len(re.findall(WITH_COMMA, text)) > len(re.findall(WITH_POINT, text))
    return Dialect(
        encoding, delimiter, "," if commas and delimiter != "," else ".", tuple(names.iloc[0])
    )


def _encoding(head: bytes) -> str | None:
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


def read(source: str) -> tuple[pd.DataFrame, list[str]]:
    """The whole table, and notes on what had to be changed to read it."""
    if is_parquet(source):
        with open_source(source) as file, explain_errors(source, "Parquet file"):
            return _flat(pyarrow.parquet.read_table(file).to_pandas()), []
    found = dialect(source)
    notes = [f"read as {found.encoding}, not UTF-8"] if found.encoding == "cp1252" else []
    with open_source(source) as file, explain_errors(source):
        frame = pd.read_csv(file, low_memory=False, **found.options)
    _check_width(frame, source)
    repeated = [name for name, count in Counter(map(str.strip, found.names)).items() if count > 1]
    notes += [
        f"the name {name!r} occurs more than once: the later ones are numbered"
        for name in repeated
        if name
    ]
    return frame, notes


def _check_width(frame: pd.DataFrame, source: str) -> None:
    # pandas makes an index of fields that have no name.
    if not isinstance(frame.index, pd.RangeIndex):
        raise UserError(f"{source}: is not a table: its rows have more fields than its header")


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """The table of a Parquet file with its index, if it has one, as columns."""
    if not isinstance(frame.index, pd.RangeIndex):
        names = [str(name or "index") for name in frame.index.names]
        frame = frame.reset_index(names=names, allow_duplicates=True)
    return frame.set_axis(unique_names(frame.columns), axis=1)


def unique_names(names: Iterable[object]) -> list[str]:
    """The names as text, trimmed, none of them empty, each another."""
    trimmed = [str(name).strip() or f"Unnamed: {k}" for k, name in enumerate(names)]
    given, found = set(trimmed), dict[str, None]()
    for name in trimmed:
        numbered = (f"{name}.{number}" for number in count(1))
        other = (one for one in numbered if one not in given and one not in found)
        found[next(other) if name in found else name] = None
    return list(found)


def chunks(path: Path, rows: int, text: list[str]) -> Iterator[pd.DataFrame]:
    """A local table in parts of at most `rows` rows, with a progress bar.

    `text` names the columns that are read as text, so that 007 stays 007.
    """
    return _parquet_chunks(path, rows) if is_parquet(path.name) else _csv_chunks(path, rows, text)


def _parquet_chunks(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    with (
        explain_errors(str(path), "Parquet file"),
        pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file,
        tqdm(total=file.metadata.num_rows, unit=" rows", unit_scale=True) as bar,
    ):
        for batch in file.iter_batches(batch_size=rows):
            yield _flat(batch.to_pandas())
            bar.update(batch.num_rows)


def _csv_chunks(path: Path, rows: int, text: list[str]) -> Iterator[pd.DataFrame]:
    found = dialect(str(path))
    with (
        explain_errors(str(path)),
        tqdm(total=path.stat().st_size, unit="B", unit_scale=True) as bar,
        path.open("rb") as raw,
        pd.read_csv(
            raw,
            **found.options,
            dtype=dict.fromkeys(text, "str"),
            compression="gzip" if path.suffix.lower() == ".gz" else None,
            chunksize=rows,
        ) as parts,
    ):
        for part in parts:
            _check_width(part, str(path))
            yield part
            bar.update(raw.tell() - bar.n)
