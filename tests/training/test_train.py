import hashlib
from pathlib import Path

import joblib
import numpy as np
import pytest
from mlgitops.core.errors import UserError
from mlgitops.data.schema import Column
from mlgitops.training import estimator, train
from mlgitops.training.features import inputs
from template_model import fit, params

LOGISTIC = "sklearn.linear_model.LogisticRegression"
BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"


def test_fit_learns_a_separable_target(frame, rules):
    known = frame[frame["length"].notna()]
    for model in (fit(known, rules), fit(known, rules, LOGISTIC, C=1000)):
        assert (model.predict(inputs(known, rules.features)) == known["kind"]).all()


def test_fit_predicts_a_quantity(frame, rules):
    columns = rules.columns | {"kind": Column(type="number")}
    rules = rules.model_copy(update={"task": "regression", "columns": columns})
    frame["kind"] = frame["count"] * 2.0 + 1
    model = fit(frame, rules, "sklearn.linear_model.LinearRegression")
    found = model.predict(inputs(frame, rules.features))
    np.testing.assert_allclose(found, frame["kind"], atol=1e-4)


def test_missing_values_and_unknown_categories_are_no_obstacle(frame, rules):
    model = fit(frame, rules, LOGISTIC)
    table = inputs(frame.head(2), rules.features)
    table["colour"] = ["", "pink"]
    table["length"] = np.float32("nan")
    assert np.isfinite(model.predict_proba(table)).all()


@pytest.mark.parametrize(("one_hot", "width"), [(16, 3 + 3), (3, 3 + 3), (2, 3 + 1), (0, 3 + 1)])
def test_few_categories_are_columns_and_many_a_rank(one_hot, width, frame, rules):
    assert fit(frame, rules, LOGISTIC, one_hot=one_hot)[-1].n_features_in_ == width


def test_an_open_category_is_a_rank(frame, rules):
    columns = rules.columns | {"colour": Column(type="category")}
    rules = rules.model_copy(update={"columns": columns})
    assert fit(frame, rules, LOGISTIC)[-1].n_features_in_ == 4


@pytest.mark.parametrize("scale", [True, False])
def test_numbers_are_scaled_where_params_yaml_says_so(scale, frame, rules):
    assert ("StandardScaler" in str(fit(frame, rules, LOGISTIC, scale=scale))) is scale


def test_a_column_without_a_value_is_no_obstacle(frame, rules):
    frame["length"] = np.nan
    assert fit(frame, rules, BOOSTING, max_iter=2)[-1].n_features_in_ == 6


@pytest.mark.parametrize(
    ("path", "options", "told"),
    [
        ("sklearn.ensemble.HistGradientBosting", {}, "has no attribute"),
        ("sklearn.esemble.RandomForestClassifier", {}, "No module named"),
        ("RandomForestClassifier", {}, "give the class with its module"),
        ("", {}, "give the class with its module"),
        (LOGISTIC, {"depth": 3}, "unexpected keyword argument 'depth'"),
        ("sklearn.linear_model.Ridge", {}, "a binary task needs a classifier, not a Ridge"),
        ("sklearn.svm.LinearSVC", {}, "LinearSVC with these arguments gives no probabilities"),
        ("sklearn.preprocessing.StandardScaler", {}, "needs a classifier"),
        ("sklearn.metrics.log_loss", {}, "train.estimator"),
        ("sklearn.semi_supervised.SelfTrainingClassifier", {}, "train.estimator"),
    ],
)
def test_an_estimator_that_cannot_be_is_refused(path, options, told):
    with pytest.raises(UserError, match=r"params.yaml: train.estimator: ") as mistake:
        estimator.make_estimator("binary", params(path, **options).estimator)
    assert told in str(mistake.value)


def test_a_regression_needs_a_regressor():
    with pytest.raises(UserError, match="needs a regressor, not a LogisticRegression"):
        estimator.make_estimator("regression", params(LOGISTIC).estimator)


def test_the_stage_writes_the_same_bytes_again(project, frame):
    frame.to_parquet("data/train.parquet")
    found = []
    for name in ("one", "two"):
        train.train(Path("data/train.parquet"), Path(f"artifacts/{name}.joblib"))
        found.append(hashlib.md5(Path(f"artifacts/{name}.joblib").read_bytes()).hexdigest())
    assert found[0] == found[1]
    assert joblib.load("artifacts/one.joblib").classes_.tolist() == ["a", "b"]


@pytest.mark.parametrize("options", ["max_iter: -5", "max_iter: many"])
def test_an_argument_that_the_estimator_refuses_is_a_mistake(options, project, choose, frame):
    choose("max_iter: 5", options)
    frame.to_parquet("data/train.parquet")
    with pytest.raises(
        UserError, match=r"HistGradientBoostingClassifier cannot be fitted: .*max_iter"
    ):
        train.train(Path("data/train.parquet"), Path("artifacts/fitted.joblib"))
    assert not Path("artifacts/fitted.joblib").exists()


def test_an_estimator_that_needs_arguments_says_which(project, choose, frame):
    choose("HistGradientBoostingClassifier, max_iter: 5, random_state: 0", "StackingClassifier")
    frame.to_parquet("data/train.parquet")
    with pytest.raises(UserError, match="missing 1 required positional argument: 'estimators'"):
        train.train(Path("data/train.parquet"), Path("artifacts/fitted.joblib"))
