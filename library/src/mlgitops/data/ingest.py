"""`make data`: a user's own table becomes data/raw.parquet, versioned by DVC, with its schema."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, cast, get_args

import pandas as pd
import typer
from ruamel.yaml import YAML

from mlgitops.core import config, paths
from mlgitops.core.config import LOSSES
from mlgitops.core.errors import UserError, listed
from mlgitops.core.files import replacing
from mlgitops.data import contract, infer, reader, schema
from mlgitops.data.describe import described
from mlgitops.data.validate import Validate

RAW, POINTER = paths.RAW, paths.POINTER
NEXT = {True: "review schema.yaml, then make pipeline", False: "make pipeline"}
WRITTEN = (
    RAW, POINTER, schema.SCHEMA, config.PARAMS, config.RULES, Path("data/.gitignore"),
)  # fmt: skip


class Data(config.Section):
    """What `make data` was told last."""

    source: str | None
    append: bool


def data(
    source: Annotated[
        str,
        typer.Option(help="Path or fsspec URL of a CSV or Parquet file; without it, the last one."),
    ] = "",
    target: Annotated[
        str, typer.Option(help="The column to predict; without it, schema.yaml's.")
    ] = "",
    time: Annotated[str, typer.Option(help="The column that says when a row is from.")] = "",
    task: Annotated[
        str, typer.Option(help="binary, multiclass or regression, if the guess is wrong.")
    ] = "",
    append: Annotated[
        bool, typer.Option(help="Add the rows that are new instead of replacing the table.")
    ] = False,
    reset: Annotated[
        bool, typer.Option(help="Infer schema.yaml again, whatever was reviewed.")
    ] = False,
) -> None:
    """Take a table as the project's data, type it, check it, and version it."""
    last = config.load(Data)
    if not (source or last.source):
        raise UserError("no source is known yet: make data SOURCE=path/to/table.csv TARGET=column")
    if task not in ("", *get_args(schema.Task)):
        raise UserError(f"TASK={task}: it is one of {', '.join(get_args(schema.Task))}")
    said = Data(source=source or last.source, append=append or (not source and last.append))
    print(f"reading {said.source}")
    frame, notes = reader.read(str(said.source))
    known = None if reset else reviewed(frame, target, time, task)
    if known is None and said.append:
        raise UserError("APPEND=1 adds rows to a table of the same columns and target")
    rules = known or inferred(frame, target, time, cast(schema.Task | None, task or None))
    rows, changes = arrived(frame, rules, said.append, new=known is None)
    with restored(WRITTEN):
        write(rows, rules, said, new=known is None)
    print("\n".join([*notes, *changes, described(rows, rules)]))
    print(f"\n{RAW}: {len(rows)} rows, {rules.task}. Next: " + NEXT[known is None])


def reviewed(frame: pd.DataFrame, target: str, time: str, task: str) -> schema.Schema | None:
    """The schema that is there, if the table is meant for it; None if another one is asked for."""
    rules = schema.load()
    if target not in ("", rules.target) or time not in ("", rules.time):
        return None
    if target and not set(rules.features) & set(frame.columns):
        return None
    if missing := [name for name in rules.columns if name not in frame]:
        raise UserError(
            f"columns of schema.yaml are not in the table: {listed(missing)}. It has "
            f"{listed(frame.columns)}. RESET=1 TARGET=… infers schema.yaml again"
        )
    if task not in ("", rules.task):
        raise UserError(f"schema.yaml says {rules.task}: RESET=1 TASK={task} infers it again")
    return rules


def inferred(
    frame: pd.DataFrame, target: str, time: str, task: schema.Task | None
) -> schema.Schema:
    """The schema that the table suggests."""
    fewest = config.load(Validate).min_rows
    if len(frame) < fewest:
        raise UserError(
            f"{len(frame)} rows are too few to learn from (validate.min_rows: {fewest})"
        )
    if not target:
        raise UserError(f"name the column to predict: TARGET=…; there are {listed(frame.columns)}")
    return infer.infer(frame, target, time or None, task)


def arrived(
    frame: pd.DataFrame, rules: schema.Schema, append: bool, new: bool
) -> tuple[pd.DataFrame, list[str]]:
    """The table to keep, and what is new about it, a line each."""
    if frame.empty:
        raise UserError("the table has a header and no rows")
    rows, mistyped = contract.typed(frame, rules.columns)
    if not (mistyped.empty or new):
        head = "the table breaks schema.yaml (RESET=1 TARGET=… infers it again):"
        raise UserError("\n  ".join([head, *contract.summary(mistyped)]))
    changes = contract.summary(mistyped)
    rest = frame[[name for name in frame if name not in rules.columns]].reset_index(drop=True)
    rows = pd.concat([rows, rest], axis=1)[list(frame.columns)]
    if new:
        return rows, changes
    before = pd.read_parquet(RAW) if RAW.exists() else rows.head(0)
    if append and POINTER.exists() and not RAW.exists():
        raise UserError(f"{RAW}, to which rows are added, is missing: dvc checkout, or make setup")
    if append:
        rows, again = appended(before, rows, rules)
        changes.append(f"{again} rows were there already" if again else "every row is new")
    infer.check_target(rows[rules.target])
    changes.append(f"{len(before)} rows before, {len(rows)} now")
    changes += [
        f"{name}: a column that schema.yaml does not name: not used"
        for name in rest
        if name not in rules.left_out
    ]
    _, broken = contract.check(rows, rules.columns)
    return rows, changes + [
        f"{line}: widen schema.yaml or fix the data" for line in contract.summary(broken)
    ]


