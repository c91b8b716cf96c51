"""Runs in the tracker: a small project with a real model, whose history is then made up."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import made_project
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient, pyfunc
from mlflow.utils.validation import _validate_metric_name
from mlgitops.core.errors import UserError
from mlgitops.git import lineage, repository
from mlgitops.tracking.base import connect
from mlgitops.tracking.mlflow import MLflow
from mlgitops.tracking.track import (
    LIGHT,
    asset,
    distinct,
    flat,
    key_of,
    log_trials,
    requirements,
    run_of,
    track,
)
from mlgitops.tracking.ui import ui
from mlgitops.training import exported_model
from mlgitops.training.features import inputs
from tracked_project import NAME, bees, commit, gate, run, study, try_rate

pytestmark = pytest.mark.slow

FEATURES = """\
from ml.ratios import HALF

def shorter(columns, xp):
    return columns["length"] * HALF

FEATURES = (shorter,)
"""
# Loads a logged model, and tells its answers and where what it was pickled with comes from.
ASK = """
import json, sys
import mlflow, pandas
table = pandas.read_csv("table.csv").drop(columns="kind")
answer = mlflow.pyfunc.load_model(sys.argv[1]).predict(table)
names = ("mlgitops.serving.features", "ml.features", "ml.ratios")
files = [sys.modules[name].__file__ for name in names]
print(json.dumps([answer["label"].tolist(), files, sorted(sys.modules)]))
"""


def runs() -> dict[str, Any]:
    """The commits' runs of the current project by commit."""
    found = connect("mlflow", NAME).runs("tags.kind = 'commit'")
    return {run.data.tags["commit"]: run for run in found}


def test_a_run_holds_what_the_commit_holds(repo: Path) -> None:
    track(every=False)
    ((sha, one),) = runs().items()
    assert sha == repository.head()
    lock = repository.lock(sha)
    assert lock is not None
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    assert one.data.params["train.estimator.max_iter"] == "5"
    assert one.data.params["train.one_hot"] == str(params["train"]["one_hot"])
    metrics = json.loads(Path("artifacts/metrics.json").read_text("utf-8"))
    known = {f"main/{name}": value for name, value in metrics.items() if value is not None}
    assert known.items() <= one.data.metrics.items()
    sliced = json.loads(Path("artifacts/slices.json").read_text("utf-8"))
    hard = next(row for row in sliced if row["value"] == "green|`x`")
    assert one.data.metrics["slices/colour/green__x_/log_loss"] == hard["log_loss"]
    tags = one.data.tags
    assert (tags["author"], tags["subject"], tags["branch"]) == ("Ada", "Start", "main")
    assert (tags["lock"], tags["data"], tags["model"]) == (lock.digest, lock.data, lock.model)
    client = MlflowClient(f"sqlite:///{repo}/mlflow.db")
    table = json.loads(Path(client.download_artifacts(one.info.run_id, "slices.json")).read_text())
    assert len(table["data"]) == len(sliced)
    assert client.list_artifacts(one.info.run_id, "plots")
    digests = {put.dataset.name: put.dataset.digest for put in one.inputs.dataset_inputs}
    assert digests["raw.parquet"] == lock.data
    assert set(digests) == {"raw.parquet", "train.parquet", "test.parquet"}
    source = json.loads(one.inputs.dataset_inputs[0].dataset.source)["uri"]
    assert pd.read_parquet(source).shape == bees().shape


