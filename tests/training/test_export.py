import json
import shutil
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from mlgitops.core.errors import UserError
from mlgitops.data import schema
from mlgitops.data.schema import Column
from mlgitops.training import export, exported_model, train
from mlgitops.training.features import inputs
from tables import forget
from template_model import fit

LIMITS = export.Parity(tolerance=0.0001, max_differing=0.001, max_flipped=0.001, rows=100)
PATHS = Path("artifacts/fitted.joblib"), Path("data/train.parquet"), exported_model.FOLDER
AGREEMENT = Path("artifacts/parity.json")


@pytest.fixture
def run_export(project, frame, rules):
    def run(pipeline):
        joblib.dump(pipeline, PATHS[0])
        frame.to_parquet(PATHS[1])
        export.export(*PATHS, AGREEMENT)

    return run


def files(folder="artifacts"):
    return sorted(path.name for path in Path(folder).iterdir())


def test_the_folder_is_all_that_serving_needs(run_export, frame, rules):
    run_export(fit(frame, rules))
    assert files("artifacts/model") == ["model.onnx", "reference.json", "signature.json"]
    assert json.loads(AGREEMENT.read_text("utf-8")) == {"differing": 0, "flipped": 0}
    signature = json.loads(Path("artifacts/model/signature.json").read_text("utf-8"))
    assert signature["labels"] == ["a", "b"]
    assert [one["name"] for one in signature["outputs"]] == ["label", "probabilities"]
    assert signature["inputs"][0] == {
        "type": "number",
        "nullable": True,
        "range": [0, 20],
        "categories": None,
        "name": "length",
        "seen": [0, 9.75],
        "missing": [],
        "format": None,
    }
    assert signature["examples"][0] == {"length": 0, "count": 0, "wild": True, "colour": "red"}
    reference = json.loads(Path("artifacts/model/reference.json").read_text("utf-8"))
    assert set(reference["columns"]) == {"length", "count", "wild", "colour"}
    assert set(reference["predictions"]["shares"]) == {"a", "b"}


def test_a_private_column_is_one_in_the_signature_and_others_stay_as_they_were(
    project, frame, rules
):
    columns = {
        name: one.model_copy(update={"private": {"wild": True, "colour": "hash"}.get(name, False)})
        for name, one in rules.columns.items()
    }
    private = rules.model_copy(update={"columns": columns})
    found = export.plain(export.signature(frame, ["a", "b"], private))["inputs"]
    told = {one["name"]: one.get("private") for one in found}
    assert told == {"length": None, "count": None, "wild": True, "colour": "hash"}
    assert "private" not in json.dumps(export.plain(export.signature(frame, ["a", "b"], rules)))


def test_a_regression_has_one_output(run_export, project, frame, rules):
    columns = rules.columns | {"kind": Column(type="number")}
    rules = rules.model_copy(update={"task": "regression", "columns": columns})
    (project / "schema.yaml").write_text(schema.dump(rules), encoding="utf-8")
    frame["kind"] = frame["count"] / 2
    run_export(fit(frame, rules, "sklearn.tree.DecisionTreeRegressor"))
    found = exported_model.load()
    assert found.signature.labels is None
    assert [one.type for one in found.signature.outputs] == ["value"]
    answer = found.predict(inputs(frame, rules.features))
    assert answer.values.tolist() == frame["kind"].tolist()


def test_parity_counts_rows_that_differ_and_labels_that_flip(frame, rules):
    pipeline = fit(frame, rules)
    table = inputs(frame, rules.features)
    same = exported_model.Predictions(pipeline.predict(table), pipeline.predict_proba(table))

    def close(table):
        return exported_model.Predictions(same.values, same.probabilities + 0.00009)

    def move_first(table):
        moved = same.probabilities.copy()
        moved[0] += 0.00011
        return exported_model.Predictions(same.values, moved)

    def flip_some(table):
        return exported_model.Predictions(
            np.where(np.arange(40) < 4, "c", same.values), same.probabilities
        )

    assert export.parity(pipeline, close, table, LIMITS) == {"differing": 0, "flipped": 0}
    assert export.parity(pipeline, move_first, table, LIMITS) == {"differing": 1 / 40, "flipped": 0}
    assert export.parity(pipeline, flip_some, table, LIMITS) == {"differing": 0, "flipped": 0.1}


def test_parity_of_values_is_measured_by_their_spread(frame, rules):
    class Ramp:
        def predict(self, table):
            return np.arange(len(table)) * 1000.0

    def model_off_by(by):
        def predict(table):
            values = Ramp().predict(table)
            values[0] += by
            return exported_model.Predictions(values, None)

        return predict

    assert export.parity(Ramp(), model_off_by(1.1), frame, LIMITS)["differing"] == 0
    assert export.parity(Ramp(), model_off_by(1.2), frame, LIMITS)["differing"] == 1 / 40


