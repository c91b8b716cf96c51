"""`make data`: a user's own table becomes data/raw.parquet, versioned by DVC, with its schema."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import pandas as pd
import typer
from pydantic import Field, model_validator
from ruamel.yaml import YAML

from mlgitops.core import config, paths
from mlgitops.core.config import LOSSES
from mlgitops.core.errors import UserError, join_names
from mlgitops.core.files import replacing
from mlgitops.data import contract, infer, reader, reading, schema
from mlgitops.data.describe import describe_columns, explain_reading
from mlgitops.data.rows import Rare, drop_missing, treat_rare
from mlgitops.data.source import source_of
from mlgitops.data.validate import Validate

RAW, POINTER = paths.RAW, paths.POINTER
STORE = Path("store")  # where it is a folder in Git
MB = 1_000_000
LARGE_FILE, LARGEST_FILE = 50 * MB, 100 * MB  # what Git hosts warn of, and what they refuse
NEXT = {True: "review schema.yaml, then make pipeline", False: "make pipeline"}
WRITTEN = (
    RAW, POINTER, schema.SCHEMA, config.PARAMS, config.RULES, Path("data/.gitignore"),
)  # fmt: skip


class Data(config.Section):
    """What `make data` was told last; `source` may be env:NAME, a variable with the address."""

    source: str | None
    append: bool
    sheet: str = ""
    query: str = ""
    rare: Rare = ""


class Request(config.Strict):
    """What `make data` is told now: NAME=value, in capitals."""

    source: Annotated[str, Field(description="path or URL; without it, the last one")] = ""
    target: Annotated[str, Field(description="the column to predict")] = ""
    time: Annotated[str, Field(description="the column with the time of each row")] = ""
    task: Annotated[str, Field(description="binary, multiclass or regression")] = ""
    append: Annotated[bool, Field(description="add the rows that are new")] = False
    reset: Annotated[bool, Field(description="infer schema.yaml again")] = False
    sheet: Annotated[str, Field(description="of a workbook; without it, the first")] = ""
    query: Annotated[str, Field(description="SQL, where the source is a database")] = ""
    missing: Annotated[str, Field(description="words for a missing value: NA,?")] = ""
    rare: Annotated[Rare, Field(description="classes of one or two rows: drop or other")] = ""
    choose: Annotated[bool | None, Field(description="compare first models; 0: do not")] = None

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if value != ""}


Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=VALUE]...",
        help=", ".join(
            f"{name.upper()}: {one.description}" for name, one in Request.model_fields.items()
        ),
    ),
]


def data(words: Words = None) -> None:
    """Take a table as the project's data, type it, check it, and version it."""
    take(request_of(words or []))


def request_of(words: Sequence[str]) -> Request:
    """NAME=value words as a request; a UserError for another name or an impossible value."""
    given = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name.lower() not in Request.model_fields:
            names = join_names(name.upper() for name in Request.model_fields)
            raise UserError(f"{word}: say NAME=value; the names are {names}")
        given[name.lower()] = value
    if (task := given.get("task", "")) not in ("", *get_args(schema.Task)):
        raise UserError(f"TASK={task}: must be one of {', '.join(get_args(schema.Task))}")
    return config.parse(Request, given, "make data")


def take(request: Request) -> bool:
    """The requested table as data/raw.parquet with its schema; what was understood is printed.

    Returns whether it is another table than before, or another target is asked for.
    """
    memory = memory_of(request)
    source = source_of(str(memory.source), memory.sheet, memory.query)
    print(f"reading {source.name}")
    frame, notes = reader.read(source)
    known = None if request.reset else matching_schema(frame, request)
    if known is None and memory.append:
        raise UserError("APPEND=1 adds rows to a table of the same columns and target")
    frame, left = complete_rows(frame, known, request, memory.rare)
    rules, before = known or infer_schema(frame, request), schema_before()
    rows, changes = update_rows(frame, rules, memory.append) if known else new_rows(frame, rules)
    with restore_on_failure(WRITTEN):
        changes += write(rows, rules, memory, new=known is None)
    print("\n".join([*notes, *left, *changes, describe_columns(rows, rules)]))
    print(f"\n{RAW}: {len(rows)} rows, {rules.task}. Next: " + NEXT[known is None])
    return is_other(before, rules)


def schema_before() -> schema.Schema | None:
    """The schema that is there; None if there is none that can be read, which RESET=1 replaces."""
    try:
        return schema.load()
    except UserError:
        return None


def is_other(before: schema.Schema | None, rules: schema.Schema) -> bool:
    """Whether a schema has another task, target or time than one before, or no feature of it."""
    if before is None:
        return True
    same = (before.task, before.target, before.time) == (rules.task, rules.target, rules.time)
    return not same or not set(before.features) & set(rules.features)


