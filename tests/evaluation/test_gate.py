import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
import yaml
from made_project import METRICS, TEMPLATE, TEST, each_task, table
from mlgitops.core import config, paths
from mlgitops.core.errors import UserError
from mlgitops.core.print_metrics import show
from mlgitops.evaluation import bootstrap, checks, gate
from mlgitops.evaluation.champion import other_model
from mlgitops.evaluation.evidence import gather
from mlgitops.evaluation.limits import Bound, Gate
from mlgitops.evaluation.subject import Subject
from mlgitops.git import repository
from mlgitops.reporting import report


def checks_of(kind, name=""):
    """The checks of a kind in a new verdict, by name."""
    return [one for one in gate.verdict().checks if one.kind == kind and one.name.startswith(name)]


@each_task
@pytest.mark.usefixtures("workspace")
def test_a_model_that_has_learned_passes_every_gate_from_the_first_commit():
    verdict = gate.verdict()
    assert verdict.passed, verdict
    assert verdict.commit == repository.head()
    assert {one.kind for one in verdict.checks} >= {"minimum", "champion", "budget"}
    assert all(one.reason for one in verdict.checks)
    assert gate.load() == verdict


@each_task
def test_minimum_refuses_a_model_that_has_learned_nothing(workspace):
    rows = pd.read_parquet("data/raw.parquet")
    rows["y"] = rows["y"].sample(frac=1, random_state=0).to_numpy()
    workspace.take(rows)
    workspace.set("export.format", "sklearn")
    workspace.run()
    (check,) = checks_of("minimum")
    assert not check.passed
    assert "not clearly better than the dummy baseline" in check.reason


@pytest.mark.parametrize("name", ["signature.json", "added.txt"])
@pytest.mark.usefixtures("workspace")
def test_a_model_that_is_not_the_one_of_the_lock_is_refused(name):
    with Path("artifacts/model", name).open("a") as file:
        file.write("\n")
    verdict = gate.verdict()
    assert not verdict.passed
    assert "artifacts/model: not what dvc.lock was made from" in verdict.checks[0].reason


@pytest.mark.parametrize(("move", "passed"), [(0, True), (-1e-6, False), (1e-6, True)])
def test_minimum_passes_at_its_limit_and_refuses_beyond(workspace, move, passed):
    value = json.loads(METRICS.read_text())["log_loss"]
    workspace.set("gate.minimum", {"log_loss": value + move})
    (check,) = checks_of("minimum")
    assert check.passed is passed
    assert check.low < check.value < check.high


@pytest.mark.parametrize(("move", "passed"), [(0, True), (1e-6, False), (-1e-6, True)])
def test_minimum_takes_limits_on_metrics_that_rise(workspace, move, passed):
    value = json.loads(METRICS.read_text())["roc_auc"]
    workspace.set("gate.minimum", {"roc_auc": value + move})
    (check,) = checks_of("minimum")
    assert check.passed is passed


@pytest.mark.usefixtures("workspace")
def test_a_few_rows_prove_nothing():
    better = bootstrap.Interval(-2, -1)
    assert checks.compare_to_dummy(1.0, better, 0.95, 6)[0]
    assert not checks.compare_to_dummy(1.0, better, 0.95, 5)[0]


def test_slices_with_few_rows_are_shown_and_not_judged(workspace):
    workspace.set("gate.slices", {"min_rows": 1000, "limit": 0.0})
    for check in checks_of("slices"):
        assert check.passed
        assert not check.judged
        assert check.low < check.value < check.high
        assert "too few to judge" in check.reason


def test_slices_refuse_one_that_is_clearly_worse_than_its_limit(workspace):
    workspace.set("gate.slices", {"min_rows": 10, "limit": 1e-6})
    assert checks_of("slices")
    for check in checks_of("slices"):
        assert not check.passed
        assert "clearly worse than the limit" in check.reason