def test_the_logged_model_answers_as_the_exported_one(repo: Path) -> None:
    track(every=False)
    client = MlflowClient(f"sqlite:///{repo}/mlflow.db")
    (one,) = client.search_model_versions(f"name = '{NAME}'")
    assert (one.version, one.tags["commit"]) == (1, repository.head())
    (found,) = client.search_logged_models([connect("mlflow", NAME).experiment])
    loaded = pyfunc.load_model(found.artifact_location)
    table = bees().drop(columns="kind")
    exported = exported_model.load()
    expected = exported.predict(inputs(table, exported.signature.columns))
    answer = loaded.predict(table)
    assert answer["label"].tolist() == expected.values.tolist()
    np.testing.assert_allclose(answer["probability_drone"], expected.probabilities[:, 0])
    assert loaded.input_example.shape == (3, 3)
    with pytest.raises(Exception, match="length"):
        loaded.predict(table.drop(columns="length"))


def test_a_logged_scikit_learn_model_answers_without_the_project(repo: Path) -> None:
    Path("src/ml/features.py").write_text(FEATURES)
    Path("src/ml/ratios.py").write_text("HALF = 0.5\n")
    made_project.Project().set("export.format", "sklearn")
    run("mlgitops", "pipeline")
    commit("A feature, as scikit-learn")
    track(every=False)
    ((_, one),) = runs().items()
    client = MlflowClient(f"sqlite:///{repo}/mlflow.db")
    (found,) = client.search_logged_models([connect("mlflow", NAME).experiment])
    assert one.data.tags["model_state"] == "stored"
    exported = exported_model.load()
    expected = exported.predict(inputs(bees(), exported.signature.columns)).values
    there = repo.parent / "elsewhere"
    shutil.copytree(found.artifact_location.removeprefix("file://"), there / "model")
    bees().to_csv(there / "table.csv", index=False)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", ASK, "model"]
    done = subprocess.run(command, cwd=there, capture_output=True, text=True, check=True, env=clean)
    answer, files, loaded = json.loads(done.stdout)
    assert answer == expected.tolist()
    assert all(Path(file).resolve().is_relative_to(there) for file in files), files
    ours = {name for name in loaded if name.partition(".")[0] == "mlgitops"}
    assert ours == {"mlgitops", "mlgitops.serving", "mlgitops.serving.features"}
    packaged = {
        path.relative_to(there / "model/code").as_posix()
        for path in (there / "model/code").rglob("*.py")
    }
    assert packaged == {"served_model.py", *(f"mlgitops/{path}" for path in LIGHT)}


def test_a_model_from_before_there_was_a_library_takes_the_code_of_its_commit(
    workspace: made_project.Project, tmp_path: Path
) -> None:
    Path("artifacts/model/features.py").write_text("FEATURES = []\n")
    Path("src/ml/schema.py").write_text("# as it was\n")
    workspace.lock()
    sha = workspace.commit("As it was")
    Path("src/ml/schema.py").write_text("# not committed\n")
    found = asset(sha, repository.lock(sha), tmp_path / "into")
    assert found is not None
    (code,) = found.code
    assert code == tmp_path / "into/src/ml"
    assert (code / "schema.py").read_text() == "# as it was\n"


@pytest.mark.usefixtures("repo")
def test_a_commit_that_trained_nothing_makes_no_run() -> None:
    start = repository.head()
    Path("README.md").write_text("Bees.")
    commit("Say what it is")
    track(every=False)
    track(every=True)
    assert set(runs()) == {start}


@pytest.mark.usefixtures("repo")
def test_both_sides_of_a_merge_are_in_the_history() -> None:
    start = repository.head()
    run("git", "switch", "--quiet", "--create", "faster")
    side = try_rate(0.2)
    run("git", "switch", "--quiet", "main")
    Path("README.md").write_text("Bees.")
    commit("Say what it is")
    run("git", "merge", "--quiet", "--no-ff", "--no-edit", "faster")
    merge = repository.head()
    after = try_rate(0.3)
    track(every=True)
    found = runs()
    assert set(found) == {start, side, after}
    assert merge not in found
    assert found[side].data.tags["branch"] == "faster"
    assert found[after].data.tags["branch"] == "main"
    assert found[after].data.tags["parent"] == side