def memory_of(request: Request) -> Data:
    """What params.yaml remembers of the request: where the table is, and how it is read."""
    last = config.load(Data)
    if not request.source and last.source is None:
        raise UserError("no source is saved yet: make data SOURCE=path/to/table.csv TARGET=column")
    if request.source:
        return Data(**request.model_dump(include=set(Data.model_fields)))
    given = request.model_dump(include=set(Data.model_fields), exclude_defaults=True)
    return last.model_copy(update=given)


def complete_rows(
    frame: pd.DataFrame, known: schema.Schema | None, request: Request, rare: Rare
) -> tuple[pd.DataFrame, list[str]]:
    """The rows that can be learned from, and what was done with the others, a line each."""
    if known:
        target, time = known.target, known.time
        columns = {name: known.columns[name] for name in (target, time) if name}
    else:
        target, words = request.target, words_of(request)
        columns = {
            name: infer.look(frame[name], words).column
            for name in (target, request.time)
            if name and name in frame
        }
    if target not in columns:
        return frame, []
    limit = config.load(Validate).max_missing
    frame, left = drop_missing(frame, columns, limit)
    frame, merged = treat_rare(frame, target, columns[target], rare)
    return frame, left + merged


def words_of(request: Request) -> tuple[str, ...]:
    """The words of MISSING=."""
    return tuple(word.strip() for word in request.missing.split(",") if word.strip())


def new_rows(frame: pd.DataFrame, rules: schema.Schema) -> tuple[pd.DataFrame, list[str]]:
    """The typed rows for a schema that was inferred from them, and what is worth a line."""
    table, broken = cast_rows(frame, rules)
    return table, contract.summary(broken) + explain_reading(frame, rules)


def matching_schema(frame: pd.DataFrame, request: Request) -> schema.Schema | None:
    """The schema that is there, if the table is meant for it; None if another one is asked for."""
    rules, target = schema.load(), request.target
    if target not in ("", rules.target) or request.time not in ("", rules.time):
        return None
    if target and not set(rules.features) & set(frame.columns):
        return None
    if missing := [name for name in rules.columns if name not in frame]:
        raise UserError(
            f"columns of schema.yaml are not in the table: {join_names(missing)}. It has "
            f"{join_names(frame.columns)}. RESET=1 TARGET=… infers schema.yaml again"
        )
    if request.task not in ("", rules.task):
        raise UserError(f"schema.yaml says {rules.task}: RESET=1 TASK={request.task} infers it")
    if request.missing:
        raise UserError("schema.yaml says which words are missing: edit it, or RESET=1 MISSING=…")
    return rules


def infer_schema(frame: pd.DataFrame, request: Request) -> schema.Schema:
    """The schema that the table suggests."""
    fewest = config.load(Validate).min_rows
    if len(frame) < fewest:
        raise UserError(
            f"{len(frame)} rows are too few to learn from (validate.min_rows: {fewest})"
        )
    if not request.target:
        raise UserError(
            f"name the column to predict: TARGET=…; there are {join_names(frame.columns)}"
        )
    task, time = cast(schema.Task | None, request.task or None), request.time or None
    return infer.infer(frame, request.target, time, task, words_of(request))


def cast_rows(frame: pd.DataFrame, rules: schema.Schema) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table in its order with the contract's types where it has one, and the violations."""
    rows, broken = contract.cast_table(frame, rules.columns)
    rest = {
        name: type_numbers(frame[name].reset_index(drop=True))
        for name in frame
        if name not in rules.columns
    }
    return pd.concat([rows, pd.DataFrame(rest)], axis=1)[list(frame.columns)], broken


def type_numbers(values: pd.Series) -> pd.Series:
    """A column without a contract: numbers where all of its texts are numbers, else as it is."""
    shown = infer.look(values)
    return contract.cast(values, shown.column) if shown.type in ("integer", "number") else values


def update_rows(
    frame: pd.DataFrame, rules: schema.Schema, append: bool
) -> tuple[pd.DataFrame, list[str]]:
    """The rows to keep of a table of the known schema, and what is new about them, a line each."""
    if frame.empty:
        raise UserError("the table has a header and no rows")
    rows, mistyped = cast_rows(frame, rules)
    if not mistyped.empty:
        head = "the table violates schema.yaml (RESET=1 TARGET=… infers it again):"
        raise UserError("\n  ".join([head, *contract.summary(mistyped)]))
    if append and POINTER.exists() and not RAW.exists():
        raise UserError(f"{RAW}, to which rows are added, is missing: dvc checkout, or make setup")
    before = pd.read_parquet(RAW) if RAW.exists() else rows.head(0)
    changes = []
    if append:
        rows, again = append_rows(before, rows, rules)
        changes.append(f"{again} rows were already there" if again else "every row is new")
    infer.check_target(rows[rules.target], rules.columns[rules.target])
    changes.append(f"{len(before)} rows before, {len(rows)} now")
    return rows, [*changes, *remarks(rows, rules)]


