"""What users change in a project leaves `make check` green; what they break makes it red."""

import ast
import re
import shutil
from pathlib import Path

import pytest
import yaml
from baked import PROJECT, clone, run
from sklearn import datasets

FEATURES = "FEATURES = ()\n"
MILES = 'columns["distance_miles"]'
EXAMPLE = re.compile(r"```python src/ml/features.py\n.*?(def .*?FEATURES = .*?\n)```", re.S)
ESTIMATORS = {
    "logistic": "{class: sklearn.linear_model.LogisticRegression, C: 0.5, max_iter: 500}",
    "forest": "{class: sklearn.ensemble.RandomForestClassifier, n_estimators: 20, random_state: 0}",
    "neighbours": "{class: sklearn.neighbors.KNeighborsClassifier, n_neighbors: 9}",
}


def make(target: str, project: Path, fails: bool = False, **variables: str) -> str:
    said = [f"{name}={value}" for name, value in variables.items()]
    return run("make", target, *said, cwd=project, fails=fails)


def run_checks(project: Path) -> int:
    """How many tests `make check` runs; all pass, none is skipped."""
    said = make("check", project)
    found = re.search(r"^(\d+) passed in", said, re.M)
    assert found, said
    return int(found[1])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), "utf-8")


def docs_feature() -> str:
    """The feature that docs/change-it.md shows."""
    return EXAMPLE.search((PROJECT / "docs/change-it.md").read_text("utf-8"))[1]


def feature(project: Path) -> None:
    edit(project / "src/ml/features.py", FEATURES, f"\n{docs_feature()}")


def helper(project: Path) -> None:
    (project / "src/ml/ratios.py").write_text(
        '"""Ratios."""\n\nfrom typing import Any\n\n\ndef ratio(a: Any, b: Any, xp: Any) -> Any:\n'
        '    """The logarithm of a by b."""\n    return xp.log(a / b)\n', "utf-8"
    )  # fmt: skip
    edit(
        project / "src/ml/features.py", FEATURES,
        "from ml.ratios import ratio\n\n\ndef gust(columns, xp):\n"
        '    return ratio(columns["gust_mph"], columns["wind_mph"], xp)\n\n\n'
        'def newark(columns, xp):\n    return columns["origin"] == "EWR"\n\n\n'
        "FEATURES = (gust, newark)\n",
    )  # fmt: skip


def estimator(name: str):
    def change(project: Path) -> None:
        path = project / "params.yaml"
        line = next(one for one in path.read_text("utf-8").splitlines() if "estimator: {" in one)
        edit(path, line, f"  estimator: {ESTIMATORS[name]}")

    return change


def table(name: str):
    def change(project: Path) -> None:
        frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
        source = project.parent / f"{name}.csv"
        frame.sample(frac=1, random_state=0).to_csv(source, index=False)
        make("data", project, SOURCE=str(source), TARGET="target")

    return change


def value(file: str, old: str, new: str):
    def change(project: Path) -> None:
        edit(project / file, old, new)

    return change


def tolerances(project: Path) -> None:
    edit(project / "gate.yaml", "champion: {tolerance: 0.05}", "champion: {tolerance: 0.2}")
    edit(project / "gate.yaml", "{model_mb: 50, p50_ms: 20,", "{model_mb: 5, p50_ms: 10,")
    edit(project / "gate.yaml", "{min_rows: 30, limit: dummy}", "{min_rows: 10, limit: 2}")
    edit(project / "schema.yaml", "slices: [origin, carrier]", "slices: [origin]")


def owners(project: Path) -> None:
    """Both that docs/github.md offers: staging has an owner too, and so has the model's code."""
    path = project / ".github/CODEOWNERS"
    edit(path, "/deploy/staging/release.env\n", "")
    path.write_text(path.read_text("utf-8") + "/src/ml/ @ada\n", "utf-8")


def fewer_parts(project: Path) -> None:
    for name in ("deploy/argocd", "prometheus"):
        shutil.rmtree(project / name)
    for name in ("compose.yaml", ".github/workflows/promote.yml"):
        (project / name).unlink()


def stage(project: Path) -> None:
    edit(
        project / "dvc.yaml", "\nplots:\n",
        "  summary:\n    cmd: wc -l artifacts/metrics.json > artifacts/lines.txt\n"
        "    deps: [artifacts/metrics.json]\n    outs: [artifacts/lines.txt]\n\nplots:\n",
    )  # fmt: skip


def use_slow_pipeline(project: Path) -> None:
    """A model that is no ONNX, takes the project's code along, and is slow on a busy machine."""
    helper(project)
    edit(project / "params.yaml", "format: onnx", "format: sklearn")
    edit(project / "gate.yaml", "p50_ms: 20, p99_ms: 100", "p50_ms: 10000, p99_ms: 10000")


EDITS = {
    "a feature": feature,
    "a helper module": helper,
    "logistic regression": estimator("logistic"),
    "a forest": estimator("forest"),
    "neighbours": estimator("neighbours"),
    "a binary table": table("breast_cancer"),
    "a multiclass table": table("wine"),
    "a regression table": table("diabetes"),
    "a limit": value(
        "gate.yaml", "minimum: {log_loss: dummy}", "minimum: {log_loss: dummy, accuracy: 0.5}"
    ),
    "another confidence": value("gate.yaml", "confidence: 0.95", "confidence: 0.9"),
    "another metric": value("gate.yaml", "  metric: log_loss", "  metric: brier"),
    "other tolerances": tolerances,
    "owners": owners,
    "fewer parts": fewer_parts,
    "one stage more": stage,
    "scikit-learn's own form": use_slow_pipeline,
    "a random split": value("gate.yaml", "by: time", "by: random"),
}


