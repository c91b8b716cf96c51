"""What a commit left behind to be judged by: its test set, predictions, metrics and slices."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlgitops.core import config
from mlgitops.data import schema
from mlgitops.training import exported_model
from mlgitops.core.errors import Mistake, listed
from mlgitops.training.features import inputs, target
from mlgitops.git import repository

TEST = Path("data/test.parquet")
TRAIN = Path("data/train.parquet")
METRICS = Path("artifacts/metrics.json")
SLICES = Path("artifacts/slices.json")


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


def gathered() -> Evidence:
    """The evidence in the working tree; a Mistake if it is missing, empty or out of date."""
    try:
        lock = repository.parsed(Path(repository.LOCK).read_text(encoding="utf-8"))
    except OSError:
        raise Mistake(f"{repository.LOCK} is not there: run `make pipeline`") from None
    rules = schema.load()
    table, known = _rows(TEST), _rows(TRAIN, rules.target)
    metrics, slices = _json(METRICS), _json(SLICES)
    if stale := changed(lock):
        raise Mistake(f"{listed(stale)}: not what dvc.lock was made from: run `make pipeline`")
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
        raise Mistake(f"{path} is not there: run `dvc pull`, or `make pipeline`")
    table = pd.read_parquet(path, columns=[column] if column else None)
    if table.empty:
        raise Mistake(f"{path} has no rows: there is nothing to judge the model by")
    return table


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise Mistake(f"{path} is not there: run `make pipeline`") from None
    except ValueError:
        raise Mistake(f"{path} is not JSON: run `make pipeline`") from None


def changed(lock: repository.Lock) -> list[str]:
    """Files and sections of params.yaml that are not those that dvc.lock was made from.

    A file that is not here, such as raw data that nobody pulled, is not counted. The folder of the
    model is compared too: DVC trusts what the store calls by its hash.
    """
    now = config.read(config.PARAMS) or {}
    places = {Path(path): md5 for path, md5 in repository.hashes(lock.stages).items()}
    found = [
        path.as_posix()
        for path, md5 in places.items()
        if (path.is_file() or (path == exported_model.FOLDER and path.is_dir()))
        and md5 != repository.content(path)
    ]
    sections = {
        name: value
        for stage in lock.stages.values()
        for name, value in (stage.get("params") or {}).get(str(config.PARAMS), {}).items()
    }
    return found + [
        f"{config.PARAMS}: {name}" for name, old in sections.items() if now.get(name) != old
    ]