def remarks(rows: pd.DataFrame, rules: schema.Schema) -> list[str]:
    """A line for each column without a rule, and for each rule that the typed rows break."""
    _, broken = contract.check(rows, rules.columns)
    unknown = [name for name in rows if name not in {*rules.columns, *rules.left_out}]
    return [f"{name}: not in schema.yaml, so not used" for name in unknown] + [
        f"{line}: widen schema.yaml or fix the data" for line in contract.summary(broken)
    ]


def append_rows(
    before: pd.DataFrame, after: pd.DataFrame, rules: schema.Schema
) -> tuple[pd.DataFrame, int]:
    """Both tables' rows, and how many of the second were in the first, which are not added again.

    Rows are compared with their number of repetitions, so that a second run adds nothing.
    """
    both = pd.concat([before, after], ignore_index=True)
    keyed, _ = contract.cast_table(both, rules.columns)
    key = pd.util.hash_pandas_object(keyed, index=False)
    old, new = key[: len(before)], key[len(before) :]
    repeats = new.groupby(new).cumcount()
    known = repeats < new.map(old.value_counts()).fillna(0)
    return both.drop(index=known.index[known]).reset_index(drop=True), int(known.sum())


@contextmanager
def restore_on_failure(paths: tuple[Path, ...]) -> Iterator[None]:
    """If the block fails, the files are as they were before it, on a full disk too.

    The table before it is kept beside its place as a link, which takes no space.
    """
    texts = {path: path.read_bytes() if path.exists() else None for path in paths if path != RAW}
    kept = RAW.with_name(f".{RAW.name}.before.part")
    kept.unlink(missing_ok=True)  # What a killed run left.
    if RAW.exists():
        link(RAW, kept)
    try:
        yield
    except BaseException:
        RAW.unlink(missing_ok=True)
        if kept.exists():
            kept.replace(RAW)
        for path, text in texts.items():
            restore(path, text)
        raise
    finally:
        kept.unlink(missing_ok=True)


def link(path: Path, other: Path) -> None:
    """Another name of a file; a copy where the file system has no such links."""
    try:
        other.hardlink_to(path)
    except OSError:
        shutil.copy2(path, other)


def restore(path: Path, text: bytes | None) -> None:
    """Give a file what it held; None: there was none."""
    if text is None:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_bytes() != text:
        path.write_bytes(text)


def write(rows: pd.DataFrame, rules: schema.Schema, memory: Data, new: bool) -> list[str]:
    """The table, the schema if it is new, and what params.yaml remembers; then DVC's version.

    Returns what is worth a line.
    """
    from dvc.cli import main

    with replacing(RAW) as part:
        storable_table(rows, rules).to_parquet(part, index=False)
        notes = check_size(part.stat().st_size)
    if new:
        with replacing(schema.SCHEMA) as part:
            part.write_text(schema.dump(rules), encoding="utf-8")
    remember(memory, rules if new else None)
    for command, path in (("add", RAW), ("push", POINTER)):
        # DVC tells why it failed only where it is not quiet.
        if main([command, "--quiet", str(path)]) != 0 and main([command, str(path)]) != 0:
            raise UserError(f"`dvc {command} {path}` failed; the reason is above")
    return notes


def check_size(size: int) -> list[str]:
    """Refuse a table that a Git host would not take where the store is in Git; a line if large."""
    if not STORE.is_dir():
        return []
    text = f"{RAW} is {size / MB:.0f} MB and the store is a folder in Git"
    if size > LARGEST_FILE:
        raise UserError(f"{text}: Git hosts refuse files over 100 MB. Move the store to a bucket")
    return [f"{text}: above 100 MB a push is refused; think of a bucket"] * (size > LARGE_FILE)


def storable_table(rows: pd.DataFrame, rules: schema.Schema) -> pd.DataFrame:
    """The table with mixed columns that no model uses as text, since Parquet needs one type."""
    mixed = [
        name
        for name in rows
        if name not in rules.columns
        and pd.api.types.infer_dtype(rows[name]).startswith("mixed")
        and infer.kind(rows[name]) is not None
    ]
    return rows.assign(**{name: reading.strings(rows[name]) for name in mixed})


def remember(memory: Data, rules: schema.Schema | None) -> None:
    """Write the source to params.yaml, and what suits a new schema to both files of settings."""
    with edit_yaml(config.PARAMS) as tried:
        given = memory.model_dump(exclude_defaults=True) | {"append": memory.append}
        for name in [name for name in tried["data"] if name not in given]:
            del tried["data"][name]
        tried["data"].update({"source": memory.source} | given)
        if rules:
            suit(tried, rules)
    if rules:
        with edit_yaml(config.RULES) as judged:
            suit_rules(judged, rules)


@contextmanager
def edit_yaml(path: Path) -> Iterator[Any]:
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
