"""The first model of a new table: chosen on its training rows, exported, within its budget."""

from pathlib import Path

import dvc.cli
import numpy as np
import pandas as pd
import pytest
import yaml
from mlgitops.core import config, paths
from mlgitops.core.errors import UserError
from mlgitops.data import schema
from mlgitops.data.schema import Column, Schema
from mlgitops.training import export, first_model, hooks, import_table
from mlgitops.training.candidates import Candidate, Traits, candidates
from mlgitops.training.features import inputs, target
from tables import forget

pytestmark = pytest.mark.slow
TABLES = Path(__file__).parents[1] / "fixtures"
NAMES = ("dummy", "linear", "boosting", "forest")
TASKS = {"binary": 2, "multiclass": 4, "regression": 1}


@pytest.fixture(autouse=True)
def _quickly(project, monkeypatch):
    """DVC does what it should; fits share this process."""
    monkeypatch.setattr(dvc.cli, "main", lambda command: 0)
    monkeypatch.setattr(first_model, "BACKEND", "threading")


def rows_of(task, rows=240, towns=300):
    """A table whose target follows a number and a category of many values."""
    random = np.random.default_rng(0)
    town = random.integers(0, towns, rows)
    size = random.normal(size=rows)
    score = size + (town % 4) + random.normal(size=rows) / 4
    answer = {
        "binary": np.where(score > 1.5, "yes", "no"),
        "multiclass": np.array(["a", "b", "c", "d"])[np.clip(score, 0, 3).astype(int)],
        "regression": score,
    }[task]
    return pd.DataFrame(
        {"size": size, "town": [f"t{one:03}" for one in town], "flat": size > 0, "y": answer}
    )


def rules_of(task):
    numeric = task == "regression"
    return Schema(
        task=task,
        target="y",
        columns={
            "size": Column(type="number"),
            "town": Column(type="category"),
            "flat": Column(type="boolean"),
            "y": Column(type="number" if numeric else "category"),
        },
    )


def make_data(frame_or_path, **given):
    """`mlgitops data` as the command line runs it."""
    path = frame_or_path
    if isinstance(path, pd.DataFrame):
        path = Path("../given.csv")
        frame_or_path.to_csv(path, index=False)
    words = {"source": str(path), **given}
    import_table.data([f"{name.upper()}={value}" for name, value in words.items()])


def train_section():
    return yaml.safe_load(config.PARAMS.read_text("utf-8"))["train"]


@pytest.mark.parametrize("task", TASKS)
def test_every_candidate_is_written_as_onnx_and_answers_alike(task, tmp_path):
    rules, table = rules_of(task), rows_of(task)
    kind = hooks.section("train")
    for number, one in enumerate(candidates(Traits(task, TASKS[task], 20, 50))[1:]):
        p = config.parse(kind, first_model.values_for(one, kind), "train")
        fitted = hooks.fit(table, (), rules, p)
        folder = tmp_path / str(number)
        folder.mkdir()
        exported = export.fill(folder, fitted, table, rules)
        limits = config.load(export.Parity)
        found = export.parity(fitted, exported, inputs(table, rules.features), limits)
        assert found["differing"] <= limits.max_differing, one.name


@pytest.mark.parametrize("task", TASKS)
def test_a_forest_keeps_the_budget_for_the_models_size(task, tmp_path):
    rules, table = rules_of(task), rows_of(task, rows=6000)
    kind, megabytes = hooks.section("train"), 1.0
    forest = candidates(Traits(task, TASKS[task], 20, megabytes))[-1]
    p = config.parse(kind, first_model.values_for(forest, kind), "train")
    export.write(hooks.fit(table, (), rules, p), rules, "onnx", tmp_path)
    size = (tmp_path / "model.onnx").stat().st_size
    assert megabytes * 0.2e6 < size < megabytes * 1e6


def test_a_new_table_gets_a_model_chosen_for_it(capsys):
    make_data(rows_of("regression", rows=400, towns=8), target="y")
    said = capsys.readouterr().out
    assert "first model, by cross-validation on 320 of 320 training rows" in said
    assert "better than the dummy baseline" in said
    assert train_section()["estimator"]["class"].rpartition(".")[2] in said or "boosting" in said
    dummy = target(pd.read_parquet(paths.RAW), schema.load()).std()
    assert float(next(li.split()[1] for li in said.splitlines() if li.startswith("dummy"))) == (
        pytest.approx(dummy, rel=0.2)
    )
    hooks.fit(pd.read_parquet(paths.RAW), (), schema.load(), config.load(hooks.section("train")))


def test_the_same_table_gives_the_same_choice_to_the_byte():
    table = rows_of("binary")
    make_data(table, target="y")
    first = config.PARAMS.read_bytes()
    make_data(table, choose=1)
    assert config.PARAMS.read_bytes() == first


