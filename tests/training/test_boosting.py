"""The boosting libraries: labels of any kind and number, the same bytes again, a served pickle."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from mlgitops.data.schema import Column, Schema
from mlgitops.serving.labels import NumberedLabels
from mlgitops.training import convert, exported_model
from mlgitops.training.features import inputs
from template_model import fit

LIGHTGBM = {"n_estimators": 5, "verbose": -1, "deterministic": True, "force_row_wise": True}
CATBOOST = {"iterations": 5, "verbose": False, "allow_writing_files": False, "random_seed": 0}
LIBRARIES = [
    ("lightgbm.LGBMClassifier", LIGHTGBM),
    ("xgboost.XGBClassifier", {"n_estimators": 5}),
    ("catboost.CatBoostClassifier", CATBOOST),
]


@pytest.fixture
def label():
    """A table of 90 rows with three classes, and its schema, for a type and a list of labels."""

    def make(kind, labels):
        x = np.linspace(0, 1, 90).astype("float32")
        table = pd.DataFrame({"x": x, "y": [labels[int(one * 2.99)] for one in x]})
        columns = {"x": Column(type="number"), "y": Column(type=kind)}
        return table, Schema(task="multiclass", target="y", columns=columns)

    return make


@pytest.mark.parametrize(("path", "options"), LIBRARIES)
@pytest.mark.parametrize(("kind", "labels"), [("category", list("cäb")), ("integer", [7, 3, 5])])
def test_labels_of_any_kind_come_back(path, options, kind, labels, label, tmp_path):
    table, rules = label(kind, labels)
    pipeline = fit(table, rules, path, **options)
    file = tmp_path / "model.onnx"
    file.write_bytes(convert.convert(pipeline, rules.features).SerializeToString())
    answer = exported_model.onnx(file)(inputs(table, rules.features))
    assert pipeline.classes_.tolist() == sorted(labels)
    assert answer.values.tolist() == pipeline.predict(inputs(table, rules.features)).tolist()
    expected = pipeline.predict_proba(inputs(table, rules.features))
    np.testing.assert_allclose(answer.probabilities, expected, atol=1e-5)


@pytest.mark.parametrize(("path", "options"), LIBRARIES)
def test_the_same_rows_give_the_same_model(path, options, label):
    table, rules = label("category", ["a", "b", "c"])
    found = set()
    for _ in range(2):
        model = convert.convert(fit(table, rules, path, **options), rules.features)
        text = model.SerializeToString(deterministic=True)
        found.add(hashlib.md5(text, usedforsecurity=False).hexdigest())
    assert len(found) == 1


def test_numbered_labels_refuse_to_answer_before_they_are_fitted():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        NumberedLabels(None).predict([[1.0]])
