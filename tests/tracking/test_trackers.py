"""What either tracker does with a project's history: one suite for both."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import made_project
import pytest
import wandb_file
import yaml
from mlgitops.core import files
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.releases import release_env
from mlgitops.tracking.aliases import register
from mlgitops.tracking.base import Key, Tracker, connect
from mlgitops.tracking.track import key_of, log_trials, track
from tracked_project import NAME, gate, study

pytestmark = pytest.mark.slow

GROUPS = ("main/", "slices/", "verdict/")
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Seen:
    """A run as a person finds it in a tracker."""

    params: dict[str, Any]
    metrics: dict[str, float]
    tags: dict[str, Any]
    files: dict[str, bytes]
    datasets: dict[str, str]
    model: bool
    parent: str | None
    shown: set[str] = field(default_factory=set)  # tables and pictures on the first page


def in_mlflow() -> list[Seen]:
    """The complete runs of commits in mlflow.db."""
    tracker = connect("mlflow", NAME)
    found = list(tracker.runs("tags.kind = 'commit' and tags.complete = 'true'"))
    commits = {one.info.run_id: one.data.tags["commit"] for one in found}
    return [
        Seen(
            params=one.data.params,
            metrics=one.data.metrics,
            tags=one.data.tags,
            files=files_of(Path(one.info.artifact_uri.removeprefix("file://"))),
            datasets={put.dataset.name: put.dataset.digest for put in one.inputs.dataset_inputs},
            model=bool(one.outputs.model_outputs),
            parent=commits.get(one.data.tags.get("parent_run")),
            shown={table["path"] for table in json.loads(one.data.tags["mlflow.loggedArtifacts"])},
        )
        for one in found
    ]


def in_wandb() -> list[Seen]:
    """The complete runs of commits in wandb/, as W&B's own records have them."""
    folders = [path.parent for path in Path("wandb").glob("offline-run-*/complete.json")]
    found = [(folder, wandb_file.read(folder)) for folder in folders]
    found = [(folder, one) for folder, one in found if one["config"]["kind"] == "commit"]
    assert all(one["summary"]["complete"] is True and one["ended"] == 1 for _, one in found)
    commits = {one["id"]: one["config"]["commit"] for _, one in found}
    return [
        Seen(
            params=one["config"],
            metrics={key: one["history"][key] for key in one["history"] if key.startswith(GROUPS)},
            tags=one["config"],
            files=files_of(folder / "files"),
            datasets={
                f"{made.name.rpartition('-')[2]}.parquet": pointer(made)["md5"]
                for made in one["artifacts"]
                if made.type == "dataset" and made.use_after_commit
            },
            model=any(made.type == "model" for made in one["artifacts"]),
            parent=commits.get(one["config"].get("parent_run")),
            shown={
                f"{key.removesuffix('._type')}.json" for key in one["history"] if "._type" in key
            },
        )
        for folder, one in found
    ]


