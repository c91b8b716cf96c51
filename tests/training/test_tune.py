"""The search for better values, on a table small enough to be fitted in a moment."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlgitops.core import config
from mlgitops.core.errors import UserError
from mlgitops.core.files import alone
from mlgitops.data import schema
from mlgitops.data.schema import Column, Schema
from mlgitops.training import cross_validation, hooks, search, tune
from tables import write_project

pytestmark = pytest.mark.slow

PARAMS = """\
# Numbers.
train:
  estimator: {class: sklearn.tree.DecisionTreeClassifier, max_depth: 1, random_state: 0} # a tree
  one_hot: 16

tune:
  ranges: # of `train`
    estimator.max_depth: {low: 1, high: 6}
    estimator.ccp_alpha: {low: 0.0001, high: 0.1, log: true}
  metric: accuracy
  trials: 6
  folds: 3
  seed: 0
  batch: 2
  jobs: 1
  backend: threading
"""


@pytest.fixture
def tree_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a training set that one cut cannot tell apart, but three can."""
    rules = Schema(
        task="binary",
        target="kind",
        columns={"length": Column(type="number"), "kind": Column(type="category")},
    )
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, rules)
    Path("params.yaml").write_text(PARAMS)
    Path("data").mkdir()
    length = np.arange(60) * 7 % 60 / 4
    kind = pd.Series(np.where(length // 4 % 2 > 0, "b", "a"), dtype="str")
    pd.DataFrame({"length": length, "kind": kind}).to_parquet("data/train.parquet")
    return tmp_path


def edit(old: str, new: str) -> None:
    text = Path("params.yaml").read_text()
    assert old in text
    Path("params.yaml").write_text(text.replace(old, new))


def read_trials() -> list[dict[str, Any]]:
    """The trials of the only study, without their times."""
    (path,) = Path("artifacts/trials").glob("*.json")
    trials = json.loads(path.read_text())["trials"]
    return [{name: one[name] for name in one if name != "when"} for one in trials]


def stop_after(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search, and press Ctrl-C when so many trials are written."""
    write, left = tune.write_json, iter(range(number))

    def write_some(value: Any, path: Path) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        write(value, path)

    with monkeypatch.context() as patch:
        patch.setattr(tune, "write_json", write_some)
        with pytest.raises(KeyboardInterrupt):
            tune.tune(apply=False)


@pytest.mark.usefixtures("tree_project")
def test_the_search_finds_a_deeper_tree(capsys: pytest.CaptureFixture[str]) -> None:
    tune.tune(apply=False)
    trials = read_trials()
    assert [one["number"] for one in trials] == list(range(7))
    assert trials[0]["params"] == {}
    assert max(one["value"] for one in trials) > trials[0]["value"] + 0.1
    table = capsys.readouterr().out
    assert table.splitlines()[1].split()[:2] == ["trial", "accuracy"]
    assert "current" in table


@pytest.mark.usefixtures("tree_project")
@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_stopped_search_ends_as_one_that_was_not(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tune.tune(apply=False)
    whole = read_trials()
    (path,) = Path("artifacts/trials").glob("*.json")
    path.unlink()
    stop_after(number, monkeypatch)
    assert read_trials() == whole[:number]
    assert f"stopped after {number} trials" in capsys.readouterr().out
    tune.tune(apply=False)
    assert read_trials() == whole


@pytest.mark.usefixtures("tree_project")
def test_more_trials_go_on_with_the_same_search() -> None:
    tune.tune(apply=False)
    first = read_trials()
    edit("trials: 6", "trials: 9")
    tune.tune(apply=False)
    assert read_trials()[:7] == first
    assert len(read_trials()) == 10


@pytest.mark.usefixtures("tree_project")
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_every_backend_finds_the_same(backend: str) -> None:
    tune.tune(apply=False)
    first = read_trials()
    next(Path("artifacts/trials").glob("*.json")).unlink()
    edit("jobs: 1", "jobs: 2")
    edit("backend: threading", f"backend: {backend}")
    tune.tune(apply=False)
    assert read_trials() == first


@pytest.mark.usefixtures("tree_project")
def test_dask_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="the package distributed is optional")
    tune.tune(apply=False)
    first = read_trials()
    next(Path("artifacts/trials").glob("*.json")).unlink()
    edit("backend: threading", "backend: dask")
    with distributed.LocalCluster(n_workers=1, dashboard_address=None) as cluster:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        tune.tune(apply=False)
    assert read_trials() == first


@pytest.mark.usefixtures("tree_project")
@pytest.mark.parametrize(
    ("old", "new"),
    [("high: 6", "high: 7"), ("seed: 0", "seed: 1"), ("max_depth: 1,", "max_depth: 2,")],
)
def test_other_params_are_another_study(old: str, new: str) -> None:
    tune.tune(apply=False)
    edit(old, new)
    tune.tune(apply=False)
    assert len(list(Path("artifacts/trials").glob("*.json"))) == 2


@pytest.mark.usefixtures("tree_project")
def test_other_data_is_another_study() -> None:
    tune.tune(apply=False)
    pd.read_parquet("data/train.parquet").head(50).to_parquet("data/train.parquet")
    tune.tune(apply=False)
    assert len(list(Path("artifacts/trials").glob("*.json"))) == 2


def test_without_apply_every_file_stays_as_it_was(tree_project: Path) -> None:
    before = {path: path.read_bytes() for path in tree_project.rglob("*") if path.is_file()}
    tune.tune(apply=False)
    after = {path: path.read_bytes() for path in tree_project.rglob("*") if path.is_file()}
    written = {path for path in after if after[path] != before.get(path)}
    assert {path.parent.name for path in written} == {"trials"}


@pytest.mark.usefixtures("tree_project")
def test_apply_changes_values_and_nothing_else() -> None:
    tune.tune(apply=True)
    best = max(read_trials(), key=lambda one: one["value"])["params"]
    depth, alpha = best["estimator.max_depth"], best["estimator.ccp_alpha"]
    expected = PARAMS.replace("max_depth: 1,", f"max_depth: {depth},")
    expected = expected.replace("random_state: 0}", f"random_state: 0, ccp_alpha: {alpha}}}")
    assert Path("params.yaml").read_text() == expected
    assert config.load(hooks.section("train")).estimator.model_extra["max_depth"] == depth


@pytest.mark.usefixtures("tree_project")
def test_apply_keeps_present_values_that_are_as_good(capsys: pytest.CaptureFixture[str]) -> None:
    edit("max_depth: 1,", "max_depth: 6,")
    edit("low: 1, high: 6", "low: 5, high: 6")
    edit("    estimator.ccp_alpha: {low: 0.0001, high: 0.1, log: true}\n", "")
    before = Path("params.yaml").read_text()
    tune.tune(apply=True)
    assert "nothing is better than the current values" in capsys.readouterr().out
    assert Path("params.yaml").read_text() == before


@pytest.mark.usefixtures("tree_project")
def test_a_setting_that_cannot_be_fitted_fails_alone(capsys: pytest.CaptureFixture[str]) -> None:
    edit("{low: 1, high: 6}", "{choices: [3, -1]}")
    tune.tune(apply=False)
    reasons = {one["params"].get("estimator.max_depth"): one["reason"] for one in read_trials()}
    assert "max_depth" in reasons[-1]
    assert reasons[3] is None
    assert "trials failed" in capsys.readouterr().out


@pytest.mark.usefixtures("tree_project")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("estimator.max_depth: {low", "estimator.max_dept: {low", "max_dept"),
        ("estimator.max_depth: {low", "estimater: {low", "estimater"),
        ("metric: accuracy", "metric: acuracy", "there are rows, log_loss"),
        ("metric: accuracy", "metric: rmse", "no rmse"),
        ("{low: 1, high: 6}", "{low: 6, high: 1}", "low must be below high"),
        ("{low: 1, high: 6}", "{low: 1}", "low and high"),
        ("{low: 1, high: 6}", "{low: 1, high: 6, choices: [1]}", "or choices"),
        ("{low: 0.0001", "{low: 0.0", "above 0"),
        ("folds: 3", "folds: 61", "too few for 61 folds"),
        ("folds: 3", "folds: 40", "no class has 40 rows"),
        ("folds: 3", "folds: 1", "folds"),
        ("backend: threading", "backend: threads", "tune.backend"),
    ],
)
def test_what_cannot_work_is_a_mistake(old: str, new: str, said: str) -> None:
    edit(old, new)
    with pytest.raises(UserError, match=said):
        tune.tune(apply=False)


@pytest.mark.usefixtures("tree_project")
def test_a_regression_is_searched_too() -> None:
    table = pd.read_parquet("data/train.parquet")
    table.assign(kind=(table["length"] // 4 % 2) * 10.0).to_parquet("data/train.parquet")
    columns = {"length": Column(type="number"), "kind": Column(type="number")}
    rules = Schema(task="regression", target="kind", columns=columns)
    Path("schema.yaml").write_text(schema.dump(rules))
    edit("DecisionTreeClassifier", "DecisionTreeRegressor")
    edit("metric: accuracy", "metric: rmse")
    tune.tune(apply=True)
    values = [one["value"] for one in read_trials()]
    assert min(values) < values[0]
    assert "max_depth: 1," not in Path("params.yaml").read_text()


@pytest.mark.usefixtures("tree_project")
def test_no_training_set_is_a_mistake() -> None:
    Path("data/train.parquet").unlink()
    with pytest.raises(UserError, match="make pipeline"):
        tune.tune(apply=False)


@pytest.mark.usefixtures("tree_project")
def test_folds_have_each_row_once_and_the_classes_in_their_shares() -> None:
    table = pd.read_parquet("data/train.parquet")
    splits = cross_validation.split_rows(table, schema.load(), folds=3, seed=0)
    measured = np.concatenate([part for _, part in splits])
    assert sorted(measured) == list(range(60))
    assert all(not set(fit) & set(part) for fit, part in splits)
    shares = [(table["kind"].iloc[part] == "a").mean() for _, part in splits]
    np.testing.assert_allclose(shares, (table["kind"] == "a").mean(), atol=0.05)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0, 1))
def test_shortened_values_stay_within_their_range(low: float, width: float, at: float) -> None:
    limits = {"x": search.distribution(search.Range(low=low, high=low + width))}
    short = search.round_values({"x": min(low + at * width, low + width)}, limits)["x"]
    assert low <= short <= low + width


def test_the_mean_and_its_error_are_those_of_the_folds() -> None:
    assert cross_validation.mean_and_error(np.array([1.0, 2.0, 3.0])) == (
        2.0,
        pytest.approx(0.57735027),
    )


def test_a_search_stops_when_its_time_is_over_and_goes_on_from_there(tree_project, capsys):
    tune.tune(seconds="0")
    said = capsys.readouterr().out
    assert "the time is over after 0 of 6 trials" in said
    tune.tune(seconds="10m")
    said = capsys.readouterr().out
    assert "0 of 6 trials are already there" in said
    assert "the time is over" not in said


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("", float("inf"))]
)
def test_a_time_is_seconds_minutes_or_hours(text, seconds):
    assert tune.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["soon", "-1", "10 days", "m"])
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(UserError, match="say seconds, or 10m for minutes, 2h for hours"):
        tune.seconds_of(text)


def test_a_search_beside_another_is_refused(tree_project: Path) -> None:
    with alone(tree_project / tune.STUDIES / "search"), pytest.raises(UserError, match="another"):
        tune.tune()
    assert not list(tune.STUDIES.glob("*.json"))


@pytest.mark.usefixtures("tree_project")
def test_a_killed_search_goes_on_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    """Killed after its first trials, as it is; then it ends with the trials of one that was not."""
    search = "from mlgitops.training import tune; tune.tune()"
    with subprocess.Popen([sys.executable, "-c", search], stderr=subprocess.DEVNULL) as process:
        while not list(tune.STUDIES.glob("*.json")):
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
    done = len(read_trials())
    tune.tune()
    assert f"{done - 1} of 6 trials are already there" in capsys.readouterr().out
    trials = read_trials()
    shutil.rmtree(tune.STUDIES)
    tune.tune()
    assert read_trials() == trials
