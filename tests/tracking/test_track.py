"""Runs in the tracker: a small project with a real model, whose history is then made up."""

import json
import os
import re
import shutil
import signal
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

pytestmark = pytest.mark.slow

NAME = "bees-model"
IDENTITY = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in {"NAME": "Ada", "EMAIL": "ada@example.org"}.items()
} | {"GIT_CONFIG_GLOBAL": os.devnull}
BOOSTING = {
    "class": "sklearn.ensemble.HistGradientBoostingClassifier",
    "learning_rate": 0.1,
    "max_iter": 5,
    "random_state": 0,
}
LENIENT = {"rows": 100, "tolerance": 0.001, "max_differing": 0.05, "max_flipped": 0.05}
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


def bees() -> pd.DataFrame:
    """60 rows: a bee is a drone where it is long; one colour has a name that is hard to write."""
    row = np.arange(60)
    length = row * 7 % 60 / 4
    colour = np.array(["red", "green|`x`", "blue"])[row % 3]
    kind = np.where(length > 8, "drone", "queen")
    return pd.DataFrame({"length": length, "count": row * 3 % 11, "colour": colour, "kind": kind})


def run(*command: str) -> None:
    """Run a command, with the programs of this environment on the path."""
    here = Path(sys.executable).parent
    environment = os.environ | IDENTITY | {"PATH": f"{here}:{os.environ['PATH']}"}
    subprocess.run(command, check=True, capture_output=True, env=environment)