def pointer(made: Any) -> dict[str, Any]:
    """The pointer to a table that an artifact holds."""
    (file,) = made.manifest.contents
    return json.loads(Path(file.local_path).read_text("utf-8"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


VIEWS = {"mlflow": in_mlflow, "wandb": in_wandb}


@dataclass
class Place:
    """A project, and its tracker by its name."""

    name: str
    project: made_project.Project

    def runs(self) -> dict[str, Seen]:
        return {one.tags["commit"]: one for one in VIEWS[self.name]()}

    def count(self) -> int:
        return len(VIEWS[self.name]())

    @property
    def tracker(self) -> Tracker:
        return connect(self.name, NAME)

    @property
    def adapter(self) -> Any:
        module = import_module(f"mlgitops.tracking.{self.name}")
        return module.MLflow if self.name == "mlflow" else module.WandB


@pytest.fixture(params=VIEWS)
def place(
    request: pytest.FixtureRequest,
    workspace: made_project.Project,
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """A trained project with one tracker or the other; W&B without an account."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(Path("wandb/data").resolve()))
    if request.param == "mlflow":
        shutil.copy(database, "mlflow.db")
    workspace.set("track.tracker", request.param)
    workspace.git("add", "--all")
    # One process of W&B serves all tests: no two may have a commit of the same hash.
    moment = f"--date=@{sum(map(ord, request.node.name))}"
    workspace.git("commit", "--quiet", "--amend", "--no-edit", moment)
    return Place(request.param, workspace)


def own() -> dict[str, str]:
    """The environment of another command, which shares no process of W&B with the tests."""
    return {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}


def seed(number: int) -> str:
    """A commit that changed a parameter and a figure; the model's bytes stay."""
    for name in ("gate.yaml", "dvc.lock"):
        text = Path(name).read_text("utf-8")
        Path(name).write_text(re.sub(r"seed: \d+", f"seed: {number}", text), "utf-8")
    metrics = Path("artifacts/metrics.json")
    known = json.loads(metrics.read_text("utf-8"))
    metrics.write_text(json.dumps(known | {"log_loss": number / 10}), "utf-8")
    return made_project.Project().commit(f"Seed {number}")


def test_a_run_holds_what_the_commit_holds(place: Place) -> None:
    gate(repository.head(), passed=True)
    report = f"## Passed\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\ngit checkout {repository.head()}\n"
    Path("artifacts/report.md").write_text(report)
    track(every=False)
    ((sha, one),) = place.runs().items()
    lock = repository.lock(sha)
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    assert one.params["train.one_hot"] == str(params["train"]["one_hot"])
    assert one.params["gate.metric"] == "log_loss"
    metrics = json.loads(Path("artifacts/metrics.json").read_text("utf-8"))
    known = {f"main/{name}": value for name, value in metrics.items() if value is not None}
    assert known.items() <= one.metrics.items()
    sliced = json.loads(Path("artifacts/slices.json").read_text("utf-8"))
    part = next(row for row in sliced if row["value"] == "p")
    assert one.metrics["slices/g/p/log_loss"] == part["log_loss"]
    assert one.metrics["verdict/budget/model_mb"] == 0.1
    assert (one.tags["author"], one.tags["subject"], one.tags["branch"]) == ("Ada", "Start", "main")
    assert (one.tags["lock"], one.tags["data"], one.tags["model"]) == (
        lock.digest, lock.data, lock.model,
    )  # fmt: skip
    assert one.tags["gate"] == "passed"
    assert one.datasets["raw.parquet"] == lock.data
    assert set(one.datasets) == {"raw.parquet", "train.parquet", "test.parquet"}
    assert one.model
    assert {"slices.json", "gate-table.json"} <= one.shown


def test_the_plots_the_report_and_the_verdict_can_be_looked_at(place: Place) -> None:
    gate(repository.head(), passed=False)
    report = f"## Refused\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\ngit checkout {repository.head()}\n"
    Path("artifacts/report.md").write_text(report)
    track(every=False)
    (one,) = place.runs().values()
    pictures = [text for path, text in one.files.items() if path.endswith(".png")]
    assert len(pictures) == 4  # confusion, ROC, calibration, importance
    assert all(text.startswith(PNG) for text in pictures)
    page = next(text for path, text in one.files.items() if path.endswith(".html"))
    assert b"<td>1</td>" in page
    assert json.loads(one.files["gate.json"])["passed"] is False
    assert one.files["report.md"].decode() == report


def test_logging_again_adds_nothing(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    seed(2)
    track(every=False)
    track(every=True)
    before = place.runs()
    capsys.readouterr()
    track(every=True)
    assert capsys.readouterr().out == "0 logged, 2 already there\n"
    assert place.runs() == before
    assert place.count() == 2


@pytest.mark.nightly  # the demo does it by day
def test_history_is_rebuilt_figure_for_figure(
    place: Place, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, second = repository.head(), seed(2)
    track(every=True)
    first = {sha: (one.params, one.metrics, one.datasets) for sha, one in place.runs().items()}
    assert set(first) == {start, second}
    files.remove(Path("wandb"))
    shutil.copy(database, "empty.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{Path.cwd()}/empty.db")
    assert not place.tracker.complete()
    track(every=True)
    again = {sha: (one.params, one.metrics, one.datasets) for sha, one in place.runs().items()}
    assert again == first


def test_a_run_names_the_run_before(place: Place) -> None:
    start, second = repository.head(), seed(2)
    place.project.commit("Nothing trained")
    third = seed(3)
    track(every=False)
    assert place.runs()[third].parent is None
    track(every=True)
    found = place.runs()
    assert (found[third].parent, found[second].parent) == (second, start)
    assert "parent" not in found[start].tags


def test_an_interrupted_history_is_completed(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shas = [repository.head(), seed(2), seed(3)]
    ends: list[int] = []
    finish = place.adapter.finish

    def fail(*values: Any) -> None:
        ends.append(1)
        if len(ends) == 2:
            raise KeyboardInterrupt
        finish(*values)

    with monkeypatch.context() as patch:
        patch.setattr(place.adapter, "finish", fail)
        with pytest.raises(KeyboardInterrupt):
            track(every=True)
    assert {key.commit for key in place.tracker.complete()} == {shas[0]}
    track(every=True)
    assert "2 logged, 1 already there, 1 half run deleted" in capsys.readouterr().out
    assert set(place.runs()) == set(shas)
    assert place.count() == 3
    if place.name == "mlflow":
        versions = place.tracker.client.search_model_versions(f"name = '{NAME}'")
        assert sorted(one.tags["commit"] for one in versions) == sorted(shas)


def test_a_killed_command_leaves_no_run_that_looks_complete(place: Place) -> None:
    kill = (
        f"import os; from mlgitops.tracking.{place.name} import {place.adapter.__name__} as It; "
        "from mlgitops.tracking.track import track; "
        f"It.finish = lambda *_: os.kill(os.getpid(), {signal.SIGKILL:d}); track(every=True)"
    )
    done = subprocess.run([sys.executable, "-c", kill], capture_output=True, check=False, env=own())
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not place.tracker.complete()
    track(every=True)
    assert place.count() == 1


def test_two_commands_at_once_log_each_commit_once(place: Place) -> None:
    shas = {repository.head(), seed(2)}
    Path("mlflow.db").unlink(missing_ok=True)  # one of them makes it
    command = [str(Path(sys.executable).with_name("mlgitops")), "track", "--all"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": own()}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    answers = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert sorted(out for out, _ in answers) == [
        "0 logged, 2 already there\n", "2 logged, 0 already there\n",
    ]  # fmt: skip
    assert set(place.runs()) == shas
    assert place.count() == 2


def test_a_commit_without_its_objects_is_logged_without_its_model(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(".dvc/cache/files")
    track(every=False)
    ((sha, one),) = place.runs().items()
    assert f"without a model, as the store lacks it: {sha[:8]}" in capsys.readouterr().out
    assert one.tags["model_state"] == "gone from the store"
    assert not one.model
    assert one.metrics


def test_a_verdict_that_comes_later_is_added_once(place: Place) -> None:
    start, second = repository.head(), seed(2)
    track(every=True)
    gate(second, passed=False)
    key = key_of(second)
    for _ in range(2):
        track(every=True)
        found = place.runs()
        assert place.count() == 2
        assert found[second].tags["gate"] == "refused"
        assert {"slices.json", "gate-table.json"} <= found[second].shown
        assert "gate" not in found[start].tags
    assert place.tracker.complete() == {key, key_of(start)}
    assert Key(second, "another") not in place.tracker.complete()


def test_the_verdict_on_a_merge_is_its_models(place: Place) -> None:
    place.project.git("switch", "--quiet", "--create", "faster")
    inner = seed(2)
    place.project.git("switch", "--quiet", "main")
    place.project.git("merge", "--quiet", "--no-ff", "--no-edit", "faster")
    gate(repository.head(), passed=True)
    track(every=False)
    assert place.runs()[inner].tags["gate"] == "passed"


def test_trials_are_logged_once(place: Place) -> None:
    tracker = place.tracker
    with pytest.raises(UserError, match="make tune"):
        log_trials(tracker)
    study(range(3))
    assert log_trials(tracker) == "3 trials logged, 0 already there"
    study(range(5))
    assert log_trials(tracker) == "2 trials logged, 3 already there"
    assert not place.runs()


def test_aliases_are_the_servers(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """MLflow's database has them; offline W&B says what to do, and loses nothing."""
    start = repository.head()
    for environment in release_env.ENVIRONMENTS:
        place.project.release(start, environment)
    place.project.commit("Release")
    if place.name == "wandb":
        with pytest.raises(UserError, match="wandb sync --sync-all"):
            register()
        return
    register()
    assert f"staging: version 1, {start[:7]} Start\n" in capsys.readouterr().out
