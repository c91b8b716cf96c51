"""`make score`: predict for every row of a file of any size, in bounded memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import typer
from pydantic import PositiveInt

from mlgitops.core import config
from mlgitops.core.errors import UserError
from mlgitops.core.files import replacing
from mlgitops.data import contract
from mlgitops.data.reader import chunks, is_parquet
from mlgitops.training import exported_model
from mlgitops.training.features import inputs


class Score(config.Section):
    """`chunk`: rows in memory at once."""

    chunk: PositiveInt


class Bad(StrEnum):
    """What happens to rows that break the contract."""

    refuse = "refuse"
    mark = "mark"


def score_rows(
    frame: pd.DataFrame, exported: exported_model.Model
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A prediction and a problem (missing if none) for each row, and the violations."""
    table, broken = contract.check(frame, exported.signature.columns)
    absent = [name for name in exported.signature.columns if name not in table]
    if absent:
        raise UserError(f"the table lacks columns that the model needs: {', '.join(absent)}")
    answer = exported.predict(inputs(table, exported.signature.columns))
    labels = exported.signature.labels
    result = pd.DataFrame({"value" if labels is None else "label": answer.values})
    for k, label in enumerate(labels or ()):
        assert answer.probabilities is not None
        result[f"probability_{label}"] = answer.probabilities[:, k]
    problem = pd.Series(None, index=result.index, dtype="str")
    if not broken.empty:
        text = broken["column"] + " " + broken["rule"]
        problem.update(text.groupby(broken["row"]).agg("; ".join))
        result = result.mask(problem.notna())
    return result.assign(problem=problem), broken


@contextmanager
def writer(path: Path, kind: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """A function that appends a table to a new CSV or Parquet file."""
    name = path.name.removesuffix(".part").lower()
    if is_parquet(name):
        with pyarrow.parquet.ParquetWriter(path, kind) as parquet:
            yield parquet.write_table
        return
    packed = "gzip" if name.endswith(".gz") else None
    with (
        pa.output_stream(path, compression=packed) as raw,
        pyarrow.csv.CSVWriter(raw, kind) as text,
    ):
        yield text.write_table


def check_paths(source: Path, output: Path) -> None:
    """Refuse a source that is no file, and an output that is a folder or of another form."""
    if Path() in (source, output):
        raise UserError("give both files: make score INPUT=file OUTPUT=file")
    if not source.is_file():
        raise UserError(f"{source}: there is no such file")
    if output.is_dir():
        raise UserError(f"{output} is a folder: name a file")
    if output.suffix.lower() in (".xlsx", ".xls", ".json", ".zip"):
        raise UserError(f"{output}: only CSV (also .csv.gz) and Parquet are written")
    if output.resolve() == source.resolve():
        raise UserError("the output would replace the source: give another file")


def score(
    source: Annotated[Path, typer.Argument(help="CSV (also .csv.gz) or Parquet file.")],
    output: Annotated[Path, typer.Argument(help="CSV or Parquet file to write.")],
    bad: Annotated[
        Bad, typer.Option(help="Rows that violate the contract: refuse the file, or mark them.")
    ] = Bad.refuse,
    keep: Annotated[
        str, typer.Option(help="Columns of the source to copy, separated by commas.")
    ] = "",
) -> None:
    """Predict for every row of a file, one line a row in the order of the source.

    The output appears when it is complete, or not at all.
    """
    copied = list(dict.fromkeys(name.strip() for name in keep.split(",") if name.strip()))
    check_paths(source, output)
    exported = exported_model.load()
    with replacing(output) as part:
        tally = write_scores(source, part, exported, copied, bad)
        tally.judge(source, bad)
    print(
        "\n".join(
            [*tally.lines(), f"{output}: {tally.rows} rows, {tally.bad} of them marked as bad"]
        )
    )


def write_scores(
    source: Path, output: Path, exported: exported_model.Model, copied: list[str], bad: Bad
) -> "Tally":
    """Write a line for each row of the source; how many rows there were, and which were bad."""
    columns, tally = exported.signature.columns, Tally()
    kind = columns_of(exported.signature, copied)
    with writer(output, kind) as append:
        for frame in chunks(source, config.load(Score).chunk, columns, copied):
            result, broken = score_rows(frame, exported)
            tally.count(len(frame), broken)
            if not (tally.bad and bad is Bad.refuse):  # Else the rest is read only to be counted.
                append(output_table(copy_columns(frame, copied), result, kind))
    return tally


class Tally:
    """The rows read so far, those that break the contract, and how."""

    def __init__(self) -> None:
        """Start with no row."""
        self.rows, self.bad = 0, 0
        self.violations: list[pd.DataFrame] = []

    def count(self, rows: int, broken: pd.DataFrame) -> None:
        """Add a chunk of `rows` rows and its violations."""
        self.violations.append(contract.count_by_rule(broken.assign(row=broken["row"] + self.rows)))
        self.rows += rows
        self.bad += broken["row"].nunique()

    def lines(self) -> list[str]:
        """One line a broken rule."""
        return contract.summary(pd.concat(self.violations)) if self.bad else []

    def judge(self, source: Path, bad: Bad) -> None:
        """Refuse a file without rows and, unless bad rows are marked, one with bad rows."""
        if self.rows == 0:
            raise UserError(f"{source} has no rows")
        if self.bad and bad is Bad.refuse:
            lines = "\n  ".join(self.lines())
            raise UserError(
                f"{self.bad} of {self.rows} rows violate the contract; nothing is written:\n  "
                f"{lines}\nFix them, or pass them on without a prediction: BAD=mark"
            )


def copy_columns(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The columns of the source that are copied, as text."""
    if missing := [name for name in names if name not in frame]:
        raise UserError(f"--keep: there is no column {', '.join(missing)} in the source")
    return frame[names].map(_text).reset_index(drop=True)


def output_table(copied: pd.DataFrame, result: pd.DataFrame, kind: pa.Schema) -> pa.Table:
    """A chunk of the output."""
    table = pd.concat([copied, result], axis=1)[kind.names]
    return pa.Table.from_pandas(table, schema=kind, preserve_index=False)


def _text(value: object) -> str | None:
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def columns_of(signature: exported_model.Signature, copied: list[str]) -> pa.Schema:
    """The columns of the output: what is copied (as text), the prediction, the problem."""
    if signature.labels is None:
        answer = [("value", pa.float32())]
    else:
        whole = all(isinstance(label, int) for label in signature.labels)
        answer = [("label", pa.int64() if whole else pa.string())]
        answer += [(f"probability_{label}", pa.float32()) for label in signature.labels]
    answer.append(("problem", pa.string()))
    for name, _ in answer:
        if name in copied:
            raise UserError(f"--keep: the output has a column {name} of its own")
    return pa.schema([*((name, pa.string()) for name in copied), *answer])
