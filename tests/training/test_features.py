import numpy as np
import pandas as pd
import pytest
from mlgitops.core.errors import UserError
from mlgitops.data.schema import Column
from mlgitops.serving.features import derive
from mlgitops.training import convert, exported_model, features, hooks
from onnxruntime import InferenceSession
from template_model import fit, params

FOREST = "sklearn.ensemble.RandomForestClassifier"


def per_count(columns, xp):
    return columns["length"] / columns["count"]


def is_red(columns, xp):
    return columns["colour"] == "red"


def magnitude(columns, xp):
    return xp.log(columns["length"] - 2)


def length(columns, xp):
    return columns["count"]


def test_inputs_are_float32_and_text_without_missing_values(frame, rules):
    frame["colour"] = frame["colour"].where(frame["count"] > 0)
    table = features.inputs(frame, rules.features)
    assert {name: str(kind) for name, kind in table.dtypes.items()} == {
        "length": "float32",
        "count": "float32",
        "wild": "float32",
        "colour": "object",
    }
    assert table["colour"][0] == ""
    assert np.isnan(table["length"][3])
    assert table["wild"].tolist()[:4] == [1, 0, 0, 1]


def test_missing_integers_and_booleans_are_nan():
    table = pd.DataFrame({"n": [1, None], "b": [True, None]}).astype({"n": "Int64", "b": "boolean"})
    columns = {"n": Column(type="integer"), "b": Column(type="boolean")}
    assert features.inputs(table, columns).isna().to_numpy().tolist() == [[False] * 2, [True] * 2]


def test_the_target_is_what_the_task_learns(rules):
    def type_learned(values, kind, task):
        column = {"kind": Column(type=kind)}
        found = rules.model_copy(update={"task": task, "columns": rules.columns | column})
        return features.target(pd.DataFrame({"kind": values}), found).dtype

    assert type_learned([1, 2], "integer", "multiclass") == "int64"
    assert type_learned([1, 2], "integer", "regression") == "float64"
    assert type_learned(["a", "b"], "category", "binary") == "object"


def test_a_feature_is_one_column_more_and_never_infinite(frame, rules):
    table = features.inputs(frame, rules.features)
    made = derive(table, [per_count, is_red, magnitude])
    assert list(made)[-3:] == ["per_count", "is_red", "magnitude"]
    assert set(made.dtypes[-3:]) == {np.dtype("float32")}
    assert not np.isinf(made[["per_count", "is_red", "magnitude"]]).to_numpy().any()
    assert np.isnan(made["per_count"][11])  # 19.25 / 0
    assert made["is_red"].tolist()[:4] == [1, 0, 0, 1]
    assert made["magnitude"].isna().sum() > frame["length"].isna().sum()


def test_the_exported_model_makes_the_features_itself(frame, rules, tmp_path):
    made = per_count, is_red, magnitude
    model = fit(frame, rules, FOREST, features=made, n_estimators=5)
    assert model[-1].n_features_in_ == 3 + 3 + 3  # numbers, features, colours
    file = tmp_path / "model.onnx"
    file.write_bytes(convert.convert(model, rules.features).SerializeToString())
    exported = exported_model.onnx(file)
    table = features.inputs(frame, rules.features)
    answer = exported(table)
    np.testing.assert_allclose(answer.probabilities, model.predict_proba(table), atol=1e-5)
    assert answer.values.tolist() == model.predict(table).tolist()
    one = exported(table.head(1))
    assert one.values.tolist() == answer.values[:1].tolist()


def test_the_features_alone_are_what_the_exported_model_makes(frame, rules):
    made = per_count, is_red, magnitude
    graph = convert.features_alone(made, rules.features).SerializeToString()
    table = features.inputs(frame, rules.features)
    answers = InferenceSession(graph).run(None, {name: table[[name]].to_numpy() for name in table})
    expected = derive(table, made)
    for feature, answer in zip(made, answers, strict=True):
        np.testing.assert_allclose(answer[:, 0], expected[feature.__name__], rtol=1e-5)


@pytest.mark.parametrize("made", [[length], [is_red, is_red]])
def test_a_feature_named_as_a_column_is_refused(made, project, frame, rules):
    with pytest.raises(UserError, match=f"a feature is named {made[0].__name__!r}"):
        hooks.fit(frame, made, rules, params())
