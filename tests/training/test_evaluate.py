import json
from pathlib import Path

import joblib
import numpy as np
import pytest
from mlgitops.training import evaluate, export, exported_model, plots
from template_model import fit

OUT = [Path("artifacts") / name for name in ("metrics.json", "slices.json", "plots")]
P = evaluate.Evaluate.model_construct(bins=10, max_slices=2, max_points=1000)
SIGNATURE = exported_model.Signature(
    version=1, format="onnx", task="binary", inputs=(), outputs=(), labels=("a", "b"), examples=()
)


@pytest.fixture
def right(frame):
    """Predictions that are right in all rows, by 0.9."""
    sure = np.where(frame["kind"] == "a", 0.9, 0.1)
    return exported_model.Predictions(frame["kind"].to_numpy(), np.column_stack([sure, 1 - sure]))


def slices_of(frame, rules, answer):
    actual = frame["kind"].to_numpy(dtype=object)
    answers = evaluate.Answers(actual, answer, SIGNATURE.labels)
    return evaluate.slices(frame, rules.slices, answers, P)


def test_slices_hold_the_metrics_of_their_rows_only(frame, rules, right):
    wrong = np.where(frame["colour"] == "red", "c", right.values)
    found = slices_of(frame, rules, exported_model.Predictions(wrong, right.probabilities))
    assert [(one["value"], one["rows"], one["accuracy"]) for one in found] == [
        ("red", 14, 0.0),
        ("blue", 13, 1.0),
    ]


def test_missing_values_are_a_slice_of_their_own(frame, rules, right):
    frame["colour"] = frame["colour"].where(frame["count"] > 5)
    found = slices_of(frame, rules, right)
    assert found[0]["value"] == "(missing)"
    assert found[0]["rows"] == int((frame["count"] <= 5).sum())


def test_booleans_and_integers_slice_too(frame, rules, right):
    found = slices_of(frame, rules.model_copy(update={"slices": ("wild", "count")}), right)
    assert [one["value"] for one in found] == ["False", "True", "0", "1"]


def test_the_stage_measures_the_exported_model(project, frame, rules, capsys):
    joblib.dump(fit(frame, rules), "artifacts/fitted.joblib")
    frame.to_parquet("data/train.parquet")
    export.export(
        Path("artifacts/fitted.joblib"),
        Path("data/train.parquet"),
        exported_model.FOLDER,
        Path("artifacts/parity.json"),
    )
    Path("artifacts/fitted.joblib").unlink()
    evaluate.evaluate(exported_model.FOLDER, Path("data/train.parquet"), *OUT)
    measured, sliced = (json.loads(path.read_text("utf-8")) for path in OUT[:2])
    assert measured["rows"] == 40
    assert measured["accuracy"] == 1
    assert sum(one["rows"] for one in sliced) == 40
    assert {path.stem for path in OUT[2].iterdir()} == {*plots.PLOTS, "classes", "importance"}
    assert "accuracy 1.0" in capsys.readouterr().out
