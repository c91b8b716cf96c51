import os
import subprocess
import sys

import numpy as np
import onnx
import pandas as pd
import pytest
from mlgitops.data.schema import Column
from mlgitops.training import convert, exported_model
from mlgitops.training.features import inputs
from template_model import fit

QUIET = {"verbose": False, "allow_writing_files": False}


def answers(pipeline, rules, folder):
    file = folder / "model.onnx"
    file.write_bytes(convert.convert(pipeline, rules.features).SerializeToString())
    return exported_model.onnx(file)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 5}),
        ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 5}),
        ("sklearn.ensemble.GradientBoostingClassifier", {"n_estimators": 5}),
        ("sklearn.tree.DecisionTreeClassifier", {}),
        ("sklearn.linear_model.LogisticRegression", {}),
        ("sklearn.neighbors.KNeighborsClassifier", {}),
        ("sklearn.naive_bayes.GaussianNB", {}),
        ("lightgbm.LGBMClassifier", {"n_estimators": 5, "verbose": -1}),
        ("xgboost.XGBClassifier", {"n_estimators": 5}),
        ("catboost.CatBoostClassifier", {"iterations": 5, **QUIET}),
    ],
)
def test_a_classifier_answers_alike_in_onnx(path, options, frame, rules, tmp_path):
    pipeline = fit(frame, rules, path, **options)
    table = inputs(frame, rules.features)
    answer = answers(pipeline, rules, tmp_path)(table)
    np.testing.assert_allclose(answer.probabilities, pipeline.predict_proba(table), atol=1e-4)
    assert answer.values.tolist() == pipeline.predict(table).tolist()


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("sklearn.ensemble.HistGradientBoostingRegressor", {"max_iter": 5}),
        ("sklearn.ensemble.RandomForestRegressor", {"n_estimators": 5}),
        ("sklearn.linear_model.Ridge", {}),
        ("sklearn.linear_model.LinearRegression", {}),
        ("sklearn.svm.SVR", {}),
        ("lightgbm.LGBMRegressor", {"n_estimators": 5, "verbose": -1}),
        ("xgboost.XGBRegressor", {"n_estimators": 5}),
        ("catboost.CatBoostRegressor", {"iterations": 5, **QUIET}),
    ],
)
def test_a_regressor_answers_alike_in_onnx(path, options, frame, rules, tmp_path):
    columns = rules.columns | {"kind": Column(type="number")}
    rules = rules.model_copy(update={"task": "regression", "columns": columns})
    frame["kind"] = frame["length"].fillna(0) + frame["wild"]
    pipeline = fit(frame, rules, path, **options)
    table = inputs(frame, rules.features)
    answer = answers(pipeline, rules, tmp_path)(table)
    assert answer.probabilities is None
    np.testing.assert_allclose(answer.values, pipeline.predict(table), atol=1e-4)


HARD = [
    *("bill length", "bill_length", "label", "label_", "probabilities", "value", "größe", "a/b"),
    *("a:b", 'say "x"', "x" * 200, "1", "yes", "inner/label", "input", "output_probability", "🐧"),
]


@pytest.mark.parametrize("text", [False, True])
def test_columns_of_any_name_keep_it_and_are_not_mixed_up(text, rules, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.integers(0, 4, 40) for name in HARD})
    kind = Column(type="integer")
    if text:
        frame = frame.map("t{}".format)
        kind = Column(type="category", categories=("t0", "t1", "t2", "t3"))
    frame["kind"] = np.where(frame["bill length"] == frame["bill_length"], "a", "b")
    columns = dict.fromkeys(HARD, kind) | {"kind": rules.columns["kind"]}
    rules = rules.model_copy(update={"columns": columns, "slices": ()})
    pipeline = fit(frame, rules, "sklearn.tree.DecisionTreeClassifier")
    made = convert.convert(pipeline, rules.features)
    onnx.checker.check_model(made)
    assert [one.name for one in made.graph.input] == HARD
    table = inputs(frame, rules.features)
    answer = answers(pipeline, rules, tmp_path)(table)
    assert answer.values.tolist() == pipeline.predict(table).tolist()


PROGRAM = """
import sys, hashlib, io, joblib, pandas as pd
from pathlib import Path
from mlgitops.data import schema
from mlgitops.training import convert, hooks
train = hooks.module("train")
frame, rules = pd.read_parquet("t.parquet"), schema.load()
def per_count(columns, xp):
    return columns["length"] / columns["count"]
for path, options, made in [
    ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 5}, []),
    ("sklearn.linear_model.LogisticRegression", {}, []),
    ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 5}, []),
    ("sklearn.linear_model.LogisticRegression", {}, [per_count]),
]:
    p = {"estimator": {"class": path, "random_state": 0, **options}, "one_hot": 2}
    fitted = hooks.fit(frame, made, rules, train.Train.model_validate(p))
    file = io.BytesIO()
    joblib.dump(fitted, file)
    onnx = convert.convert(fitted, rules.features).SerializeToString(deterministic=True)
    print(hashlib.md5(file.getvalue()).hexdigest(), hashlib.md5(onnx).hexdigest())
"""


def test_fit_and_convert_do_not_depend_on_hash_seed_or_threads(frame, project):
    frame.to_parquet("t.parquet")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=os.environ
            | {
                "PYTHONHASHSEED": seed,
                "OMP_NUM_THREADS": threads,
                "OPENBLAS_NUM_THREADS": threads,
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, threads in [("0", "1"), ("1", "2")]
    ]
    first, second = [one.communicate()[0].split() for one in running]
    assert len(first) == 8
    assert first == second


def test_a_step_without_a_converter_raises(frame, rules):
    pipeline = fit(frame, rules, "sklearn.semi_supervised.LabelPropagation")
    with pytest.raises(RuntimeError, match="LabelPropagation"):
        convert.convert(pipeline, rules.features)
