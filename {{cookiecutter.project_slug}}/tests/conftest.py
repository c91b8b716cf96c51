"""A small table of every type, its schema, and a project folder that holds them."""

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from ml import features, schema
from ml.schema import Column, Schema

# No deadline: a loaded machine is no failure.
settings.register_profile("quick", deadline=None, max_examples=30)
settings.load_profile("quick")

PARAMS = """\
data: {source: null, append: false}
validate: {min_rows: 20, max_duplicates: 0.5}
prepare: {split: random, test_share: 0.2, seed: 0}
train:
  estimator: {class: sklearn.ensemble.HistGradientBoostingClassifier, max_iter: 5, random_state: 0}
  one_hot: 16
export: {format: onnx, rows: 100, tolerance: 0.0001, max_differing: 0.001, max_flipped: 0.001}
evaluate: {bins: 10, max_slices: 20, max_points: 1000}
score: {chunk: 7}
tune: {metric: log_loss}
gate: {metric: log_loss, minimum: {log_loss: naive}, slices: {min_rows: 30, limit: naive}}
"""


@pytest.fixture(autouse=True)
def _no_features() -> Iterator[None]:
    """The project's own features need the project's own columns."""
    own = features.FEATURES[:]
    features.FEATURES.clear()
    yield
    features.FEATURES[:] = own


@pytest.fixture(autouse=True)
def _no_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command tells a workflow is not for the one that runs these tests."""
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A port that nobody listens on, each time another."""

    def free() -> int:
        with socket.socket() as tried, suppress(OSError):
            # Below those that a system gives to connections, which might be faster than a server.
            tried.bind(("127.0.0.1", random.SystemRandom().randrange(20_000, 30_000)))
            return int(tried.getsockname()[1])
        return free()

    return free


@pytest.fixture
def frame() -> pd.DataFrame:
    """40 rows: `kind` is "b" where the length is large, which is missing in every 10th row."""
    row = np.arange(40)
    length = (row * 7 % 40) / 4
    return pd.DataFrame(
        {
            "length": np.where(row % 10 == 3, np.nan, length),
            "count": row * 3 % 11,
            "wild": row % 3 == 0,
            "colour": np.array(["red", "green", "blue"], dtype=object)[row % 3],
            "kind": np.where(length > 5, "b", "a"),
        }
    )


@pytest.fixture
def rules() -> Schema:
    return Schema(
        task="binary",
        target="kind",
        slices=("colour",),
        columns={
            "length": Column(type="number", nullable=True, range=(0, 20)),
            "count": Column(type="integer", range=(0, 10)),
            "wild": Column(type="boolean"),
            "colour": Column(type="category", categories=("blue", "green", "red")),
            "kind": Column(type="category", categories=("a", "b")),
        },
    )


@pytest.fixture
def project(tmp_path: Path, rules: Schema, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and schema.yaml; it is the current one."""
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "artifacts").mkdir()
    (folder / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (folder / "schema.yaml").write_text(schema.dump(rules), encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def choose(project: Path) -> Callable[[str, str], None]:
    """Replaces a text of params.yaml."""

    def replace(old: str, new: str) -> None:
        text = (project / "params.yaml").read_text("utf-8")
        assert old in text
        (project / "params.yaml").write_text(text.replace(old, new), encoding="utf-8")

    return replace
