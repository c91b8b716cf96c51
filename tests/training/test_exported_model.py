import json
import shutil
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from mlgitops.core.errors import UserError
from mlgitops.training import convert, export, exported_model, hooks, train
from mlgitops.training.features import inputs
from tables import forget
from template_model import fit

PLAIN = {
    "version": 1,
    "format": "onnx",
    "task": "binary",
    "inputs": [{"name": "x", "type": "number"}],
    "outputs": [{"name": "label", "type": "label"}],
    "labels": ["a", "b"],
    "examples": [],
}


@pytest.fixture
def write_signature(tmp_path):
    def write(**changes):
        text = json.dumps(PLAIN | changes)
        (tmp_path / "signature.json").write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": 2}, "signature.json.version: Input should be 1"),
        ({"format": "pickle"}, "signature.json.format: Input should be 'onnx' or 'sklearn'"),
        ({"inputs": [{"name": "x"}]}, r"signature.json.inputs.0.type: Field required"),
        ({"more": 1}, "signature.json.more: Extra inputs"),
        ({}, "model.onnx is missing: run `make pipeline`"),
        ({"format": "sklearn"}, "model.joblib is missing"),
    ],
)
def test_an_incomplete_or_other_model_is_refused(changes, told, write_signature):
    with pytest.raises(UserError, match=told):
        exported_model.load(write_signature(**changes))


def test_no_model_is_told(tmp_path):
    with pytest.raises(UserError, match="holds no model: run `make pipeline`"):
        exported_model.load(tmp_path)


def test_damaged_files_are_told(write_signature):
    folder = write_signature()
    (folder / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(UserError, match=r"model.onnx: ONNX Runtime cannot run it"):
        exported_model.load(folder)
    (folder / "signature.json").write_text("{")
    with pytest.raises(UserError, match=r"signature.json: is not JSON"):
        exported_model.load(folder)


def test_labels_keep_their_type(write_signature):
    text = (write_signature(labels=["1", "2"]) / "signature.json").read_text("utf-8")
    assert exported_model.Signature.model_validate_json(text).labels == ("1", "2")
    text = (write_signature(labels=[1, 2]) / "signature.json").read_text("utf-8")
    assert exported_model.Signature.model_validate_json(text).labels == (1, 2)


@pytest.mark.parametrize("labels", [["a", "b", "c"], [1, 2, 3]])
def test_both_runtimes_answer_in_the_same_form(labels, frame, rules, tmp_path):
    frame["kind"] = np.array(labels, dtype=object)[np.arange(40) % 3]
    column = rules.columns["kind"].model_copy(
        update={"type": "integer" if isinstance(labels[0], int) else "category"}
    )
    rules = rules.model_copy(update={"columns": rules.columns | {"kind": column}})
    model = fit(frame, rules)
    (tmp_path / "model.onnx").write_bytes(
        convert.convert(model, rules.features).SerializeToString()
    )
    joblib.dump(model, tmp_path / "model.joblib")
    table = inputs(frame, rules.features)
    first = exported_model.onnx(tmp_path / "model.onnx")(table)
    second = exported_model.sklearn(tmp_path / "model.joblib")(table)
    assert first.values.tolist() == second.values.tolist()
    np.testing.assert_allclose(first.probabilities, second.probabilities, atol=1e-6)
    assert first.probabilities.shape == (40, 3)
    assert type(first.values.tolist()[0]) is type(labels[0])


def test_some_of_the_predictions_are_taken_by_position():
    answer = exported_model.Predictions(np.array(["a", "b", "c"]), np.eye(3))
    some = answer.take(np.array([2, 0]))
    assert some.values.tolist() == ["c", "a"]
    assert some.probabilities.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert (
        exported_model.Predictions(np.array([1.5]), None).take(np.array([0])).probabilities is None
    )


def test_onnx_takes_columns_by_name_in_any_order(frame, rules, tmp_path):
    model = fit(frame, rules)
    (tmp_path / "model.onnx").write_bytes(
        convert.convert(model, rules.features).SerializeToString()
    )
    table: pd.DataFrame = inputs(frame, rules.features)
    predict = exported_model.onnx(tmp_path / "model.onnx")
    assert predict(table[table.columns[::-1]]).values.tolist() == predict(table).values.tolist()


CHAMPION = Path(__file__).parent / "old_champion"


def test_a_champion_from_before_there_was_a_library_answers_as_it_did(project):
    """Beside today's `ml`, which has other features, and whose code is loaded here already."""
    own_feature("count_of_length", "columns['count'] * 0")
    hooks.features()
    known = json.loads((CHAMPION / "expected.json").read_text("utf-8"))
    champion = exported_model.load_isolated(CHAMPION / "model")
    table = inputs(pd.DataFrame(known["rows"]), champion.signature.columns)
    for _ in range(2):
        answer = champion.predict(table)
        assert answer.values.tolist() == known["values"]
        np.testing.assert_allclose(answer.probabilities, known["probabilities"], atol=1e-9)
    (today,) = hooks.features()
    assert today.__code__.co_filename == str(project / "src/ml/features.py")


def own_feature(name, expression):
    """Make it the only feature of the project."""
    text = f"def {name}(columns, xp):\n    return {expression}\n\n\nFEATURES = ({name},)\n"
    Path("src/ml/features.py").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("loaded", [False, True])
def test_a_champion_answers_with_the_code_that_it_was_fitted_with(
    loaded, project, frame, rules, choose
):
    choose("format: onnx", "format: sklearn")
    choose(
        "ensemble.HistGradientBoostingClassifier, max_iter: 5", "linear_model.LogisticRegression"
    )
    own_feature("made", "columns['length'] * columns['count']")
    frame.to_parquet("data/train.parquet")
    train.train()
    export.export()
    table = inputs(frame, rules.features)
    wanted = exported_model.load().predict(table)
    forget()
    sys.path.remove(str(exported_model.FOLDER.resolve()))
    # Today's is of the same name and gives something else.
    own_feature("made", "columns['length'] * 0 - 1000")
    if loaded:
        hooks.features()
        today = exported_model.load().predict(table)
        assert np.abs(today.probabilities - wanted.probabilities).max() > 0.1
    answer = exported_model.load_isolated(exported_model.FOLDER).predict(table)
    assert answer.values.tolist() == wanted.values.tolist()
    np.testing.assert_allclose(answer.probabilities, wanted.probabilities)
    assert type(answer.values.tolist()[0]) is str
    assert sorted(Path("artifacts").iterdir()) == sorted(
        map(Path, ("artifacts/fitted.joblib", "artifacts/model", "artifacts/parity.json"))
    )


def test_a_champion_that_cannot_answer_says_why(project):
    shutil.copytree(CHAMPION / "model", "old")
    Path("old/features.py").write_text("raise RuntimeError('it is gone')\n")
    champion = exported_model.load_isolated(Path("old"))
    table = inputs(frame_of_champion(), champion.signature.columns)
    with pytest.raises(UserError, match="it is gone"):
        champion.predict(table)


def frame_of_champion():
    return pd.DataFrame(json.loads((CHAMPION / "expected.json").read_text("utf-8"))["rows"])


def test_an_onnx_champion_needs_no_other_process(project, frame, rules, monkeypatch):
    frame.to_parquet("data/train.parquet")
    train.train()
    export.export()
    monkeypatch.setattr(exported_model.subprocess, "run", None)
    answer = exported_model.load_isolated(exported_model.FOLDER).predict(
        inputs(frame, rules.features)
    )
    assert len(answer.values) == 40