def appended(
    before: pd.DataFrame, after: pd.DataFrame, rules: schema.Schema
) -> tuple[pd.DataFrame, int]:
    """Both tables' rows, and how many of the second were in the first, which are not added again.

    Rows are compared with their number of repetitions, so that a second run adds nothing.
    """
    both = pd.concat([before, after], ignore_index=True)
    keyed, _ = contract.typed(both, rules.columns)
    key = pd.util.hash_pandas_object(keyed, index=False)
    old, new = key[: len(before)], key[len(before) :]
    repeats = new.groupby(new).cumcount()
    known = repeats < new.map(old.value_counts()).fillna(0)
    return both.drop(index=known.index[known]).reset_index(drop=True), int(known.sum())


@contextmanager
def restored(paths: tuple[Path, ...]) -> Iterator[None]:
    """If the block fails, the files are as they were before it."""
    with TemporaryDirectory() as folder:
        saved = {path: Path(folder) / str(number) for number, path in enumerate(paths)}
        for path, copy in saved.items():
            if path.exists():
                shutil.copy2(path, copy)
        try:
            yield
        except BaseException:
            for path, copy in saved.items():
                path.unlink(missing_ok=True)
                if copy.exists():
                    shutil.copy2(copy, path)
            raise


def write(rows: pd.DataFrame, rules: schema.Schema, said: Data, new: bool) -> None:
    """The table, the schema if it is new, and what params.yaml remembers; then DVC's version."""
    from dvc.cli import main

    with replacing(RAW) as part:
        storable(rows, rules).to_parquet(part, index=False)
    if new:
        with replacing(schema.SCHEMA) as part:
            part.write_text(schema.dump(rules), encoding="utf-8")
    remember(said, rules if new else None)
    for command in (["add", "--quiet", str(RAW)], ["push", "--quiet", str(POINTER)]):
        if main(command) != 0:
            raise UserError(f"`dvc {' '.join(command)}` failed; the reason is above")


def storable(rows: pd.DataFrame, rules: schema.Schema) -> pd.DataFrame:
    """The table with mixed columns that no model uses as text, since Parquet needs one type."""
    mixed = [
        name
        for name in rows
        if name not in rules.columns
        and pd.api.types.infer_dtype(rows[name]).startswith("mixed")
        and infer.kind(rows[name]) is not None
    ]
    return rows.assign(**{name: contract.strings(rows[name]) for name in mixed})


def remember(said: Data, rules: schema.Schema | None) -> None:
    """Write what was said to params.yaml, and what suits a new schema to both files of settings."""
    with edited(config.PARAMS) as tried:
        tried["data"].update(said.model_dump())
        if rules:
            suit(tried, rules)
    if rules:
        with edited(config.RULES) as judged:
            suit_rules(judged, rules)


@contextmanager
def edited(path: Path) -> Iterator[Any]:
    """A YAML file to change in place; its comments and lines stay."""
    yaml = YAML()
    yaml.width = 4096
    document = yaml.load(path.read_text(encoding="utf-8"))
    yield document
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)


def suit(tried: dict[str, Any], rules: schema.Schema) -> None:
    """Make the estimator and the metric of the search ones of the new schema's task."""
    ours, other = "Classifier", "Regressor"
    if rules.task == "regression":
        ours, other = other, ours
    estimator = tried["train"].get("estimator")
    if estimator:
        estimator["class"] = re.sub(f"{other}$", ours, estimator["class"])
    known = LOSSES[rules.task]
    if tried["tune"]["metric"] not in known:
        tried["tune"]["metric"] = known[0]


def suit_rules(judged: dict[str, Any], rules: schema.Schema) -> None:
    """Make the split and the metrics of the gate ones of the new schema."""
    judged["split"]["by"] = "time" if rules.time else "random"
    judged["split"].pop("group", None)
    known, gate = LOSSES[rules.task], judged["gate"]
    if gate["metric"] not in known:
        gate["metric"] = known[0]
        gate["minimum"].clear()
        gate["minimum"][known[0]] = "dummy"
        gate["slices"]["limit"] = "dummy"
