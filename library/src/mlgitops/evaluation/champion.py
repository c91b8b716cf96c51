"""The model of another commit, asked about this commit's test set."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd

from mlgitops.core import config, paths
from mlgitops.core.errors import UserError, join_names
from mlgitops.data import contract, schema
from mlgitops.data.schema import Column
from mlgitops.data.split import Split, group_of, test_rows
from mlgitops.evaluation.evidence import TRAIN, Evidence
from mlgitops.git import repository
from mlgitops.training import exported_model
from mlgitops.training.features import inputs

VERSIONS = get_args(exported_model.Signature.model_fields["version"].annotation)
SHARED = 0.5  # of the test rows: with fewer that both models can answer, nothing is compared


class OtherModel(NamedTuple):
    """Its answers for the test rows `rows` (positions), or the reason why it cannot be compared.

    `ours` are the answers of this commit's model for the same rows; both are about `labels`.
    """

    commit: str
    rows: np.ndarray
    answer: exported_model.Predictions | None
    ours: exported_model.Predictions
    labels: tuple[int | str, ...] | None
    reason: str
    same: bool = False


class Incomparable(Exception):
    """Why a model cannot be compared with this one, as the end of a sentence."""


def other_model(commit: str, here: Evidence) -> OtherModel:
    """The model of `commit` on the test set of this commit, as far as it is fair to compare."""
    rows = np.arange(len(here.table))
    there = repository.lock(commit)
    if there and there.model and there.model == here.lock.model:
        same = (here.answer, here.answer, here.labels)
        return OtherModel(commit, rows, *same, "it is the same model", same=True)
    try:
        check_history(commit, there)
        with TemporaryDirectory() as folder:
            exported = fetch(commit, Path(folder))
            check_question(commit, exported.signature, here)
            labels = common_labels(exported.signature, here)
            table, readable = read_inputs(exported.signature, here)
            rows = new_rows(commit, there, here, Path(folder))
            rows = common_rows(rows, readable, labels, here)
            answer = predictions(exported, table.iloc[rows])
    except Incomparable as reason:
        return OtherModel(commit, rows, None, here.answer, None, str(reason))
    theirs = narrow(answer, exported.signature.labels, labels)
    ours = narrow(here.answer.take(rows), here.labels, labels)
    return OtherModel(commit, rows, theirs, ours, labels, "")


def check_history(commit: str, there: repository.Lock | None) -> None:
    """Refuse a commit that is unknown, or that has no model."""
    if repository.commit(commit) is None:
        if repository.shallow():
            raise UserError(
                f"commit {commit[:7]} is not in this clone: git fetch --unshallow, then again"
            )
        raise Incomparable("its commit is not in the history of this repository")
    if there is None or there.model is None:
        raise Incomparable("its commit has no model in dvc.lock")


def fetch(commit: str, folder: Path) -> exported_model.Model:
    """The exported model of the commit, copied to `folder` and loaded."""
    path = repository.fetch(commit, exported_model.FOLDER.as_posix(), folder)
    if path is None:
        raise Incomparable("its files are gone from the store")
    try:
        version = json.loads((path / "signature.json").read_text(encoding="utf-8")).get("version")
        found = exported_model.load_isolated(path) if version in VERSIONS else None
    except Exception as error:
        raise Incomparable(f"it cannot be loaded ({_line(error)})") from error
    if found is None:
        raise Incomparable(f"it is of another format version, {version}")
    return found


def check_question(commit: str, signature: exported_model.Signature, here: Evidence) -> None:
    """Refuse a model that answers another question."""
    before, tasks = _schema(commit), (signature.task, here.rules.task)
    if tasks[0] != tasks[1] and "regression" in tasks:
        raise Incomparable(f"its task is {signature.task}, this one is {here.rules.task}")
    if before and before.target != here.rules.target:
        raise Incomparable(f"it predicts {before.target!r}, not {here.rules.target!r}")
    if here.rules.target in signature.columns:
        raise Incomparable(f"it predicts from {here.rules.target!r}, which is the target now")


def common_labels(
    signature: exported_model.Signature, here: Evidence
) -> tuple[int | str, ...] | None:
    """The classes that both models know; None for a regression."""
    if here.labels is None or signature.labels is None:
        return None
    shared = tuple(label for label in here.labels if label in signature.labels)
    if len(shared) < 2:
        raise Incomparable(f"it knows other classes: {join_names(signature.labels)}")
    return shared


def read_inputs(
    signature: exported_model.Signature, here: Evidence
) -> tuple[pd.DataFrame, np.ndarray]:
    """The test rows as the other model reads them, and which of them it can read.

    Where its contract is not that of this table, its columns are read from the raw table: one that
    is left out, or of another type now, is still there.
    """
    now = here.rules.columns
    if all(name in now and _alike(column, now[name]) for name, column in signature.columns.items()):
        return here.table, np.ones(len(here.table), dtype=bool)
    raw = raw_rows(here)
    if missing := [name for name in signature.columns if name not in raw]:
        raise Incomparable(f"it needs columns that the table no longer has: {join_names(missing)}")
    table, lost = contract.cast_table(raw, signature.columns)
    readable = ~np.isin(np.arange(len(table)), lost["row"].to_numpy(dtype="int64"))
    if readable.mean() < SHARED:
        names = join_names(lost["column"].unique())
        raise Incomparable(f"columns that it needs are of another type now: {names}")
    return table, readable


def raw_rows(here: Evidence) -> pd.DataFrame:
    """The rows of the raw table that are the test set, in its order, with all columns."""
    if not paths.RAW.exists():
        raise Incomparable(f"its columns are in {paths.RAW}, which is not here: run `dvc pull`")
    raw, p = pd.read_parquet(paths.RAW), config.load(Split)
    table, _ = contract.cast_table(raw, here.rules.columns)
    chosen = test_rows(table, here.rules, p, group_of(raw, p))
    if _keys(table[chosen]) != _keys(here.table[list(table)]):
        raise Incomparable(f"{paths.TEST} is not what gate.yaml's split takes from {paths.RAW}")
    return raw[chosen].reset_index(drop=True)


def common_rows(
    rows: np.ndarray, readable: np.ndarray, labels: exported_model.Labels, here: Evidence
) -> np.ndarray:
    """Those of the rows that both models can answer: readable, and of a class that both know."""
    known = set(labels or ())
    shared = [
        row for row in rows if readable[row] and (labels is None or here.actual[row] in known)
    ]
    if len(shared) < SHARED * len(rows):
        raise Incomparable(f"both can answer only {len(shared)} of {len(rows)} test rows")
    return np.asarray(shared, dtype="int64")


def narrow(
    answer: exported_model.Predictions, labels: exported_model.Labels, to: exported_model.Labels
) -> exported_model.Predictions:
    """Answers among some of the labels: as if it must be one of these."""
    if labels is None or to is None or labels == to or answer.probabilities is None:
        return answer
    chances = answer.probabilities[:, [labels.index(label) for label in to]].astype("float64")
    total = chances.sum(axis=1, keepdims=True)
    chances = np.divide(chances, total, out=np.full_like(chances, 1 / len(to)), where=total > 0)
    values = answer.values
    if set(labels) != set(to):
        values = np.asarray(to, dtype="object")[chances.argmax(axis=1)].astype(values.dtype)
    return exported_model.Predictions(values, chances)


def _schema(commit: str) -> schema.Schema | None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "schema.yaml"
        path.write_text(repository.text(commit, path.name) or "", encoding="utf-8")
        try:
            return schema.load(path)
        except UserError:
            return None


def _alike(one: Column, other: Column) -> bool:
    """Whether a value is read alike by both contracts."""
    kinds = [
        column.type if column.type in ("category", "time") else "number" for column in (one, other)
    ]
    return kinds[0] == kinds[1] and (one.missing, one.format) == (other.missing, other.format)


def new_rows(
    commit: str, there: repository.Lock | None, here: Evidence, folder: Path
) -> np.ndarray:
    """Positions of the test rows that the other model was not trained on.

    After new data a random split puts some of its training rows into this test set; it would
    know the answers.
    """
    rows = np.arange(len(here.table))
    if there and there.hash(TRAIN) == here.lock.hash(TRAIN):
        return rows
    path = repository.fetch(commit, TRAIN.as_posix(), folder)
    if path is None:
        return rows
    before = pd.read_parquet(path)
    numeric = pd.api.types.is_numeric_dtype
    shared = [
        name
        for name in here.table
        if name in before and numeric(here.table[name]) == numeric(before[name])
    ]
    seen = set(_keys(before[shared]))
    rows = rows[[key not in seen for key in _keys(here.table[shared])]]
    if not len(rows):
        raise Incomparable("it was trained on every row of this test set")
    return rows


def _keys(table: pd.DataFrame) -> list[int]:
    plain = {
        name: table[name].astype("float64")
        if pd.api.types.is_numeric_dtype(table[name])
        else table[name].astype("str").fillna("")
        for name in table
    }
    keys: list[int] = pd.util.hash_pandas_object(pd.DataFrame(plain), index=False).tolist()
    return keys


def predictions(exported: exported_model.Model, table: pd.DataFrame) -> exported_model.Predictions:
    """The answers of a model for a table."""
    try:
        return exported.predict(inputs(table, exported.signature.columns))
    except Exception as error:
        raise Incomparable(f"it cannot predict this test set ({_line(error)})") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
