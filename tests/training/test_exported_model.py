import json

import joblib
import numpy as np
import pandas as pd
import pytest
from mlgitops.core.errors import Mistake
from mlgitops.training import convert, exported_model
from mlgitops.training.features import inputs
from template_model import fitted

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
def written(tmp_path):
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
def test_an_incomplete_or_other_model_is_refused(changes, told, written):
    with pytest.raises(Mistake, match=told):
        exported_model.load(written(**changes))


def test_no_model_is_told(tmp_path):
    with pytest.raises(Mistake, match="holds no model: run `make pipeline`"):
        exported_model.load(tmp_path)


def test_damaged_files_are_told(written):
    folder = written()
    (folder / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(Mistake, match=r"model.onnx: ONNX Runtime cannot run it"):
        exported_model.load(folder)
    (folder / "signature.json").write_text("{")
    with pytest.raises(Mistake, match=r"signature.json: is not JSON"):
        exported_model.load(folder)


def test_labels_keep_their_type(written):
    text = (written(labels=["1", "2"]) / "signature.json").read_text("utf-8")
    assert exported_model.Signature.model_validate_json(text).labels == ("1", "2")
    text = (written(labels=[1, 2]) / "signature.json").read_text("utf-8")
    assert exported_model.Signature.model_validate_json(text).labels == (1, 2)


@pytest.mark.parametrize("labels", [["a", "b", "c"], [1, 2, 3]])
def test_both_runtimes_answer_in_the_same_form(labels, frame, rules, tmp_path):
    frame["kind"] = np.array(labels, dtype=object)[np.arange(40) % 3]
    column = rules.columns["kind"].model_copy(
        update={"type": "integer" if isinstance(labels[0], int) else "category"}
    )
    rules = rules.model_copy(update={"columns": rules.columns | {"kind": column}})
    model = fitted(frame, rules)
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
    model = fitted(frame, rules)
    (tmp_path / "model.onnx").write_bytes(
        convert.convert(model, rules.features).SerializeToString()
    )
    table: pd.DataFrame = inputs(frame, rules.features)
    predict = exported_model.onnx(tmp_path / "model.onnx")
    assert predict(table[table.columns[::-1]]).values.tolist() == predict(table).values.tolist()