@pytest.mark.usefixtures("repo")
def test_a_merge_that_was_trained_anew_makes_a_run() -> None:
    run("git", "switch", "--quiet", "--create", "faster")
    side = try_rate(0.2)
    run("git", "switch", "--quiet", "main")
    other = try_rate(0.3)
    run("git", "merge", "--quiet", "--no-commit", "--strategy=ours", "faster")
    merge = try_rate(0.4)
    track(every=True)
    assert {side, other, merge} < set(runs())


OPEN = f"from mlgitops.tracking.base import connect; connect('mlflow', {NAME!r})"
SIZES = [
    4096,
    *(pytest.param(size, marks=pytest.mark.nightly) for size in (1, 60_000, 300_000, 600_000)),
]


@pytest.mark.parametrize("size", SIZES)
def test_a_kill_while_the_database_is_made_leaves_nothing_in_the_way(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed as soon as the database has so many bytes; the next command makes it whole."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    part = Path("mlflow.db.part")
    with subprocess.Popen([sys.executable, "-c", OPEN]) as process:
        while not (part.exists() and part.stat().st_size >= size):
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
    assert not Path("mlflow.db").exists()
    assert not connect("mlflow", NAME).complete()
    assert {path.name for path in tmp_path.iterdir()} <= {"mlflow.db", "mlflow.db.lock"}


def test_a_full_disk_while_the_database_is_made_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); "
    done = subprocess.run(
        [sys.executable, "-c", limit + OPEN], capture_output=True, text=True, check=False
    )
    assert re.search(r"UserError: MLflow at .*disk.*\n.*[Ff]ree some space", done.stderr)
    assert not connect("mlflow", NAME).complete()


def test_half_a_database_of_an_earlier_release_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with closing(sqlite3.connect("mlflow.db")) as half:
        half.execute("CREATE TABLE metrics (key TEXT, value FLOAT, step BIGINT)")
        half.commit()
    with pytest.raises(UserError, match=r"Delete mlflow.db; `make track ALL=1` makes it again"):
        connect("mlflow", NAME)


@pytest.mark.usefixtures("repo")
def test_what_was_logged_twice_before_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    track(every=False)
    sha = repository.head()
    tracker = connect("mlflow", NAME)
    (commit,) = repository.training_commits()
    with run_of(commit, key_of(sha), "main", "") as second:
        tracker.log(second)
    try_rate(0.2)
    track(every=True)
    assert capsys.readouterr().out.endswith("1 logged, 1 already there, 1 second run deleted\n")
    found = runs()
    assert len(list(tracker.runs("tags.kind = 'commit'"))) == len(found) == 2
    (version,) = tracker.client.search_model_versions(f"name = '{NAME}' and tags.commit = '{sha}'")
    assert version.run_id == found[sha].info.run_id
    assert found[repository.head()].data.tags["parent_run"] == version.run_id


def test_a_verdict_that_comes_later_is_added(repo: Path) -> None:
    track(every=False)
    gate(repository.head(), passed=True)
    track(every=False)
    (one,) = runs().values()
    assert one.data.tags["gate"] == "passed"
    client = MlflowClient(f"sqlite:///{repo}/mlflow.db")
    paths = {file.path for file in client.list_artifacts(one.info.run_id)}
    assert {"gate.json", "gate-table.json", "slices.json"} <= paths
    tables = json.loads(one.data.tags["mlflow.loggedArtifacts"])
    assert {"gate-table.json", "slices.json"} <= {table["path"] for table in tables}


@pytest.mark.usefixtures("repo")
def test_nothing_committed_or_trained_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dvc.lock").unlink()
    commit("Forget what was trained")
    with pytest.raises(UserError, match="make pipeline, then git commit"):
        track(every=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match=r"MLflow at http://127\.0\.0\.1:9"):
        track(every=True)


