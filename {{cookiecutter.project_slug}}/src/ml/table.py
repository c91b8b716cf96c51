"""Reads the tables that people have: CSV or Parquet, from a path or an fsspec URL."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from tqdm import tqdm

from ml.errors import Mistake

PARQUET = (".parquet", ".pq")
HEAD = 1 << 20


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written."""

    encoding: str
    delimiter: str
    decimal: str
    names: tuple[str, ...]

    @property
    def options(self) -> dict[str, str]:
        """The arguments of pandas.read_csv."""
        return {"sep": self.delimiter, "decimal": self.decimal, "encoding": self.encoding}


def is_parquet(source: str) -> bool:
    """Whether the name says Parquet; everything else is read as CSV."""
    return source.lower().endswith(PARQUET)


def opened(source: str) -> IO[bytes]:
    """The bytes of the source, decompressed; a Mistake that says why not."""
    if Path(source).is_dir():
        raise Mistake(f"{source} is a folder: name one CSV or Parquet file")
    if source.lower().endswith((".xlsx", ".xls", ".json", ".zip")):
        raise Mistake(f"{source}: only CSV (also .csv.gz) and Parquet are read; save it as one")
    try:
        file: IO[bytes] = fsspec.open(source, "rb", compression="infer").open()
    except FileNotFoundError:
        raise Mistake(f"{source}: there is no such file") from None
    except ImportError as error:
        raise Mistake(
            f"{source}: {error}; add the package to the group train in pyproject.toml"
        ) from None
    except (OSError, ValueError) as error:
        raise Mistake(f"{source}: cannot be read ({error})") from None
    return file


def dialect(source: str) -> Dialect:
    """Encoding, delimiter and column names of a CSV file, from its first megabyte."""
    with opened(source) as file:
        try:
            head = file.read(HEAD)
        except (OSError, EOFError) as error:
            raise Mistake(f"{source}: cannot be read ({error})") from None
    if not head.strip():
        raise Mistake(f"{source}: is empty")
    encoding = _encoding(head)
    if encoding is None:
        raise Mistake(f"{source}: is not a table: it holds bytes that no text has")
    text = head.decode(encoding, errors="ignore").lstrip("\ufeff\r\n")
    line = text.splitlines()[0]
    unquoted = re.sub(r'"[^"]*"', "", line)
    delimiter = max(",;\t|", key=unquoted.count)
    commas = len(re.findall(r"\d,\d", text)) > len(re.findall(r"\d\.\d", text))
    return Dialect(
        encoding,
        delimiter,
        "," if commas and delimiter != "," else ".",
        tuple(next(csv.reader([line], delimiter=delimiter))),
    )


def _encoding(head: bytes) -> str | None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in head:
        return None
    try:
        # The last character may be cut by the end of the head.
        head[: max(1, head.rfind(b"\n"))].decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def read(source: str) -> tuple[pd.DataFrame, list[str]]:
    """The whole table, and notes on what had to be changed to read it."""
    if is_parquet(source):
        return _read_parquet(source)
    found = dialect(source)
    notes = [f"read as {found.encoding}, not UTF-8"] if found.encoding == "cp1252" else []
    with opened(source) as file:
        try:
            frame = pd.read_csv(file, low_memory=False, **found.options)
        except (ValueError, OSError, EOFError) as error:
            raise Mistake(f"{source}: is not a table: {' '.join(str(error).split())}") from None
    if not isinstance(frame.index, pd.RangeIndex):
        raise Mistake(f"{source}: is not a table: its rows have more fields than its header")
    repeated = [name for name, count in Counter(found.names).items() if count > 1 and name]
    notes += [
        f"the name {name!r} occurs more than once: the later ones are numbered" for name in repeated
    ]
    return _named(frame), notes


def _read_parquet(source: str) -> tuple[pd.DataFrame, list[str]]:
    with opened(source) as file:
        try:
            table = pyarrow.parquet.read_table(file)
        except (pa.ArrowException, OSError) as error:
            raise Mistake(
                f"{source}: is not a Parquet file ({str(error).splitlines()[0]})"
            ) from None
    frame = table.to_pandas(ignore_metadata=False)
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    return _named(frame), []


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with names that are text, trimmed, and each another."""
    names: list[str] = []
    for name in (str(name).strip() for name in frame.columns):
        number = sum(other == name or other.startswith(f"{name}.") for other in names)
        names.append(f"{name}.{number}" if name in names else name)
    frame.columns = pd.Index(names)
    return frame


def chunks(path: Path, rows: int, text: list[str]) -> Iterator[pd.DataFrame]:
    """A local table in parts of at most `rows` rows, with a progress bar.

    `text` names the columns that are read as text, so that 007 stays 007.
    """
    if is_parquet(path.name):
        file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
        with tqdm(total=file.metadata.num_rows, unit=" rows", unit_scale=True) as bar:
            for batch in file.iter_batches(batch_size=rows):
                yield _named(batch.to_pandas())
                bar.update(batch.num_rows)
        return
    found = dialect(str(path))
    with (
        tqdm(total=path.stat().st_size, unit="B", unit_scale=True) as bar,
        path.open("rb") as raw,
        pd.read_csv(
            raw,
            **found.options,
            dtype=dict.fromkeys(text, "str"),
            compression="gzip" if path.suffix == ".gz" else None,
            chunksize=rows,
        ) as parts,
    ):
        for part in parts:
            yield _named(part)
            bar.update(raw.tell() - bar.n)
