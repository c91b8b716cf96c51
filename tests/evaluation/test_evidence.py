"""What was edited after training is named, and refuses the model."""

import re
from pathlib import Path

import pytest
from mlgitops.core import paths
from mlgitops.evaluation import gate
from mlgitops.evaluation.evidence import changes
from mlgitops.git import repository


def stale():
    """What is not as dvc.lock says."""
    return changes(repository.parse_lock(Path("dvc.lock").read_text("utf-8")))


def add_text(text):
    """An edit that adds text to a file, which may be new."""

    def edit(path):
        with path.open("a", encoding="utf-8") as file:
            file.write(text)

    return edit


def replace_text(old, new):
    """An edit that replaces text of a file."""

    def edit(path):
        text = path.read_text("utf-8")
        assert re.search(old, text)
        path.write_text(re.sub(old, new, text), "utf-8")

    return edit


EDITS = [
    ("params.yaml", replace_text("one_hot: 16", "one_hot: 3"), "params.yaml: train"),
    ("gate.yaml", replace_text("test_share: 0.2", "test_share: 0.3"), "gate.yaml: split"),
    (
        "gate.yaml",
        replace_text("max_duplicates: 0.5", "max_duplicates: 1.0"),
        "gate.yaml: validate",
    ),
    ("gate.yaml", replace_text("max_flipped: 0.001", "max_flipped: 1.0"), "gate.yaml: parity"),
    (
        "pyproject.toml",
        replace_text(r"pipeline = (\d+)", r"pipeline = 9\1"),
        "pyproject.toml: tool.mlgitops.pipeline",
    ),
    ("schema.yaml", add_text("# a word\n"), "schema.yaml"),
    ("src/ml/train.py", add_text("# a word\n"), "src/ml"),
    ("src/ml/ratios.py", add_text("HALF = 0.5\n"), "src/ml"),
    ("src/ml/deep/ratios.py", add_text("HALF = 0.5\n"), "src/ml"),
    ("src/ml/prepare.py", Path.unlink, "src/ml"),
    ("src/ml", lambda path: path.rename("elsewhere"), "src/ml"),
    ("artifacts/model/signature.json", add_text("\n"), "artifacts/model"),
    ("artifacts/model/more", add_text("more"), "artifacts/model"),
    ("artifacts/model/model.joblib", Path.unlink, "artifacts/model"),
    ("artifacts/metrics.json", add_text("\n"), "artifacts/metrics.json"),
    ("artifacts/slices.json", add_text("\n"), "artifacts/slices.json"),
    ("data/test.parquet", add_text("\n"), "data/test.parquet"),
]


@pytest.mark.parametrize(("path", "edit", "name"), EDITS)
@pytest.mark.usefixtures("workspace")
def test_an_edit_after_training_is_named(path, edit, name):
    assert stale() == []
    Path(path).parent.mkdir(exist_ok=True)
    edit(Path(path))
    assert stale() == [name]


@pytest.mark.parametrize(("path", "edit", "name"), [EDITS[n] for n in (0, 1, 4, 5, 7, 9, 11, 14)])
@pytest.mark.usefixtures("workspace")
def test_an_edit_after_training_refuses_the_model(path, edit, name):
    edit(Path(path))
    verdict = gate.verdict()
    assert not verdict.passed
    [check] = verdict.checks
    assert check.name == gate.EVIDENCE
    assert check.reason.splitlines()[0] == (
        f"{name}: not what dvc.lock was made from: run `make pipeline`"
    )


@pytest.mark.usefixtures("workspace")
def test_what_editors_and_python_leave_changes_nothing():
    caches = (
        "__pycache__/train.cpython-313.pyc", "deep/__pycache__/x.pyc", "train.pyc", "train.pyo",
        ".ipynb_checkpoints/train-checkpoint.py", ".train.py.swp", ".train.py.swo", "train.py~",
        ".#train.py", ".DS_Store",
    )  # fmt: skip
    for name in caches:
        path = paths.CODE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left here")
    assert stale() == []
    assert gate.verdict().passed