@pytest.mark.usefixtures("repo")
def test_trials_are_logged_once_under_one_parent() -> None:
    tracker = connect("mlflow", NAME)
    with pytest.raises(UserError, match="make tune"):
        log_trials(tracker)
    study(range(3))
    assert log_trials(tracker) == "3 trials logged, 0 already there"
    study(range(5))
    assert log_trials(tracker) == "2 trials logged, 3 already there"
    (parent,) = tracker.runs("tags.kind = 'search'")
    children = list(tracker.runs(f"tags.mlflow.parentRunId = '{parent.info.run_id}'"))
    figures = {one.data.tags["trial"]: one.data.metrics for one in children}
    assert figures["2"] == {}
    assert figures["4"] == {"cv/log_loss": 4.5, "cv/spread": 0.1}
    assert set(figures) == set("01234")
    assert not runs()


@pytest.mark.usefixtures("repo")
def test_a_half_trial_is_logged_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = connect("mlflow", NAME)
    study(range(3))
    finish = MLflow.finish

    def fail(self: MLflow, number: str, when: float) -> None:
        if when == 1001.0:
            raise KeyboardInterrupt
        finish(self, number, when)

    with monkeypatch.context() as patch:
        patch.setattr(MLflow, "finish", fail)
        with pytest.raises(KeyboardInterrupt):
            log_trials(tracker)
    assert log_trials(tracker) == "2 trials logged, 1 already there"
    trials = [one.data.tags["trial"] for one in tracker.runs("tags.kind = 'trial'")]
    assert sorted(trials) == ["0", "1", "2"]


def test_the_pages_open_with_the_mlflow_that_wrote_the_runs(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.append(command))
    ui()
    (command,) = asked
    assert f"mlflow=={version('mlflow-skinny')}" in command
    assert f"sqlite:///{repo}/mlflow.db" in command
    replace(connect("mlflow", NAME), address="http://127.0.0.1:9").ui()
    assert capsys.readouterr().out == "http://127.0.0.1:9\n"
    assert len(asked) == 1


@given(st.lists(st.text(max_size=100), unique=True, max_size=8))
def test_names_of_slices_are_safe_and_distinct(values: list[str]) -> None:
    name = distinct()
    names = [name(value) for value in values]
    for one in names:
        _validate_metric_name(f"slices/column/{one}/log_loss")
    assert len(set(names)) == len(values)
    assert names == [name(value) for value in values]


def test_nested_params_become_dotted() -> None:
    nested = {"a": {"b": 1, "c": {"d": None}}, "e": [1, 2], "f": {}, "g": "text"}
    assert flat(nested) == {"a.b": "1", "a.c.d": "null", "e": "[1, 2]", "f": "{}", "g": "text"}


@pytest.mark.parametrize(
    ("subject", "branch", "number"),
    [
        ("Merge branch 'faster' into main", "faster", ""),
        ("Merge remote-tracking branch 'origin/faster'", "origin/faster", ""),
        ("Merge pull request #3 from ada/new/season", "new/season", "3"),
        ("Merge two ways of counting", "", ""),
        ("Count in two ways (#12)", "", "12"),
        ("Fix (#12) again", "", ""),
    ],
)
def test_a_subject_names_its_branch_and_request(subject: str, branch: str, number: str) -> None:
    assert (lineage.branch(subject), lineage.request(subject)) == (branch, number)


@pytest.mark.usefixtures("repo")
def test_a_model_needs_the_versions_that_the_commit_locked() -> None:
    Path("uv.lock").write_text('[[package]]\nname = "numpy"\nversion = "9.9"\n')
    sha = commit("Lock")
    installed = version("pandas")
    assert requirements(sha, ("numpy", "pandas")) == ["numpy==9.9", f"pandas=={installed}"]


@pytest.mark.usefixtures("repo")
def test_what_is_not_committed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("params.yaml").open("a") as file:
        file.write("# changed\n")
    track(every=False)
    assert "what is not committed is not logged" in capsys.readouterr().out
