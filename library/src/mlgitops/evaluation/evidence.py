"""What a commit left behind to be judged by: its test set, predictions, metrics and slices."""

import json
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlgitops.core import config, paths
from mlgitops.core.errors import UserError, join_names
from mlgitops.data import schema
from mlgitops.git import repository
from mlgitops.training import exported_model
from mlgitops.training.features import inputs, target
from mlgitops.training.metrics import by_class

TEST, TRAIN = paths.TEST, paths.TRAIN
METRICS, SLICES = paths.METRICS, paths.SLICES


@dataclass(frozen=True)
class Evidence:
    """The test set and what the exported model answers for it; what `evaluate` measured.

    `actual` and the predictions have one entry for each test row; `known` is the training target.
    """

    rules: schema.Schema
    table: pd.DataFrame
    actual: np.ndarray
    known: np.ndarray
    exported: exported_model.Model
    answer: exported_model.Predictions
    metrics: dict[str, float | None]
    slices: list[dict[str, Any]]
    lock: repository.Lock

    @property
    def labels(self) -> tuple[int | str, ...] | None:
        """The classes, in the order of the probabilities."""
        return self.exported.signature.labels

    @cached_property
    def classes(self) -> list[dict[str, Any]]:
        """Recall, precision and confusion of each class; empty for a regression."""
        return by_class(self.actual, self.answer.values, self.labels)


def gather() -> Evidence:
    """The evidence in the working tree; a UserError if it is missing, empty or out of date."""
    try:
        lock = repository.parse_lock(Path(repository.LOCK).read_text(encoding="utf-8"))
    except OSError:
        raise UserError(f"{repository.LOCK} is not there: run `make pipeline`") from None
    rules = schema.load()
    table, known = _rows(TEST), _rows(TRAIN, rules.target)
    metrics, slices = _json(METRICS), _json(SLICES)
    if stale := changes(lock):
        raise UserError(
            f"{join_names(stale)}: not what dvc.lock was made from: run `make pipeline`\n"
            "or go back to the last commit: git checkout HEAD . && dvc checkout"
        )
    exported = exported_model.load()
    return Evidence(
        rules=rules,
        table=table,
        actual=target(table, rules).to_numpy(),
        known=target(known, rules).to_numpy(),
        exported=exported,
        answer=exported.predict(inputs(table, exported.signature.columns)),
        metrics=metrics,
        slices=slices,
        lock=lock,
    )


def _rows(path: Path, column: str | None = None) -> pd.DataFrame:
    if not path.exists():
        raise UserError(f"{path} is not there: run `dvc pull`, or `make pipeline`")
    table = pd.read_parquet(path, columns=[column] if column else None)
    if table.empty:
        raise UserError(f"{path} has no rows: there is nothing to judge the model by")
    return table


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise UserError(f"{path} is not there: run `make pipeline`") from None
    except ValueError:
        raise UserError(f"{path} is not JSON: run `make pipeline`") from None


def changes(lock: repository.Lock) -> list[str]:
    """Files, folders and parameters that are not those that dvc.lock was made from.

    What is not here, such as raw data that nobody pulled, is not counted. Folders are compared
    file by file: DVC trusts what the store calls by its hash.
    """
    places = {Path(path): md5 for path, md5 in repository.hashes(lock.stages).items()}
    found = [
        path.as_posix()
        for path, md5 in places.items()
        if (path.exists() and md5 != repository.content(path))
        or (path == paths.CODE and not path.exists())
    ]
    used = {
        (file, name): value
        for stage in lock.stages.values()
        for file, values in (stage.get("params") or {}).items()
        for name, value in values.items()
    }
    now = {file: settings(Path(file)) for file, _ in used}
    return found + [
        f"{file}: {name}" for (file, name), old in used.items() if inner(now[file], name) != old
    ]


def settings(path: Path) -> Any:
    """The contents of a file of parameters."""
    if path.suffix == ".toml":
        try:
            return tomllib.loads(path.read_text("utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise UserError(f"{path}: cannot be read ({error})") from None
    return config.read(path) or {}


def inner(values: Any, name: str) -> Any:
    """The value of a dotted name in nested mappings; None if it is not there."""
    for key in name.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values
