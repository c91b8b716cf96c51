"""A generated project, used as a person would: by its make targets."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from baked import ROOT, bake, commit, run
from sklearn import datasets

LATER = ROOT / "demo/flights-2013-07.csv"
TABLES = {
    "breast_cancer": ("target", "binary", "accuracy", 0.9),
    "wine": ("target", "multiclass", "accuracy", 0.85),
    "digits": ("target", "multiclass", "accuracy", 0.9),
    "diabetes": ("target", "regression", "r2", 0.2),
}


def make(target: str, project: Path, fails: bool = False, **variables: str) -> str:
    """What the target printed."""
    said = [f"{name}={value}" for name, value in variables.items()]
    return run("make", target, *said, cwd=project, fails=fails)


def metrics_of(project: Path) -> dict[str, float]:
    return json.loads((project / "artifacts/metrics.json").read_text("utf-8"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), "utf-8")


def test_set_up_leaves_a_current_lock_file_and_a_clean_commit(ready):
    assert run("git", "status", "--porcelain", cwd=ready) == ""
    assert "up to date" in run(".venv/bin/dvc", "status", cwd=ready)
    assert "in sync" in run(".venv/bin/dvc", "status", "--cloud", cwd=ready)
    assert metrics_of(ready)["roc_auc"] > 0.7


def test_every_python_gets_the_same_versions(ready):
    names = re.findall(r'(?m)^name = "(.+)"$', (ready / "uv.lock").read_text("utf-8"))
    assert len(names) == len(set(names)) > 100


def test_set_up_again_changes_nothing(copy):
    make("setup", copy)
    assert run("git", "status", "--porcelain", cwd=copy) == ""


def test_the_project_passes_its_own_checks(copy):
    said = make("check", copy)
    assert re.search(r"^\d+ passed in", said, re.M)
    assert "skipped" not in said


def test_the_checks_leave_nothing_behind(copy, tmp_path):
    place = tmp_path / "tmp"
    place.mkdir()
    run("make", "check", cwd=copy, TMPDIR=str(place))
    assert [path for path in place.rglob("*") if path.is_file()] == []
    assert run("git", "status", "--porcelain", cwd=copy) == ""


def test_the_own_checks_refuse_code_that_is_wrong(copy):
    (copy / "src/ml/wrong.py").write_text('"""Wrong."""\n\n\ndef f() -> int:\n    return "a"\n')
    assert "wrong.py" in make("check", copy, fails=True)


def test_a_commit_hook_refuses_code_that_is_wrong(copy):
    run("git", "config", "user.name", "Test", cwd=copy)
    run("git", "config", "user.email", "test@example.org", cwd=copy)
    (copy / "src/ml/wrong.py").write_text("import os, undefined_name\nprint(undefined)\n")
    run("git", "add", "--all", cwd=copy)
    assert "lint" in run("git", "commit", "--message", "Wrong", cwd=copy, fails=True)


def test_a_clone_has_the_data_and_the_model_and_runs_nothing(ready, tmp_path):
    clone = tmp_path / "clone"
    run("git", "clone", "--quiet", "--no-hardlinks", str(ready), str(clone), cwd=tmp_path)
    run("make", ".venv/.made", cwd=clone)
    run(".venv/bin/dvc", "pull", cwd=clone)
    path = f"{clone / '.venv/bin'}:/usr/bin:/bin"
    assert "Running stage" not in run(".venv/bin/dvc", "repro", cwd=clone, PATH=path)
    assert (clone / "artifacts/model/model.onnx").exists()


@pytest.mark.nightly
def test_two_clean_runs_give_the_same_lock_file_whatever_the_seed_and_the_threads(copy):
    locks = set()
    for seed, threads in (("0", "1"), ("7", "2")):
        run("rm", "-rf", ".dvc/cache", ".dvc/tmp", "artifacts/model", "dvc.lock", cwd=copy)
        environment = {
            "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads,
            "PATH": f"{copy}/.venv/bin:/usr/bin:/bin",
        }  # fmt: skip
        run("dvc", "pull", "data/raw.parquet", cwd=copy, **environment)
        run("dvc", "repro", "--force", cwd=copy, **environment)
        locks.add((copy / "dvc.lock").read_text("utf-8"))
    assert len(locks) == 1


def test_nothing_to_do_does_nothing(copy):
    before = (copy / "dvc.lock").stat().st_mtime_ns
    assert "Running stage" not in make("pipeline", copy)
    assert (copy / "dvc.lock").stat().st_mtime_ns == before


def test_another_parameter_retrains_and_only_that(copy):
    edit(copy / "params.yaml", "learning_rate: 0.1", "learning_rate: 0.05")
    said = make("pipeline", copy)
    ran = re.findall(r"Running stage '(\w+)'", said)
    assert ran == ["train", "export", "evaluate"]
    assert "learning_rate" in run(".venv/bin/dvc", "params", "diff", cwd=copy)


@pytest.mark.nightly
def test_another_estimator_is_one_line(copy):
    path = copy / "params.yaml"
    old = next(line for line in path.read_text("utf-8").splitlines() if "estimator: {" in line)
    edit(path, old, "  estimator: {class: sklearn.linear_model.LogisticRegression, max_iter: 500}")
    said = make("pipeline", copy)
    assert "LogisticRegression fitted" in said
    assert "0.00% of the rows differ" in said


@pytest.mark.nightly
def test_a_feature_is_one_function(copy):
    path = copy / "src/ml/features.py"
    edit(
        path,
        "FEATURES = ()\n",
        "def gust_ratio(columns, xp):\n"
        '    return xp.log(columns["gust_mph"] / columns["wind_mph"])\n\n\n'
        "FEATURES = (gust_ratio,)\n",
    )
    said = make("pipeline", copy)
    assert "0.00% of the rows differ" in said
    assert "gust_ratio" not in (copy / "artifacts/model/signature.json").read_text("utf-8")


def test_a_bad_parameter_is_named_and_keeps_the_old_outputs(copy):
    before = metrics_of(copy)
    edit(copy / "gate.yaml", "test_share: 0.2", "test_share: 2")
    said = make("pipeline", copy, fails=True)
    assert "gate.yaml: split.test_share" in said
    assert "Traceback" not in said
    assert metrics_of(copy) == before


def test_plots_are_drawn(copy):
    make("plots", copy)
    page = (copy / "dvc_plots/index.html").read_text("utf-8")
    assert all(name in page for name in ("Confusion", "ROC", "Calibration"))


@pytest.mark.nightly
def test_the_next_month_arrives_is_checked_and_trained_on(copy):
    make("data", copy, SOURCE=str(LATER), APPEND="1")
    again = make("data", copy)
    assert "2500 rows were already there" in again
    make("pipeline", copy)
    assert metrics_of(copy)["rows"] == 3500


def test_a_month_that_breaks_the_contract_is_refused_by_the_pipeline(copy, tmp_path):
    table = pd.read_csv(LATER)
    table.loc[:4, "humidity"] += 100
    table.loc[7, "origin"] = "ATL"
    table.to_csv(tmp_path / "bad.csv", index=False)
    said = make("data", copy, SOURCE=str(tmp_path / "bad.csv"), APPEND="1")
    assert "ATL" in said
    refused = make("pipeline", copy, fails=True)
    assert re.search(r"humidity: is outside 0 to 100: 5 rows, first row \d+", refused)
    assert re.search(r"origin: is not one of .*: 1 row", refused)


@pytest.mark.nightly
@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_nobody_prepared_goes_through(copy, tmp_path, name):
    target, task, metric, least = TABLES[name]
    table = getattr(datasets, f"load_{name}")(as_frame=True).frame
    table.to_csv(tmp_path / "table.csv", index=False)
    said = make("data", copy, SOURCE=str(tmp_path / "table.csv"), TARGET=target)
    assert f"{len(table)} rows, {task}" in said
    make("pipeline", copy)
    assert metrics_of(copy)[metric] > least
    make("score", copy, INPUT=str(tmp_path / "table.csv"), OUTPUT=str(tmp_path / "out.parquet"))
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == len(table)


def test_scores_are_kept_whole_or_not_at_all(copy, tmp_path):
    make("score", copy, INPUT=str(LATER), OUTPUT=str(tmp_path / "out.csv"), KEEP="arrival")
    scores = pd.read_csv(tmp_path / "out.csv")
    assert (scores["arrival"] == scores["label"]).mean() > 0.7
    bad = pd.read_csv(LATER).assign(origin="ATL")
    bad.to_csv(tmp_path / "bad.csv", index=False)
    said = make(
        "score", copy, fails=True, INPUT=str(tmp_path / "bad.csv"), OUTPUT=str(tmp_path / "no.csv")
    )
    assert "2500 of 2500 rows violate the contract" in said
    assert not (tmp_path / "no.csv").exists()


def test_hostile_values_reach_no_shell(copy, tmp_path):
    odd = tmp_path / 'it"s $(touch owned) `id`.csv'
    odd.write_text(LATER.read_text("utf-8"))
    make("data", copy, SOURCE=str(odd).replace("$", "$$"), APPEND="1")
    assert not list(copy.rglob("owned"))


def test_the_branch_of_a_report_is_data_never_shell(copy):
    make("report", copy, BASE='x"; touch owned; "`touch owned`', OUTPUT="artifacts/report.md")
    assert (copy / "artifacts/report.md").exists()
    assert not list(copy.rglob("owned"))


def test_ci_refuses_a_lock_file_that_is_not_that_of_pyproject(copy):
    before = (copy / "uv.lock").read_bytes()
    edit(copy / "pyproject.toml", '  "hypothesis>=6.120,<7",\n', "")
    assert "needs to be updated" in make("show", copy, fails=True, CI="true")
    assert (copy / "uv.lock").read_bytes() == before


def test_help_names_every_target(copy):
    said = make("help", copy, ALL="1")
    for target in re.findall(r"^([a-z]+):.*##", (copy / "Makefile").read_text("utf-8"), re.M):
        assert f"make {target}" in said
    assert max(map(len, said.splitlines())) <= 100


@pytest.mark.nightly
def test_a_project_inside_another_repository_is_its_own(tmp_path):
    run("git", "init", "--quiet", cwd=tmp_path)
    project = bake(tmp_path)
    make("setup", project)
    commit(project, "Start")
    assert run("git", "rev-parse", "--show-toplevel", cwd=project).strip() == str(project)


@pytest.mark.nightly
def test_a_path_with_spaces_and_accents_works(tmp_path):
    folder = tmp_path / "größe und länge"
    folder.mkdir()
    project = bake(folder)
    make("setup", project)
    assert yaml.safe_load((project / "dvc.lock").read_text("utf-8"))["stages"]


@pytest.mark.nightly
def test_the_gate_passes_the_sample_and_refuses_a_broken_parameter(copy):
    assert "passed" in make("gate", copy)
    edit(copy / "params.yaml", "learning_rate: 0.1", "learning_rate: 0.5")
    make("pipeline", copy)
    said = make("gate", copy, fails=True)
    assert re.search(r"minimum +log_loss +refused .* worse than the dummy baseline", said)
    verdict = json.loads((copy / "artifacts/gate.json").read_text("utf-8"))
    assert verdict["passed"] is False
    report = make("report", copy, BASE="main")
    assert "Refused" in report
    assert "| `train.estimator.learning_rate` | `0.1` | `0.5` |" in report


def test_the_gate_refuses_what_was_not_run(copy):
    edit(copy / "params.yaml", "learning_rate: 0.1", "learning_rate: 0.2")
    assert "make pipeline" in make("gate", copy, fails=True)


def test_the_card_is_written_and_refuses_figures_edited_by_hand(copy):
    make("card", copy)
    make("card", copy, CHECK="1")
    card = copy / "docs/model-card.md"
    card.write_text("My own words.\n\n" + card.read_text("utf-8"), "utf-8")
    make("card", copy, CHECK="1")
    edit(card, "| Trained on | 12000 rows |", "| Trained on | 99999 rows |")
    assert "model-card.md" in make("card", copy, CHECK="1", fails=True)


@pytest.mark.nightly
def test_the_tracker_is_rebuilt_from_git(copy):
    edit(copy / "params.yaml", "learning_rate: 0.1", "learning_rate: 0.05")
    make("pipeline", copy)
    commit(copy, "Learn slower")
    assert "2 logged, 0 already there" in make("track", copy, ALL="1")
    assert "0 logged, 2 already there" in make("track", copy, ALL="1")
    run("rm", "-r", "mlflow.db", "mlartifacts", cwd=copy)
    assert "2 logged, 0 already there" in make("track", copy, ALL="1")


@pytest.mark.nightly
def test_a_search_changes_nothing_until_it_is_applied(copy):
    edit(copy / "params.yaml", "trials: 20", "trials: 2")
    edit(copy / "params.yaml", "folds: 5", "folds: 2")
    before = (copy / "params.yaml").read_text("utf-8")
    said = make("tune", copy)
    assert "current" in said
    assert (copy / "params.yaml").read_text("utf-8") == before
    again = make("tune", copy, APPLY="1")
    assert "already there" in again


@pytest.mark.parametrize("given", ["release IMAGE", "rollback ENVIRONMENT", "serve ENVIRONMENT"])
def test_what_is_given_to_a_release_is_data_never_shell(copy, given):
    target, name = given.split()
    said = make(
        target, copy, fails=True, **{name: "'; touch owned; \"; touch owned; `touch owned` #"}
    )
    assert f"mlgitops {target}: " in said
    assert "Traceback" not in said
    assert not (copy / "owned").exists()
