"""The model of another commit, asked about this commit's test set."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd

from mlgitops.core.errors import UserError, join_names
from mlgitops.data import schema
from mlgitops.data.schema import Column
from mlgitops.evaluation.evidence import TRAIN, Evidence
from mlgitops.git import repository
from mlgitops.training import exported_model
from mlgitops.training.features import inputs

VERSIONS = get_args(exported_model.Signature.model_fields["version"].annotation)


class OtherModel(NamedTuple):
    """Its answers for the test rows `rows` (positions), or the reason why it cannot be compared."""

    commit: str
    rows: np.ndarray
    answer: exported_model.Predictions | None
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
        return OtherModel(commit, rows, here.answer, here.labels, "it is the same model", same=True)
    try:
        check_history(commit, there)
        with TemporaryDirectory() as folder:
            exported = fetch(commit, Path(folder))
            check_inputs(commit, exported.signature, here)
            rows = new_rows(commit, there, here, Path(folder))
            answer = predictions(exported, here.table.iloc[rows])
    except Incomparable as reason:
        return OtherModel(commit, rows, None, None, str(reason))
    return OtherModel(commit, rows, answer, exported.signature.labels, "")


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


def check_inputs(commit: str, signature: exported_model.Signature, here: Evidence) -> None:
    """Refuse a model that answers another question, or from columns that this table lacks."""
    before = _schema(commit)
    if signature.task != here.rules.task:
        raise Incomparable(f"its task is {signature.task}, this one is {here.rules.task}")
    if before and before.target != here.rules.target:
        raise Incomparable(f"it predicts {before.target!r}, not {here.rules.target!r}")
    if set(signature.labels or ()) != set(here.labels or ()):
        raise Incomparable(f"it knows other classes: {join_names(signature.labels or ())}")
    missing = [name for name in signature.columns if name not in here.table]
    if missing:
        raise Incomparable(f"it needs columns that the table no longer has: {join_names(missing)}")
    others = [
        name
        for name, column in signature.columns.items()
        if _kind(column) != _kind(here.rules.columns[name]) or name == here.rules.target
    ]
    if others:
        raise Incomparable(f"columns that it needs are of another type now: {join_names(others)}")


def _schema(commit: str) -> schema.Schema | None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "schema.yaml"
        path.write_text(repository.text(commit, path.name) or "", encoding="utf-8")
        try:
            return schema.load(path)
        except UserError:
            return None


def _kind(column: Column) -> str:
    return column.type if column.type in ("category", "time") else "number"


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
    shared = [name for name in here.table if name in before]
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
