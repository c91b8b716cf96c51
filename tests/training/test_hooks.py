"""The library and the user's src/ml: what is asked of it, and what is said where it lacks that."""

from pathlib import Path

import joblib
import pandas as pd
import pytest
from mlgitops.core import config
from mlgitops.core.errors import UserError
from mlgitops.data import schema
from mlgitops.training import export, hooks, prepare, train
from mlgitops.training.features import inputs
from mlgitops.training.preprocessing import features_of

TRAIN, TEST, FITTED = (
    Path("data/train.parquet"),
    Path("data/test.parquet"),
    Path("artifacts/fitted.joblib"),
)
PREPARE = """\
from mlgitops.core.config import Section


class Prepare(Section):
    share: float
    seed: int


def prepare(examples, schema, p):
    return {returned}
"""
FIT = """\
from mlgitops.core.config import Section
from mlgitops.training.estimator import Estimator, make_estimator
from mlgitops.training.features import inputs, target
from mlgitops.training.preprocessing import columns, with_features
from sklearn.pipeline import make_pipeline


class Train(Section):
    estimator: Estimator
    one_hot: int


def fit(examples, features, schema, p):
"""


@pytest.fixture
def own(project):
    """Writes a module of the project's src/ml."""

    def write(name, text):
        Path(f"src/ml/{name}.py").write_text(text, encoding="utf-8")

    return write


@pytest.fixture
def raw(project, frame):
    """The table as the project's data."""
    frame.to_parquet("data/raw.parquet")
    return frame


def test_the_package_is_that_of_the_current_folder(project):
    assert Path(hooks.module("features").__file__) == project / "src/ml/features.py"
    assert hooks.features() == ()
    assert config.load(hooks.section("train")).one_hot == 16


@pytest.mark.parametrize("name", ["features", "prepare", "train"])
def test_a_module_that_is_missing_is_named(name, project):
    Path(f"src/ml/{name}.py").unlink()
    with pytest.raises(UserError, match=f"src/ml/{name}.py is not there: git restore it"):
        hooks.module(name)


@pytest.mark.parametrize(
    ("name", "what", "call"),
    [
        ("features", "FEATURES", lambda *_: hooks.features()),
        ("prepare", "Prepare", lambda *_: hooks.section("prepare")),
        ("prepare", "prepare", hooks.prepare),
        ("train", "Train", lambda *_: hooks.section("train")),
        ("train", "fit", lambda frame, rules: hooks.fit(frame, (), rules, None)),
    ],
)
def test_what_a_module_lacks_is_named(name, what, call, own, frame, rules):
    own(name, "")
    with pytest.raises(UserError, match=f"src/ml/{name}.py has no {what}: pydoc mlgitops.training"):
        call(frame, rules)


def test_the_rows_to_train_on_are_those_that_prepare_returns(raw, choose):
    choose("share: 1,", "share: 0.5,")
    prepare.prepare()
    train_rows, test_rows = pd.read_parquet(TRAIN), pd.read_parquet(TEST)
    assert (len(train_rows), len(test_rows)) == (16, 8)
    assert list(train_rows.index) == list(range(16))


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ("None", "returned a NoneType, not a table"),
        ("examples['count']", "returned a Series, not a table"),
        ("examples.head(0)", "left no row to train on"),
        ("examples.drop(columns='kind')", "removed columns of schema.yaml: kind"),
        ("examples[['kind']]", "removed columns of schema.yaml: length, count, wild, colour"),
    ],
)
def test_what_prepare_must_not_return_is_refused(returned, told, own, raw):
    own("prepare", PREPARE.format(returned=returned))
    with pytest.raises(UserError, match=f"src/ml/prepare.py: prepare {told}"):
        prepare.prepare()
    assert not TRAIN.exists()
    assert not TEST.exists()


def test_prepare_never_sees_the_test_set_nor_changes_it(own, raw):
    own("prepare", PREPARE.format(returned="examples.assign(count=examples['count'] * 0 + 7)"))
    prepare.prepare()
    assert set(pd.read_parquet(TRAIN)["count"]) == {7}
    test_rows = pd.read_parquet(TEST)
    whole = raw.merge(test_rows, how="inner")
    assert len(whole) == len(test_rows) == 8