def test_answers_that_are_no_numbers_differ(frame, rules):
    pipeline = fit(frame, rules)
    table = inputs(frame, rules.features)

    def nothing(table):
        return exported_model.Predictions(pipeline.predict(table), np.full((40, 2), np.nan))

    assert export.parity(pipeline, nothing, table, LIMITS)["differing"] == 1


@pytest.mark.parametrize("kind", ["differing", "flipped"])
def test_a_model_that_answers_otherwise_is_refused(kind, run_export, frame, rules, monkeypatch):
    other = {"differing": 0.0, "flipped": 0.0} | {kind: 0.002}
    monkeypatch.setattr(export, "parity", lambda *_: other)
    with pytest.raises(UserError, match=f"0.20% of 40 rows are {kind} .*parity.max_{kind}, 0.10%"):
        run_export(fit(frame, rules))
    assert files() == ["fitted.joblib"]


def test_another_model_in_the_file_is_refused(run_export, frame, rules, monkeypatch):
    from mlgitops.training import convert

    good = fit(frame, rules)
    bad = fit(frame.assign(kind=frame["kind"][::-1].to_numpy()), rules)
    monkeypatch.setattr(
        "mlgitops.training.convert.convert",
        lambda _, columns, real=convert.convert: real(bad, columns),
    )
    with pytest.raises(UserError, match="rows are differing between scikit-learn and onnx"):
        run_export(good)
    assert files() == ["fitted.joblib"]


def test_a_refused_model_leaves_the_one_before(run_export, frame, rules, monkeypatch):
    run_export(fit(frame, rules))
    before = Path("artifacts/model/model.onnx").read_bytes()
    monkeypatch.setattr(export, "parity", lambda *_: {"differing": 1.0, "flipped": 1.0})
    with pytest.raises(UserError):
        run_export(fit(frame, rules, max_depth=1))
    assert Path("artifacts/model/model.onnx").read_bytes() == before
    assert files() == ["fitted.joblib", "model", "parity.json"]


UNCONVERTED = "sklearn.semi_supervised.LabelPropagation"


def test_an_estimator_without_a_converter_is_refused_with_the_way_out(run_export, frame, rules):
    with pytest.raises(
        UserError, match=r"LabelPropagation .* set export.format: sklearn in params"
    ):
        run_export(fit(frame, rules, UNCONVERTED))
    assert files() == ["fitted.joblib"]


def test_an_estimator_without_a_converter_is_exported_as_it_is(run_export, choose, frame, rules):
    choose("format: onnx", "format: sklearn")
    pipeline = fit(frame, rules, UNCONVERTED)
    run_export(pipeline)
    assert files("artifacts/model") == [
        "ml",
        "model.joblib",
        "reference.json",
        "signature.json",
    ]
    table = inputs(frame, rules.features)
    answer = exported_model.load().predict(table)
    assert answer.values.tolist() == pipeline.predict(table).tolist()
    assert answer.probabilities.shape == (40, 2)


HELPED = """
from ml.numbers import per


def share(columns, xp):
    return per(columns["length"], columns["count"])


FEATURES = (share,)
"""


@pytest.fixture
def as_sklearn(project, choose, frame):
    """Trains with a project's features.py and exports it as it is."""

    def run(features, **modules):
        choose("format: onnx", "format: sklearn")
        for name, text in {"features": features, **modules}.items():
            Path(f"src/ml/{name}.py").write_text(text, encoding="utf-8")
        frame.to_parquet(PATHS[1])
        train.train(PATHS[1], PATHS[0])
        export.export(*PATHS, AGREEMENT)

    return run


def test_all_of_src_ml_travels_with_a_helper_module_and_without_caches(
    as_sklearn, frame, rules, monkeypatch
):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    as_sklearn(HELPED, numbers="def per(one, other):\n    return one / other\n")
    assert Path("src/ml/__pycache__").is_dir()
    assert files("artifacts/model/ml") == [
        *("__init__.py", "features.py", "metrics.py", "numbers.py", "prepare.py", "train.py"),
    ]
    wanted = joblib.load(PATHS[0]).predict_proba(inputs(frame, rules.features))
    shutil.rmtree("src")
    forget()
    table = inputs(frame, rules.features)
    for champion in (exported_model.load_isolated(exported_model.FOLDER), exported_model.load()):
        np.testing.assert_allclose(champion.predict(table).probabilities, wanted)
    assert "__pycache__" not in files("artifacts/model/ml")