def test_slices_refuse_one_on_which_the_model_is_worse_than_naive(workspace):
    rows = pd.read_parquet("data/raw.parquet")
    rows["g"] = ["p", "p", "p", "p", "p", "q"] * (len(rows) // 6)
    turned = {"a": "b", "b": "a"}
    rows["y"] = rows["y"].where(rows["g"] == "p", rows["y"].map(turned))
    workspace.take(rows)
    workspace.set("export.format", "sklearn")
    workspace.set("gate.slices", {"min_rows": 5, "limit": "dummy"})
    workspace.set("split.test_share", 0.4)
    workspace.run()
    (check,) = checks_of("slices", "g = q")
    assert not check.passed
    assert "clearly worse than the dummy baseline" in check.reason
    assert checks_of("slices", "g = p")[0].passed


def test_slices_pass_where_the_interval_reaches_the_limit(workspace):
    check = checks_of("slices")[0]
    workspace.set("gate.slices", {"min_rows": 10, "limit": (check.low + check.value) / 2})
    assert checks_of("slices")[0].passed


def worsen(workspace):
    """A commit with a model that has nearly learned nothing."""
    workspace.set(
        "train.estimator", {"class": "sklearn.linear_model.LogisticRegression", "C": 0.0001}
    )
    workspace.run()
    return workspace.commit("Worse")


def test_champion_refuses_a_much_worse_model(workspace):
    workspace.release(workspace.git("rev-parse", "HEAD"))
    worsen(workspace)
    (check,) = checks_of("champion")
    assert not check.passed
    assert check.value < check.limit < 0
    assert check.reason.startswith("clearly worse than the champion")


def test_champion_passes_a_better_model(workspace):
    workspace.release(worsen(workspace))
    workspace.set("train.estimator", {"class": "sklearn.linear_model.LogisticRegression"})
    workspace.run()
    workspace.commit()
    (check,) = checks_of("champion")
    assert check.passed
    assert check.judged
    assert "clearly better" in check.reason


@each_task
def test_a_model_is_never_worse_than_itself(workspace):
    workspace.release(repository.head())
    workspace.commit()
    (check,) = checks_of("champion")
    assert check.passed
    assert check.value == 0
    assert "the same model" in check.reason


def leave_out(name):
    """Move a column of schema.yaml to left_out; it stays in the raw table."""
    document = yaml.safe_load(Path("schema.yaml").read_text())
    del document["columns"][name]
    document["slices"] = [one for one in document["slices"] if one != name]
    document["left_out"] = {name: "tried without"}
    Path("schema.yaml").write_text(yaml.safe_dump(document))


@pytest.mark.parametrize("worse", [False, True])
def test_leaving_a_column_out_does_not_switch_the_champion_off(workspace, worse):
    workspace.release(repository.head())
    leave_out("g")
    workspace.run()
    if worse:
        worsen(workspace)
    workspace.commit("Without g")
    (check,) = checks_of("champion")
    assert check.judged
    assert check.passed is not worse
    assert check.needs_approval is False
    assert (check.value < check.limit) is worse


def test_a_column_that_is_only_in_a_raw_table_that_is_not_here_needs_an_approval(workspace):
    start = repository.head()
    leave_out("g")
    workspace.run()
    paths.RAW.unlink()
    assert "run `dvc pull`" in incomparable(workspace, start)


def test_a_raw_table_that_the_test_set_is_not_from_needs_an_approval(workspace):
    start = repository.head()
    leave_out("g")
    workspace.run()
    here, rows = gather(), pd.read_parquet(paths.RAW)
    rows.assign(x=rows["x"] + 1).to_parquet(paths.RAW, index=False)
    found = other_model(start, here)
    assert found.answer is None
    assert "is not what gate.yaml's split takes" in found.reason


def test_a_class_that_was_added_is_left_out_of_the_comparison(workspace):
    start = repository.head()
    rows = table("binary")
    rows.loc[::12, "y"] = "new"
    workspace.take(rows)
    workspace.set("export.format", "sklearn")
    workspace.run()
    here = gather()
    other = other_model(start, here)
    assert other.labels == ("a", "b")
    assert set(here.actual[other.rows]) == {"a", "b"}
    assert set(other.ours.values) <= {"a", "b"}
    assert np.allclose(other.ours.probabilities.sum(axis=1), 1)
    assert other.ours.probabilities.shape == other.answer.probabilities.shape


def test_too_few_rows_to_tell_need_an_approval(workspace, monkeypatch):
    commit = worsen(workspace)
    workspace.git("checkout", "--quiet", "HEAD~1")
    workspace.run()
    subject = Subject.gather()
    drawn = np.linspace(-0.2, 2.4, 200)
    monkeypatch.setattr(checks, "difference", lambda *_: (1.09, drawn))
    check = checks.champion(subject, subject.other(commit))
    assert (check.passed, check.needs_approval) == (False, True)
    assert check.reason.startswith("too few rows to tell: worse than the champion")
    assert "would tell" in check.reason
    assert check.value == pytest.approx(-1.09)
    assert check.limit == pytest.approx(-checks.tolerance(subject), rel=1e-4)


@pytest.mark.parametrize(("limit", "passed"), [(0.0, True), (1.0, False)])
@pytest.mark.parametrize(("metric", "label"), [("recall", "b"), ("precision", "a")])
def test_the_recall_and_precision_of_a_class_can_be_demanded(
    workspace, metric, label, limit, passed
):
    workspace.set("gate.minimum", {metric: {label: limit}})
    (check,) = checks_of("minimum")
    assert check.name == f"{metric} of {label}"
    here = gather()
    known, said = here.actual == label, here.answer.values == label
    share = (known & said).sum() / (known if metric == "recall" else said).sum()
    assert check.value == pytest.approx(share, rel=1e-5)
    assert share < 1
    assert check.passed is passed


def test_a_limit_for_a_class_that_is_not_there_is_refused(workspace):
    workspace.set("gate.minimum", {"recall": {"c": 0.5}})
    refusal("minimum.recall: no class c; there are a, b")


def test_a_class_that_is_never_predicted_is_named_and_fails_its_limit(workspace, capsys):
    rows = table("binary")
    rows.loc[::12, "y"] = "rare"
    workspace.take(rows)
    workspace.set("export.format", "sklearn")
    workspace.set("gate.minimum", {"log_loss": "dummy", "recall": {"rare": 0.1}})
    workspace.run()
    verdict = gate.verdict()
    assert verdict.never_predicted == ["rare"]
    assert "never predicted: rare" in gate.conclusion(verdict)
    (check,) = [one for one in verdict.checks if one.name == "recall of rare"]
    assert not check.passed
    assert "never predicts this class" in check.reason
    capsys.readouterr()
    show()
    assert capsys.readouterr().out.startswith("Never predicted: rare\n")
    text = report.page(report.facts("main"))
    assert "**Never predicted: `rare`.**" in text
    assert "### Classes" in text
    assert "| `rare` | 4 | 0 | \u2013 |" in text


def incomparable(workspace, commit):
    workspace.release(commit)
    workspace.commit("Release")
    (check,) = checks_of("champion")
    assert not check.passed
    assert check.needs_approval
    assert not check.judged
    assert check.reason.startswith("not comparable")
    return check.reason


def test_a_champion_of_other_columns_is_not_comparable(workspace):
    start = repository.head()
    workspace.take(table("binary").rename(columns={"z": "other"}))
    workspace.set("export.format", "sklearn")
    workspace.run()
    assert "no longer has: z" in incomparable(workspace, start)


def test_a_champion_of_a_column_that_changed_its_type_is_not_comparable(workspace):
    start = repository.head()
    rows = table("binary")
    workspace.take(rows.assign(z=["u", "v", "w"] * (len(rows) // 3)))
    workspace.set("export.format", "sklearn")
    workspace.run()
    assert "another type now: z" in incomparable(workspace, start)


def test_a_champion_of_another_task_is_not_comparable(workspace):
    start = repository.head()
    workspace.take(table("regression"))
    workspace.set("export.format", "sklearn")
    workspace.run()
    assert "its task is binary" in incomparable(workspace, start)


def test_a_champion_of_other_classes_is_not_comparable(workspace):
    start = repository.head()
    rows = table("binary")
    workspace.take(rows.assign(y=rows["y"].map({"a": "a", "b": "new"})))
    workspace.set("export.format", "sklearn")
    workspace.run()
    assert "it knows other classes: a, b" in incomparable(workspace, start)


def test_a_champion_of_another_target_is_not_comparable(workspace):
    start = repository.head()
    rows = table("binary")
    workspace.take(rows.assign(second=rows["y"].to_numpy()[::-1]), target="second")
    workspace.set("export.format", "sklearn")
    workspace.run()
    assert "it predicts 'y', not 'second'" in incomparable(workspace, start)


def test_a_champion_whose_objects_are_gone_is_not_comparable(workspace):
    start = repository.head()
    worsen(workspace)
    gone = repository.lock(start).model
    Path(".dvc/cache/files/md5", gone[:2], gone[2:]).unlink()
    assert "gone from the store" in incomparable(workspace, start)


def test_a_champion_of_another_format_version_is_not_comparable(workspace):
    signature = Path("artifacts/model/signature.json")
    written = signature.read_text()
    signature.write_text(written.replace('"version": 1', '"version": 99'))
    workspace.lock()
    start = workspace.commit("Another format")
    signature.write_text(written)
    worsen(workspace)
    assert "another format version, 99" in incomparable(workspace, start)


def test_a_champion_that_is_not_in_the_history_is_not_comparable(workspace):
    assert "not in the history" in incomparable(workspace, "1" * 40)


def test_a_champion_that_a_shallow_clone_lacks_is_refused(workspace, tmp_path, monkeypatch):
    workspace.release(repository.head())
    workspace.commit("Release")
    worsen(workspace)
    here, there = f"file://{Path.cwd()}", str(tmp_path / "clone")
    workspace.git("clone", "--quiet", "--depth", "1", here, there)
    for name in ("data", "artifacts/model", ".dvc/cache"):
        shutil.copytree(name, tmp_path / "clone" / name, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "clone")
    verdict = gate.verdict()
    assert not verdict.passed
    assert "git fetch --unshallow" in verdict.checks[0].reason


def test_a_champion_is_asked_only_about_rows_that_it_was_not_trained_on(workspace):
    start = repository.head()
    workspace.set("split.seed", 7)
    worsen(workspace)
    workspace.release(start)
    workspace.commit("Release")
    (check,) = checks_of("champion")
    assert "test rows that it was not trained on" in check.reason


@pytest.mark.parametrize("name", ["model_mb", "p50_ms", "p99_ms"])
def test_budget_refuses_what_is_over_one_limit(workspace, name):
    workspace.set(f"gate.budget.{name}", 1e-9)
    refused = [one for one in checks_of("budget") if not one.passed]
    assert [one.limit for one in refused] == [1e-9]


def test_budget_passes_at_its_limit():
    assert checks.check_limit("budget", "size", 2.0, 2.0).passed
    assert not checks.check_limit("budget", "size", 2.1, 2.0).passed


@pytest.mark.usefixtures("workspace")
def test_the_size_is_that_of_all_files_of_the_model():
    files = [one for one in Path("artifacts/model").rglob("*") if one.is_file()]
    size = sum(one.stat().st_size for one in files)
    assert checks_of("budget")[0].value == pytest.approx(size / 1e6, rel=1e-5)


def refusal(words):
    verdict = gate.verdict()
    assert not verdict.passed
    assert gate.load() == verdict
    assert words in verdict.checks[0].reason, verdict.checks[0].reason


def rewrite(workspace, path, text):
    """Another text in a file that dvc.lock agrees with."""
    path.write_text(text)
    workspace.lock()


@pytest.mark.usefixtures("workspace")
def test_missing_metrics_are_refused():
    METRICS.unlink()
    refusal("metrics.json is not there")


@pytest.mark.parametrize("value", ["NaN", "null", "Infinity", '"good"'])
def test_a_metric_that_is_no_number_is_refused(workspace, value):
    rewrite(workspace, METRICS, f'{{"rows": 48, "log_loss": {value}}}')
    refusal("log_loss")


def test_a_metric_that_the_task_has_not_is_refused(workspace):
    workspace.set("gate.minimum", {"rmse": 3})
    refusal("has no rmse: a binary has log_loss")


def test_a_metric_of_another_task_to_compare_by_is_refused(workspace):
    workspace.set("gate.metric", "rmse")
    refusal("has no rmse: a binary has log_loss")


def test_metrics_of_another_model_are_refused(workspace):
    measured = json.loads(METRICS.read_text())
    rewrite(workspace, METRICS, json.dumps(measured | {"log_loss": 0.001}))
    refusal("log_loss 0.001, but artifacts/model has")


def test_an_empty_test_set_is_refused(workspace):
    pd.read_parquet(TEST).head(0).to_parquet(TEST)
    workspace.lock()
    refusal("test.parquet has no rows")


def test_an_unknown_metric_is_refused(workspace):
    workspace.set("gate.minimum", {"quality": 1})
    refusal("minimum: quality is not a standard metric: give {at_least: …}")


def test_an_unknown_key_is_refused(workspace):
    workspace.set("gate.leniency", 1)
    refusal("gate.leniency")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "none"])
def test_a_limit_that_is_no_number_is_refused(workspace, value):
    workspace.set("gate.minimum", {"log_loss": value})
    refusal("gate.minimum.log_loss")


def test_dummy_is_refused_for_a_metric_that_no_dummy_predictor_has(workspace):
    workspace.set("gate.minimum", {"roc_auc": "dummy"})
    refusal("roc_auc: dummy is known for")


@pytest.mark.usefixtures("workspace")
def test_files_of_another_run_are_refused():
    METRICS.write_text(METRICS.read_text() + "\n")
    refusal("artifacts/metrics.json: not what dvc.lock was made from")


def test_parameters_that_were_not_run_are_refused(workspace):
    workspace.set("train.one_hot", 3)
    refusal("params.yaml: train: not what dvc.lock was made from")


@pytest.mark.usefixtures("workspace")
def test_a_missing_lock_is_refused():
    Path("dvc.lock").unlink()
    refusal("dvc.lock is not there")


def test_slices_that_are_gone_are_refused(workspace):
    rewrite(workspace, Path("artifacts/slices.json"), "[]")
    refusal("slices.json is empty")


@pytest.mark.usefixtures("workspace")
def test_a_crash_leaves_no_old_verdict(monkeypatch):
    gate.verdict()
    monkeypatch.setattr(gate, "gather", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gate.verdict()
    assert gate.load() is None


def test_gate_prints_a_table_and_exits_with_one_if_refused(workspace, capsys):
    gate.gate()
    assert "passed" in capsys.readouterr().out
    workspace.set("gate.budget.model_mb", 1e-9)
    with pytest.raises(typer.Exit) as stopped:
        gate.gate()
    assert stopped.value.exit_code == 1
    assert "refused: 1 of" in capsys.readouterr().out


def verdict_of(*states):
    """A verdict on checks: passed, refused, or needs approval."""
    found = [
        checks.Check(
            kind="champion", name="log_loss", passed=state == "passed",
            needs_approval=state == "needs approval", reason="too few rows to tell",
        )
        for state in states
    ]  # fmt: skip
    return gate.Verdict(commit=None, champion=None, checks=found)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (["passed", "passed"], "passed"),
        (["passed", "needs approval"], "needs approval"),
        (["needs approval", "refused", "passed"], "refused"),
        (["refused"], "refused"),
    ],
)
def test_one_check_that_refuses_decides_and_an_undecided_one_needs_an_approval(states, state):
    found = verdict_of(*states)
    assert found.state == state
    assert found.passed is (state == "passed")
    written = json.loads(found.model_dump_json())
    assert (written["state"], written["passed"]) == (state, found.passed)
    assert gate.Verdict.model_validate(written) == found


def test_gate_says_what_an_approver_decides_and_exits_with_one(monkeypatch, capsys):
    monkeypatch.setattr(gate, "verdict", lambda: verdict_of("passed", "needs approval"))
    with pytest.raises(typer.Exit) as stopped:
        gate.gate()
    assert stopped.value.exit_code == 1
    printed = capsys.readouterr().out
    assert printed.endswith("\nneeds approval: champion: too few rows to tell\n")
    assert "refused" not in printed


def test_a_verdict_belongs_to_no_commit_while_its_files_are_changed(workspace):
    workspace.set("gate.seed", 1)
    assert gate.verdict().commit is None
    workspace.commit()
    assert gate.verdict().commit == repository.head()


def test_an_onnx_model_is_timed_in_its_runtime(workspace):
    workspace.set("export.format", "onnx")
    workspace.run()
    verdict = gate.verdict()
    assert verdict.passed, verdict


@pytest.mark.usefixtures("workspace")
def test_the_same_evidence_gives_the_same_figures():
    first, second = ([one for one in gate.verdict().checks if one.kind != "budget"] for _ in "ab")
    assert first == second


def test_the_template_s_own_limits_are_valid():
    there = TEMPLATE / config.RULES
    assert config.load(Gate, there).minimum == {"log_loss": "dummy"}


def test_a_regression_is_judged_by_its_own_metric_and_back(workspace):
    workspace.take(table("regression"))
    assert config.load(Gate).metric == "rmse"
    assert config.load(Gate).minimum == {"rmse": "dummy"}
    workspace.set("gate.metric", "mae")
    workspace.take(table("regression"))
    assert config.load(Gate).metric == "mae"
    workspace.take(table("binary"))
    assert config.load(Gate).metric == "log_loss"


@pytest.mark.usefixtures("workspace")
def test_a_mistake_names_what_to_do():
    shutil.rmtree("artifacts/model")
    with pytest.raises(UserError, match="run `make pipeline`"):
        gather()


def test_the_words_of_an_older_gate_yaml_are_read_with_a_hint(workspace, capsys):
    workspace.set("gate.minimum", {"log_loss": "naive"})
    text = Path("gate.yaml").read_text().replace("bootstrap_samples:", "draws:")
    Path("gate.yaml").write_text(text)
    found = config.load(Gate)
    assert (found.minimum, found.bootstrap_samples) == ({"log_loss": "dummy"}, 200)
    assert "write bootstrap_samples for draws, and dummy for naive" in capsys.readouterr().err


def check(kind, name, passed=True, judged=True):
    reason = f"a reason of many words for {name}: " + "it goes on and on, " * 9
    return checks.Check(
        kind=kind, name=name, value=0.123456, limit=1e-7, low=-1234.5, high=1e6,
        passed=passed, judged=judged, reason=reason.strip(", "),
    )  # fmt: skip


def test_a_verdict_fits_a_terminal_with_the_reason_on_its_own_lines():
    lines = gate.table([check("minimum", "calibration_error" * 9)]).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[1].startswith("minimum  calibration_error")
    assert all(line.startswith("    ") for line in lines[2:])
    assert len(lines) > 3


def test_slices_that_passed_are_one_line_and_a_refused_one_is_shown():
    found = [check("slices", f"g = {n}: log_loss") for n in range(12)]
    few = [check("slices", f"h = {n}: log_loss", judged=False) for n in range(3)]
    bad = check("slices", "k = 1: log_loss", passed=False)
    text = gate.table([check("minimum", "log_loss"), *found, *few, bad, check("budget", "size")])
    assert text.splitlines()[-1] == (
        "slices    12 slices passed; 3 with too few rows to judge, only shown"
    )
    assert "k = 1: log_loss" in text
    assert "g = 3" not in text
    many = [check("slices", f"g = {n}: log_loss", passed=False) for n in range(12)]
    text = gate.table([check("minimum", "log_loss"), *many])
    assert text.endswith("\nslices    12 of 12 judged slices refused")
    assert "g = 3" not in text
    assert gate.table([check("budget", "size"), *found[:1]]).endswith("\nslices    1 slice passed")


def test_without_slices_nothing_is_said_of_them():
    assert "slices" not in gate.table([check("budget", "size")])


@pytest.mark.parametrize(
    ("bound", "passed"),
    [({"at_least": 0.4}, True), ({"at_least": 0.6}, False), ({"at_most": 0.6}, True),
     ({"at_most": 0.4}, False)],
)  # fmt: skip
def test_an_own_metric_is_judged_once_main_has_it(workspace, bound, passed):
    path = Path("artifacts/metrics.json")
    values = json.loads(path.read_text("utf-8"))
    check = checks.check_own("recall", 0.5, Bound(**bound))
    assert (check.passed, check.judged) == (True, False)
    assert "main does not have this metric yet" in check.reason
    path.write_text(json.dumps(values | {"recall": 0.5}), "utf-8")
    workspace.commit("Measure recall")
    check = checks.check_own("recall", 0.5, Bound(**bound))
    assert (check.passed, check.judged) == (passed, True)
    assert check.reason.startswith("not ") is not passed


@pytest.mark.parametrize(
    ("minimum", "why"),
    [
        ({"recall": 0.5}, "recall is not a standard metric: give {at_least: …} or {at_most: …}"),
        ({"accuracy": {"at_least": 0.5}}, "accuracy is a standard metric: give a number"),
        ({"recall": {"at_least": 0.5, "at_most": 1}}, "give either at_least or at_most"),
        ({"recall": {}}, "give either at_least or at_most"),
    ],
)
def test_a_limit_in_the_wrong_form_is_refused(workspace, minimum, why):
    workspace.set("gate.minimum", minimum)
    refusal(why)