def test_a_weak_signal_gets_a_model_clearly_better_than_the_dummy(capsys):
    """Boosting with the sample's values loses more than the dummy here."""
    make_data(TABLES / "small_noisy.csv", target="risk")
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if line.startswith(NAMES)]
    losses = {line.split("  ")[0]: float(line.split()[-2]) for line in rows[:8]}
    assert len(losses) == 8
    best = min(losses, key=losses.get)
    assert losses[best] < losses["dummy"] - 0.02
    gain, error = said.split(" better than")[0].split(": ")[-1].split(" ± ")
    assert float(gain) > 2 * float(error)


def test_rare_classes_do_not_blow_up_what_is_chosen(capsys):
    random = np.random.default_rng(0)
    shares = 1 / np.arange(1, 25) ** 2
    kind = random.choice(24, 1500, p=shares / shares.sum())
    kind[:48] = np.repeat(np.arange(24), 2)  # none has one row only
    table = pd.DataFrame(
        {"width": kind + random.normal(size=1500), "sort": [f"K{one:02}" for one in kind]}
    )
    make_data(table, target="sort")
    said = capsys.readouterr().out
    found = {li.split("  ")[0]: li for li in said.splitlines()}
    dummy = float(found["dummy"].split()[1])
    gain = float(said.split(" better than")[0].split(": ")[-1].split(" ± ")[0])
    assert gain > 0.3 * dummy


def test_what_stands_in_params_is_kept_where_the_table_is_no_other(capsys):
    table = rows_of("binary")
    make_data(table, target="y", choose=0)
    assert train_section()["estimator"]["max_iter"] == 5
    make_data(table)
    make_data(table, reset=1, target="y")
    assert train_section()["estimator"]["max_iter"] == 5
    assert "first model" not in capsys.readouterr().out


def test_the_work_is_bounded_by_rows_and_said(monkeypatch, capsys):
    monkeypatch.setattr(first_model, "WORK", 4000)
    make_data(rows_of("binary", rows=500), target="y")
    assert "on 100 of 400 training rows" in capsys.readouterr().out


def test_in_time_the_folds_go_forward(monkeypatch):
    table = rows_of("binary").assign(at=pd.date_range("2024-01-01", periods=240, freq="h"))
    make_data(table, target="y", time="at", choose=0)
    examples, _ = first_model.prepare_raw(paths.RAW, schema.load())
    folds = first_model.folds_of(examples.sample(frac=1, random_state=0), schema.load())
    for fit_to, held_out in folds.splits:
        assert folds.examples["at"].iloc[fit_to].max() < folds.examples["at"].iloc[held_out].min()


def test_a_feature_of_another_table_hinders_the_choice_and_not_the_import(capsys):
    text = "def half(columns, xp):\n    return columns['width'] / 2\n\n\nFEATURES = (half,)\n"
    Path("src/ml/features.py").write_text(text, encoding="utf-8")
    before = train_section()
    make_data(rows_of("binary"), target="y")
    said = capsys.readouterr().out
    assert "no column 'width'" in said
    assert "no model was chosen" in said
    assert train_section() == before
    with pytest.raises(UserError, match="no column 'width'"):
        make_data(rows_of("binary"), choose=1)


def test_a_train_py_of_another_kind_is_left_alone(capsys):
    module = Path("src/ml/train.py")
    text = module.read_text("utf-8").replace("estimator: Estimator", "depth: int")
    module.write_text(text, encoding="utf-8")
    forget()
    before = train_section()
    make_data(rows_of("binary"), target="y")
    assert "takes no estimator" in capsys.readouterr().out
    assert train_section()["estimator"] == before["estimator"]


def pick(*scores):
    names = ["dummy", "simple", "complex"]
    tried = [Candidate(name, {}) for name in names]
    found = [first_model_summary(one) for one in scores]
    return first_model.pick(tried, found)


def first_model_summary(scores):
    return {"reason": "no"} if scores is None else {"scores": scores, "value": np.mean(scores),
                                                    "spread": 0.0}  # fmt: skip


def test_the_simplest_of_nearly_equal_candidates_is_taken():
    assert pick((1, 1), (0.502, 0.502), (0.5, 0.5))[0].name == "simple"
    assert pick((1, 1), (0.52, 0.52), (0.5, 0.5))[0].name == "complex"
    assert pick((1, 1), None, (0.5, 0.5))[0].name == "complex"
    winner, verdict = pick((0.4, 0.4), (0.52, 0.52), (0.5, 0.5))
    assert winner.name == "complex"
    assert "nothing is better than the dummy baseline" in verdict
    with pytest.raises(UserError, match="no candidate can be fitted: no"):
        pick((1, 1), None, None)