@pytest.mark.parametrize("room", ["core.config", "data.schema", "training.features"])
def test_a_model_that_needs_another_room_of_the_library_is_refused(room, as_sklearn):
    told = (
        r"src/ml travels with the model, and its modules that the model needs can import packages "
        rf"of the server only, nothing else of mlgitops: .*it imports mlgitops.{room.split('.')[0]}"
    )
    with pytest.raises(UserError, match=told) as mistake:
        as_sklearn(
            f"import mlgitops.{room}\n\nfrom ml.numbers import per\n" + HELPED,
            numbers="def per(one, other):\n    return one / other\n",
        )
    assert "\n" not in str(mistake.value)
    assert files() == ["fitted.joblib"]


def test_a_model_that_needs_a_helper_of_the_server_is_exported(as_sklearn):
    as_sklearn(
        "from mlgitops.serving.features import finite\n" + HELPED,
        numbers="def per(one, other):\n    return one / other\n",
    )
    assert "model" in files()


def test_onnx_needs_no_code_even_if_it_was_made_from_a_helper_module(project, frame, rules):
    Path("src/ml/features.py").write_text("import mlgitops.core.config\n" + HELPED)
    Path("src/ml/numbers.py").write_text("def per(one, other):\n    return one / other\n")
    frame.to_parquet(PATHS[1])
    train.train(PATHS[1], PATHS[0])
    export.export(*PATHS, AGREEMENT)
    assert files("artifacts/model") == ["model.onnx", "reference.json", "signature.json"]
    wanted = joblib.load(PATHS[0]).predict(inputs(frame, rules.features))
    found = exported_model.load().predict(inputs(frame, rules.features))
    assert found.values.tolist() == wanted.tolist()


def test_an_onnx_model_that_cannot_run_is_a_mistake(run_export, frame, rules, monkeypatch):
    import onnx

    def refuse(*_):
        node = onnx.helper.make_node("Wish", ["x"], ["y"], domain="nowhere")
        x, y = (onnx.helper.make_tensor_value_info(name, 1, [None, 1]) for name in "xy")
        graph = onnx.helper.make_graph([node], "wish", [x], [y])
        opsets = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("nowhere", 1)]
        return onnx.helper.make_model(graph, opset_imports=opsets)

    monkeypatch.setattr("mlgitops.training.convert.convert", refuse)
    with pytest.raises(UserError, match=r"set export.format: sklearn"):
        run_export(fit(frame, rules))


def test_an_onnx_model_that_fails_on_the_rows_is_a_mistake(run_export, frame, rules):
    radius = "sklearn.neighbors.RadiusNeighborsClassifier"
    with pytest.raises(UserError, match=r"ONNX Runtime cannot run it.* set export.format: sklearn"):
        run_export(fit(frame, rules, radius))
    assert files() == ["fitted.joblib"]


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("binary", "{class: sklearn.linear_model.LogisticRegression, C: 0.5}"),
        ("binary", "{class: sklearn.ensemble.RandomForestClassifier, n_estimators: 5}"),
        ("regression", "{class: sklearn.linear_model.Ridge, alpha: 0.1}"),
        ("regression", "{class: sklearn.ensemble.HistGradientBoostingRegressor, max_iter: 5}"),
    ],
)
def test_another_estimator_is_one_line_of_params_yaml(task, line, project, choose, frame, rules):
    old = "{class: sklearn.ensemble.HistGradientBoostingClassifier, max_iter: 5, random_state: 0}"
    choose(old, line)
    if task == "regression":
        columns = rules.columns | {"kind": Column(type="number")}
        rules = rules.model_copy(update={"task": task, "columns": columns})
        Path("schema.yaml").write_text(schema.dump(rules), encoding="utf-8")
        frame["kind"] = frame["count"] * 2.0
    frame.to_parquet(PATHS[1])
    train.train(PATHS[1], PATHS[0])
    export.export(*PATHS, AGREEMENT)
    assert json.loads(AGREEMENT.read_text("utf-8")) == {"differing": 0, "flipped": 0}
    assert files("artifacts/model") == ["model.onnx", "reference.json", "signature.json"]


def test_parity_of_a_constant_allows_the_rounding_of_float32_and_no_more(frame):
    class Constant:
        def predict(self, table):
            return np.full(len(table), 152.1)

    def constant_model(value):
        return lambda table: exported_model.Predictions(np.full(len(table), value, "float32"), None)

    assert export.parity(Constant(), constant_model(152.1), frame, LIMITS)["differing"] == 0
    assert export.parity(Constant(), constant_model(152.2), frame, LIMITS)["differing"] == 1
