"""What is compared with: the data that the released model was trained and tested with, and it.

It is read from the commit's own versions when it is needed: DVC keeps them, by their hashes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd

from mlgitops.core import config, paths
from mlgitops.core.errors import UserError
from mlgitops.data import contract, schema
from mlgitops.git import repository
from mlgitops.monitoring.log import add_parquet
from mlgitops.monitoring.sample import Sample
from mlgitops.releases import release_env
from mlgitops.training import exported_model
from mlgitops.training.features import inputs


class Reference(NamedTuple):
    """A commit; its contract; a typed sample of its raw table, which has `total` rows.

    `answer` is what its model says of its test set; `model` the hash of that, as the log has it.
    """

    commit: str
    rules: schema.Schema
    table: pd.DataFrame
    total: int
    test: pd.DataFrame
    answer: exported_model.Predictions
    exported: exported_model.Model
    model: str

    def times(self, table: pd.DataFrame) -> np.ndarray | None:
        """The time of each row of a table of this commit; None if its contract names none."""
        if self.rules.time is None:
            return None
        return np.asarray(pd.to_datetime(table[self.rules.time], utc=True).astype("int64"))


def commit_of(said: str) -> str:
    """The commit that a person names, else the one in production, or staging, else HEAD."""
    name = said or release_env.champion() or "HEAD"
    found = repository.commit(name)
    if found is None:
        raise UserError(f"there is no commit {name}: git fetch, or COMMIT=another")
    return found


def rules_of(commit: str) -> schema.Schema:
    """schema.yaml of a commit."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / paths.SCHEMA
        place.write_text(repository.text(commit, paths.SCHEMA.as_posix()) or "", encoding="utf-8")
        return config.parse(
            schema.Schema, config.read(place) or {}, f"{paths.SCHEMA} of {commit[:7]}"
        )


@contextmanager
def version(commit: str, path: Path) -> Iterator[Path]:
    """A path of a commit: what lies here, if it is that, else a copy from the cache or store."""
    lock = repository.lock(commit)
    wanted = lock.hash(path) if lock else None
    if wanted is None:
        raise UserError(f"{commit[:7]} has no {path} in dvc.lock: COMMIT= one that was trained")
    if path.exists() and repository.content(path) == wanted:
        yield path
        return
    with TemporaryDirectory() as folder:
        found = repository.fetch(commit, path.as_posix(), Path(folder))
        if found is None:
            raise UserError(f"{path} of {commit[:7]} is not in the store: `dvc push` where it is")
        yield found


@contextmanager
def load(commit: str, most: int, seed: int) -> Iterator[Reference]:
    """The reference of a commit, of at most so many rows; its model answers within the block."""
    rules, lock = rules_of(commit), repository.lock(commit)
    with version(commit, paths.RAW) as raw:
        table, total = read_sample(raw, most, seed)
    with version(commit, paths.TEST) as there:
        test, _ = read_sample(there, most, seed)
    with version(commit, paths.MODEL) as folder:
        exported = exported_model.load_isolated(folder)
        answer = exported.predict(inputs(test, exported.signature.columns))
        typed, _ = contract.cast_table(table, rules.columns)
        model = str(lock.model) if lock else ""
        yield Reference(commit, rules, typed, total, test, answer, exported, model)


def read_sample(path: Path, most: int, seed: int) -> tuple[pd.DataFrame, int]:
    """At most so many rows of a Parquet file, and how many it has."""
    sample = Sample(most, seed)
    add_parquet(path, sample)
    return sample.rows(), sample.seen