def test_a_column_of_weights_that_prepare_adds_reaches_fit(own, raw):
    own(
        "prepare", PREPARE.format(returned="examples.assign(weight=examples['kind'].eq('a') * 9.0)")
    )
    fit = """\
    model = make_pipeline(
        with_features(features), columns(schema, features, p.one_hot, scale=False),
        make_estimator(schema.task, p.estimator),
    )
    name = f"{model.steps[-1][0]}__sample_weight"
    return model.fit(
        inputs(examples, schema.features), target(examples, schema), **{name: examples["weight"]}
    )
"""
    own("train", FIT + fit)
    prepare.prepare()
    train.train()
    fitted, rules = joblib.load(FITTED), schema.load()
    # Rows of b weigh nothing, so the model knows of a alone.
    assert set(fitted.predict(inputs(raw, rules.features))) == {"a"}
    assert "weight" not in fitted.feature_names_in_
    assert "weight" not in pd.read_parquet(TEST)


def test_fit_must_return_a_pipeline(own, raw):
    own("train", FIT + "    return make_estimator(schema.task, p.estimator)\n")
    prepare.prepare()
    told = r"src/ml/train.py: fit returned a HistGradientBoostingClassifier, not a Pipeline"
    with pytest.raises(UserError, match=told):
        train.train()
    assert not FITTED.exists()


def test_a_module_that_features_py_imports_works_in_training(own, raw):
    own("ratios", "def per(one, other):\n    return one / other\n")
    made = "def share(columns, xp):\n    return per(columns['length'], columns['count'])\n"
    own("features", f"from ml.ratios import per\n\n\n{made}\n\nFEATURES = (share,)\n")
    prepare.prepare()
    train.train()
    (feature,) = features_of(joblib.load(FITTED))
    assert (feature.__module__, feature.__name__) == ("ml.features", "share")
    assert joblib.load(FITTED)[-1].n_features_in_ == 3 + 1 + 3  # numbers, the feature, colours


def test_features_are_read_when_they_are_asked_for_and_nothing_keeps_them(own):
    own("features", "FEATURES = [len]\n")
    first = hooks.features()
    hooks.module("features").FEATURES.append(max)
    assert first == (len,)
    assert hooks.features() == (len, max)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "sklearn.ensemble.HistGradientBoostingClassifier"),
        ("class Train(Section):\n    depth: int = 3\n", "src/ml/train.py"),
    ],
)
def test_an_estimator_that_params_yaml_does_not_name_is_train_py(text, told, own):
    if text:
        own("train", f"from mlgitops.core.config import Section\n\n\n{text}")
        Path("params.yaml").write_text("train: {depth: 2}\n")
    assert hooks.estimator_name(config.load(hooks.section("train"))) == told


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        (
            "columns['Flight Date']",
            "no column 'Flight Date'; there are length, count, wild, colour",
        ),
        ("columns['kind']", "no column 'kind'; there are length"),
        ("xp.logg(columns['length'])", "fails: line 2, return xp.logg.*has no attribute 'logg'"),
        ("columns['colour'] / 2", "fails: line 2, return columns.*TypeError"),
        ("columns['length'][:3]", r"gives an array of shape \(3,\), not one value for each of 32"),
        ("xp.mean(columns['length'])", r"gives an array of shape \(\), not one value"),
    ],
)
def test_a_feature_that_cannot_work_is_named_with_its_reason(expression, told, own, raw):
    own("features", f"def month(columns, xp):\n    return {expression}\n\n\nFEATURES = (month,)\n")
    prepare.prepare()
    with pytest.raises(UserError, match=f"src/ml/features.py: month:? ?{told}") as mistake:
        train.train()
    assert len(str(mistake.value).splitlines()) == 1
    assert not FITTED.exists()


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("xp.where(columns['length'] > 3, 9.0, 1.0)", "line 2, return xp.where.*operand"),
        ("xp.nan_to_num(columns['length'])", "line 2, return xp.nan_to_num.*no attribute"),
    ],
)
def test_a_feature_that_cannot_be_exported_is_named_with_the_operation(expression, told, own, raw):
    own("features", f"def far(columns, xp):\n    return {expression}\n\n\nFEATURES = (far,)\n")
    prepare.prepare()
    train.train()
    with pytest.raises(UserError, match=f"src/ml/features.py: far cannot be exported: {told}"):
        export.export()
