"""The prediction log, or any table, read as a sample of its rows.

A log has an object a row: time, id, model, release, inputs, output and, for a classification,
scores. It is a folder of `date=…/release=…/*.jsonl.gz`, or files. Lines are parsed only if they are
in the sample, so that a hundred million rows cost little more than to unpack them.
"""

import glob
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from mlgitops.core.errors import UserError
from mlgitops.data import reader
from mlgitops.data.schema import Column
from mlgitops.data.source import Source
from mlgitops.monitoring.sample import Sample
from mlgitops.stores.download import download

LINES = (".jsonl", ".ndjson")
ABOUT = ("time", "id", "model", "release", "output", "scores")  # of a row, beside its inputs
AT_ONCE = 65_536  # rows
DATE = re.compile(r"date=(\d{4}-\d{2}-\d{2})")
RELEASE = re.compile(r"release=([0-9a-f]+)")
SEGMENT = re.compile(r"date=\d{4}-\d{2}-\d{2}/release=\w+/\w[\w.-]*\.jsonl\.gz")
FETCHED = Path("build/log")


class Window(NamedTuple):
    """Which rows of a log are read: of a release, not before a moment; None for all."""

    release: str | None = None
    since: datetime | None = None


class Rows(NamedTuple):
    """A sample of what was read: inputs as they came, and what else is known of each row.

    `about` has the columns of ABOUT, or none where a table was read. `seen`: all rows that there
    were; `others`: those of another release; `newest`: the time of the newest, of all releases.
    """

    inputs: pd.DataFrame
    about: pd.DataFrame
    seen: int
    others: int = 0

    @property
    def is_log(self) -> bool:
        """Whether the predictions are known."""
        return "output" in self.about


def find(places: Iterable[str], window: Window) -> list[Path]:
    """The files that paths, folders, patterns and URLs stand for; a UserError if there is none.

    What lies in a store is copied here first, as far as it is in the window.
    """
    found: list[Path] = []
    for place in places:
        path = copy(place, window) if "://" in place else Path(place)
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if is_data(one))
        else:
            inside = [path] if path.is_file() else sorted(map(Path, glob.glob(place)))  # noqa: PTH207
        if not inside:
            raise UserError(f"{place}: no log or table there: give a file, a folder or a pattern")
        found += inside
    return list(dict.fromkeys(found))


def copy(url: str, window: Window) -> Path:
    """A folder with what a log in a store has of the window."""

    def is_wanted(name: str) -> bool:
        return bool(SEGMENT.fullmatch(name)) and not is_outside(Path(name), window)

    folder = FETCHED / hashlib.sha256(url.encode()).hexdigest()[:12]
    download(url, folder, is_wanted)
    return folder


def is_data(path: Path) -> bool:
    """Whether a file of a folder is part of a log, and whole."""
    known = (*LINES, *reader.PARQUET, ".csv", ".tsv")
    return path.is_file() and not path.name.startswith(".") and reader.form_of(path.name) in known


def read(
    files: Iterable[Path], window: Window, columns: Mapping[str, Column], sample: Sample
) -> Rows:
    """A sample of the rows of all files in the window."""
    others, is_log = 0, False
    for path in files:
        if is_outside(path, window):
            continue
        if reader.form_of(path.name) in LINES:
            others += add_lines(path, window, sample)
            is_log = True
        elif reader.is_parquet(path.name):
            add_parquet(path, sample)
        else:
            add_table(path, columns, sample)
    return finish(sample, window, others, is_log)


def is_outside(path: Path, window: Window) -> bool:
    """Whether the folders that a file lies in say that none of its rows is wanted."""
    date, release = (form.search(path.as_posix()) for form in (DATE, RELEASE))
    early = date and window.since and date[1] < window.since.strftime("%Y-%m-%d")
    return bool(early or (release and window.release and release[1] != window.release))


def add_lines(path: Path, window: Window, sample: Sample) -> int:
    """Lines of JSON; how many are of another release than the window's."""
    others, needle = 0, (window.release or "").encode()
    with open_lines(path) as file:
        while lines := list(islice(file, AT_ONCE)):
            wanted = [line for line in lines if needle in line and line.strip()]
            others += len(lines) - len(wanted)
            sample.add(len(wanted), partial(frame_of, wanted))
    return others


@contextmanager
def open_lines(path: Path) -> Iterator[Any]:
    """The lines of a log, packed or not; what cannot be read is a UserError."""
    with (
        reader.explain_errors(Source(str(path), str(path)), "log"),
        reader.open_file(str(path)) as file,
    ):
        yield file


def frame_of(lines: list[bytes], rows: np.ndarray) -> pd.DataFrame:
    """Some of the lines as a table of one column."""
    return pd.DataFrame({"line": [lines[row] for row in rows]}, dtype="object")


def add_parquet(path: Path, sample: Sample) -> None:
    """A table in Parquet."""
    with (
        reader.explain_errors(Source(str(path), str(path)), "Parquet file"),
        pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file,
    ):
        for batch in file.iter_batches(batch_size=AT_ONCE):
            sample.add(batch.num_rows, partial(rows_of, batch))


def rows_of(batch: pa.RecordBatch, rows: np.ndarray) -> pd.DataFrame:
    """Some rows of a batch."""
    return batch.take(pa.array(rows)).to_pandas()


def add_table(path: Path, columns: Mapping[str, Column], sample: Sample) -> None:
    """A text table."""
    for part in reader.chunks(path, AT_ONCE, columns):
        sample.add(len(part), part.take)


def finish(sample: Sample, window: Window, others: int, is_log: bool) -> Rows:
    """The sample as inputs, and what else is known of its rows."""
    found = sample.rows()
    if not is_log:
        return Rows(found, pd.DataFrame(index=found.index), sample.seen)
    if set(found) - {"line"}:
        raise UserError("LOG names a log and a table: give one of them")
    objects = list(parse(found["line"] if len(found) else ()))
    inputs = pd.DataFrame([one["inputs"] for one in objects])
    rows = Rows(inputs, about(objects), sample.seen, others)
    return rows if window.since is None else since(rows, window.since)


def about(objects: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """What rows of a log say beside their inputs."""
    found = pd.DataFrame([{key: one.get(key) for key in ABOUT} for one in objects], columns=ABOUT)
    return found.assign(time=pd.to_datetime(found["time"], utc=True, format="ISO8601"))


def parse(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Lines of a log as objects; a UserError for one that is none."""
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not (isinstance(found, dict) and isinstance(found.get("inputs"), dict)):
            text = line[:60].decode("utf-8", "replace")
            raise UserError(f"the log has a line that is no prediction: {text}: remove that file")
        yield found


def since(rows: Rows, start: datetime) -> Rows:
    """The rows that are not older."""
    recent = (rows.about["time"] >= start).to_numpy()
    share = float(recent.mean()) if len(recent) else 0.0
    inputs, about = (one[recent].reset_index(drop=True) for one in (rows.inputs, rows.about))
    return Rows(inputs, about, round(rows.seen * share), rows.others)