@pytest.fixture(scope="session")
def pipeline_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose pipeline has run, in one commit; and an empty database of MLflow."""
    folder = tmp_path_factory.mktemp("bees")
    before = Path.cwd()
    os.chdir(folder)
    made_project.write(folder)
    project = made_project.Project()
    project.set("train.estimator", BOOSTING)
    project.set("export.format", "onnx")
    project.set("parity", LENIENT)
    bees().to_csv("../bees.csv", index=False)
    run("git", "init", "--quiet", "--initial-branch=main")
    run("mlgitops", "data", "SOURCE=../bees.csv", "TARGET=kind", "RESET=1", "CHOOSE=0")
    run("mlgitops", "pipeline")
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", "Start")
    MlflowClient("sqlite:///mlflow.db").search_experiments()
    os.chdir(before)
    return folder


@pytest.fixture
def repo(pipeline_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained project; it is the current folder."""
    folder = tmp_path / "bees"
    shutil.copytree(pipeline_project, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


def commit(subject: str) -> str:
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--allow-empty", "--message", subject)
    return repository.head()


def try_rate(rate: float) -> str:
    """A commit that changed a parameter and what came out; the model's bytes stay."""
    for name in ("params.yaml", "dvc.lock"):
        text = Path(name).read_text("utf-8")
        Path(name).write_text(re.sub(r"learning_rate: [\d.]+", f"learning_rate: {rate}", text))
    metrics = Path("artifacts/metrics.json")
    metrics.write_text(json.dumps(json.loads(metrics.read_text("utf-8")) | {"log_loss": rate}))
    return commit(f"Try {rate}")


def runs() -> dict[str, Any]:
    """The commits' runs of the current project by commit."""
    found = connect("mlflow", NAME).runs("tags.kind = 'commit'")
    return {run.data.tags["commit"]: run for run in found}


def contents() -> dict[str, Any]:
    """What the runs hold, without the numbers that the server gives."""
    client = connect("mlflow", NAME).client
    return {
        sha: (
            one.info.run_name, one.info.status, one.info.start_time, one.data.params,
            one.data.metrics,
            {name: value for name, value in one.data.tags.items() if name != "parent_run"},
            [put.dataset.to_dictionary() for put in one.inputs.dataset_inputs],
            {file.path: file.file_size for file in client.list_artifacts(one.info.run_id, "plots")},
            len(one.outputs.model_outputs),
        )
        for sha, one in runs().items()
    }  # fmt: skip


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
    known = {name: value for name, value in metrics.items() if value is not None}
    assert known.items() <= one.data.metrics.items()
    sliced = json.loads(Path("artifacts/slices.json").read_text("utf-8"))
    hard = next(row for row in sliced if row["value"] == "green|`x`")
    assert one.data.metrics["slice/colour/green__x_/log_loss"] == hard["log_loss"]
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


def test_what_judged_is_logged_beside_what_was_tried(repo: Path) -> None:
    track(every=False)
    ((_, one),) = runs().items()
    assert one.data.params["split.test_share"] == "0.2"
    assert one.data.params["gate.metric"] == "log_loss"
    assert one.data.params["export.format"] == "onnx"


def test_history_is_rebuilt_figure_for_figure(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for rate in (0.2, 0.3):
        try_rate(rate)
    track(every=True)
    first = contents()
    assert len(first) == 3
    assert {0.2, 0.3} < {one[4]["log_loss"] for one in first.values()}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{repo}/empty.db")
    assert contents() == {}
    track(every=True)
    assert contents() == first


@pytest.mark.usefixtures("repo")
def test_logging_again_adds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    try_rate(0.2)
    track(every=False)
    track(every=True)
    before = {sha: one.info.run_id for sha, one in runs().items()}
    capsys.readouterr()
    track(every=True)
    assert capsys.readouterr().out == "0 logged, 2 already there\n"
    assert {sha: one.info.run_id for sha, one in runs().items()} == before


@pytest.mark.usefixtures("repo")
def test_a_commit_that_trained_nothing_makes_no_run() -> None:
    start = repository.head()
    Path("README.md").write_text("Bees.")
    commit("Say what it is")
    track(every=False)
    track(every=True)
    assert set(runs()) == {start}


@pytest.mark.usefixtures("repo")
def test_a_parent_run_is_tied_in_whatever_order_they_came() -> None:
    start, second = repository.head(), try_rate(0.2)
    commit("Nothing trained")
    third = try_rate(0.3)
    track(every=False)
    assert "parent_run" not in runs()[third].data.tags
    track(every=True)
    found = runs()
    assert found[third].data.tags["parent_run"] == found[second].info.run_id
    assert found[second].data.tags["parent_run"] == found[start].info.run_id
    assert "parent" not in found[start].data.tags


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


@pytest.mark.usefixtures("repo")
def test_an_interrupted_history_is_completed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shas = [repository.head(), try_rate(0.2), try_rate(0.3)]
    tie = MLflow.link

    def fail(self: MLflow, number: str, logged: Any) -> None:
        if logged.key.commit == shas[1]:
            raise KeyboardInterrupt
        tie(self, number, logged)

    with monkeypatch.context() as patch:
        patch.setattr(MLflow, "link", fail)
        with pytest.raises(KeyboardInterrupt):
            track(every=True)
    tracker = connect("mlflow", NAME)
    assert {key.commit for key in tracker.complete()} == {shas[0]}
    track(every=True)
    assert "1 half run deleted" in capsys.readouterr().out
    assert set(runs()) == set(shas)
    assert {key.commit for key in tracker.complete()} == set(shas)
    versions = MlflowClient(tracker.address).search_model_versions(f"name = '{NAME}'")
    assert sorted(one.tags["commit"] for one in versions) == sorted(shas)


@pytest.mark.usefixtures("repo")
def test_a_killed_process_leaves_no_run_that_looks_complete() -> None:
    kill = (
        "import os; from mlgitops.tracking.mlflow import MLflow; "
        "from mlgitops.tracking.track import track; "
        f"MLflow.finish = lambda *_: os.kill(os.getpid(), {signal.SIGKILL:d}); track(every=True)"
    )
    done = subprocess.run([sys.executable, "-c", kill], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    (half,) = runs().values()
    assert half.info.status == "RUNNING"
    assert not connect("mlflow", NAME).complete()
    track(every=True)
    (one,) = runs().values()
    assert (one.info.status, one.data.tags["complete"]) == ("FINISHED", "true")
    assert one.info.run_id != half.info.run_id


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


@pytest.mark.parametrize("new", [True, pytest.param(False, marks=pytest.mark.nightly)])
def test_two_commands_at_once_log_each_commit_once(repo: Path, new: bool) -> None:
    shas = {repository.head(), try_rate(0.2)}
    if new:
        Path("mlflow.db").unlink()
    command = [str(Path(sys.executable).with_name("mlgitops")), "track", "--all"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    answers = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert sorted(out for out, _ in answers) == [
        "0 logged, 2 already there\n", "2 logged, 0 already there\n",
    ]  # fmt: skip
    found = list(connect("mlflow", NAME).runs("tags.kind = 'commit'"))
    assert len(found) == 2
    assert {one.data.tags["commit"] for one in found} == shas


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


@pytest.mark.usefixtures("repo")
def test_a_commit_without_its_objects_is_logged_without_its_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.rmtree("store/files")
    shutil.rmtree(".dvc/cache/files")
    track(every=False)
    ((sha, one),) = runs().items()
    assert f"without a model, as the store lacks it: {sha[:8]}" in capsys.readouterr().out
    assert one.data.tags["model_state"] == "gone from the store"
    assert not one.outputs.model_outputs
    assert one.data.metrics
    assert one.data.tags["complete"] == "true"


def gate(sha: str, passed: bool) -> None:
    check = {"kind": "budget", "name": "model_mb", "value": 0.1, "limit": 50.0, "low": None,
             "high": None, "passed": passed, "judged": True, "reason": "small"}  # fmt: skip
    verdict = {"passed": passed, "commit": sha, "champion": None, "checks": [check]}
    Path("artifacts/gate.json").write_text(json.dumps(verdict))


@pytest.mark.usefixtures("repo")
def test_the_verdict_is_logged_with_its_own_commit_only() -> None:
    start, second = repository.head(), try_rate(0.2)
    gate(second, passed=False)
    track(every=True)
    found = runs()
    assert found[second].data.tags["gate"] == "refused"
    assert found[second].data.metrics["gate/budget/model_mb"] == 0.1
    assert "gate" not in found[start].data.tags


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
    assert {table["path"] for table in tables} == {"gate-table.json", "slices.json"}


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


def study(numbers: range) -> None:
    trials = [
        {"number": n, "params": {"estimator.max_iter": n} if n else {}, "scores": [0.5, 0.5],
         "value": None if n == 2 else 0.5 + n, "spread": None if n == 2 else 0.1,
         "reason": "cannot be fitted" if n == 2 else None, "when": 1000.0 + n}
        for n in numbers
    ]  # fmt: skip
    folder = Path("artifacts/trials")
    folder.mkdir(exist_ok=True)
    text = {"key": "abc", "data": "md5", "metric": "log_loss", "settings": {"seed": 0}}
    (folder / "abc.json").write_text(json.dumps({**text, "trials": trials}))


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
        _validate_metric_name(f"slice/column/{one}/log_loss")
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