@pytest.fixture(scope="module")
def count(ready: Path) -> int:
    """How many tests the project has, as it was baked."""
    found = run_checks(ready)
    assert found >= 10
    return found


# Each of these shows what another edit shows, with one more estimator, table or number.
NIGHTLY = {
    "a forest", "neighbours", "a binary table", "a multiclass table", "another confidence",
    "another metric", "a random split", "a helper module", "one stage more", "a limit",
    "other tolerances", "a regression table",
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            change, id=name.replace(" ", "-"), marks=[pytest.mark.nightly] * (name in NIGHTLY)
        )
        for name, change in EDITS.items()
    ],
)
def test_an_edit_leaves_the_check_green_with_as_many_tests(change, copy, count):
    change(copy)
    make("pipeline", copy)
    assert "passed" in make("gate", copy)
    assert run_checks(copy) == count


def test_a_change_is_checked_before_it_is_trained(copy, count):
    """As in CI, where another job trains it."""
    helper(copy)
    for name in ("artifacts", "data/train.parquet", "data/test.parquet"):
        run("rm", "-r", name, cwd=copy)
    assert run_checks(copy) == count


def test_the_page_and_the_module_show_the_same_feature():
    module = ast.get_docstring(ast.parse((PROJECT / "src/ml/features.py").read_text("utf-8")))
    lines = docs_feature().splitlines()
    indented = "\n".join(f"    {line}" if line else "" for line in lines)
    assert indented in module


@pytest.fixture(scope="module")
def workshop(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy, in which tests break a file and fix it."""
    return clone(ready, tmp_path_factory.mktemp("workshop"))


@pytest.fixture
def red(workshop: Path):
    """What `make check` says, as it fails, with another text in a file."""

    def run_with(name: str, text: str) -> str:
        path = workshop / name
        before = path.read_text("utf-8") if path.exists() else None
        path.write_text(text, "utf-8")
        try:
            return make("check", workshop, fails=True)
        finally:
            path.unlink()
            if before is not None:
                path.write_text(before, "utf-8")

    return run_with


BROKEN = {
    "another length": ("short", f"{MILES}[1:]", "does not match length of index"),
    "one number for all": ("mean", f"xp.mean({MILES})", "assert () == "),
    "another result in ONNX": (
        "doubled",
        f'{MILES} * (1 if xp.__name__ == "numpy" else 2)',
        "doubled differs for",
    ),
    "no way into ONNX": ("kept", f"xp.ascontiguousarray({MILES})", "ascontiguousarray"),
    "the name of a column": ("distance_miles", f"{MILES} * 2", "named 'distance_miles', which is"),
    "no such column": ("plane", 'columns["plane"]', "KeyError: 'plane'"),
    "the other rows": (
        "centred",
        f"{MILES} - xp.max({MILES})",
        "does_not_depend_on_the_other_rows",
    ),
    "nothing": ("nothing", f"xp.log(-xp.abs({MILES}))", "nothing is always missing"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_feature_is_red(kind, red):
    name, result, reason = BROKEN[kind]
    said = red(
        "src/ml/features.py",
        f'"""Features."""\n\n\ndef {name}(columns, xp):\n    return {result}\n\n\n'
        f"FEATURES = ({name},)\n",
    )
    assert reason in said
    assert re.search(r"\d+ (failed|error)", said)


def test_an_edited_file_in_vendor_is_red_and_named(red, workshop):
    name = "src/mlgitops/data/split.py"
    path = workshop / "vendor/mlgitops" / name
    said = red(f"vendor/mlgitops/{name}", path.read_text("utf-8") + "\n\nX = 1\n")
    assert f"{name} was edited" in said


def test_a_type_error_of_the_model_is_red(red, workshop):
    text = (workshop / "src/ml/prepare.py").read_text("utf-8")
    wrong = text.replace("return examples\n", "return len(examples)\n")
    assert wrong != text
    assert "src/ml/prepare.py" in red("src/ml/prepare.py", wrong)


@pytest.mark.parametrize(
    ("line", "new", "test"),
    [
        ("max_iter: 100", "max_iter: 100, min_samples_leaf: 5000", "learns_more_than_a_dummy"),
        ("random_state: 0}", "max_features: 0.3}", "is_the_same_every_time"),
    ],
)
def test_a_model_that_learns_nothing_or_is_another_each_time_is_red(line, new, test, red, workshop):
    text = (workshop / "params.yaml").read_text("utf-8")
    assert text.count(line) == 1
    assert f"test_it_{test}" in red("params.yaml", text.replace(line, new))


def test_without_data_the_check_gets_them_or_one_line_says_what_to_do(copy, count):
    data = copy / "data/raw.parquet"
    data.unlink()
    assert run_checks(copy) == count
    data.unlink()
    shutil.rmtree(copy / ".dvc/cache")
    shutil.rmtree(copy / "store")
    said = make("check", copy, fails=True)
    assert "data/raw.parquet is not there: run `make setup`" in said
    assert "Traceback" not in said


def test_what_is_vendored_is_nobodys_to_lint(copy):
    """Also where a hook names the file, and on the page of the languages."""
    name = "vendor/mlgitops/src/mlgitops/core/cli.py"
    path = copy / name
    path.write_text("import os\n" + path.read_text("utf-8"), "utf-8")
    run(".venv/bin/ruff", "check", name, cwd=copy)
    before = path.read_text("utf-8")
    run(".venv/bin/ruff", "format", name, cwd=copy)
    assert path.read_text("utf-8") == before
    assert "set" in run("git", "check-attr", "linguist-vendored", name, cwd=copy)
    assert yaml.safe_load((copy / ".pre-commit-config.yaml").read_text())["exclude"] == "^vendor/"
