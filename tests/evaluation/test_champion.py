"""A champion answers as it was fitted, by the code that travels with it."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from mlgitops.core import paths
from mlgitops.evaluation import gate
from mlgitops.evaluation.champion import other_model
from mlgitops.evaluation.evidence import gather
from mlgitops.git import repository
from mlgitops.training import exported_model
from mlgitops.training.features import inputs

FEATURES = """\
from ml.ratios import FACTOR

def power(columns, xp):
    return {formula}

FEATURES = (power,)
"""


def features(formula, factor):
    """Another feature of the same name, and a helper module that it imports."""
    (paths.CODE / "features.py").write_text(FEATURES.format(formula=formula), "utf-8")
    (paths.CODE / "ratios.py").write_text(f"FACTOR = {factor}\n", "utf-8")


@pytest.fixture
def champion(workspace):
    """The commit of the champion, and its answers as it gave them itself; today's code is other."""
    features("FACTOR * columns['x']", 3)
    workspace.run()
    commit = workspace.commit("A feature")
    answers = gather().answer
    features("FACTOR - columns['x'] * columns['z']", 7)
    workspace.run()
    workspace.release(commit)
    workspace.commit("Another feature of the same name, and the release")
    return commit, answers


def test_a_champion_answers_as_it_was_fitted(champion, tmp_path):
    commit, answers = champion
    here = gather()
    found = other_model(commit, here)
    assert found.reason == ""
    assert found.answer.values.tolist() == answers.values.tolist()
    np.testing.assert_array_equal(found.answer.probabilities, answers.probabilities)
    # In this process `ml` is today's, with which the same file answers otherwise.
    assert Path(sys.modules["ml.features"].__file__).is_relative_to(Path.cwd())
    folder = repository.fetch(commit, paths.MODEL.as_posix(), tmp_path)
    mixed = exported_model.load(folder)
    other = mixed.predict(inputs(here.table, mixed.signature.columns))
    assert np.abs(other.probabilities - answers.probabilities).max() > 0.01


def test_it_is_judged_by_those_answers(champion):
    [check] = [one for one in gate.verdict().checks if one.kind == "champion"]
    assert check.judged
    assert champion[0][:7] in check.reason


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise RuntimeError('no such table')", "RuntimeError: no such table"),
        ("import a_package_that_is_not_here", "No module named 'a_package_that_is_not_here'"),
        ("FEATURES = ()", "power"),
    ],
)
def test_a_broken_champion_is_not_comparable_and_says_why(workspace, text, why):
    features("FACTOR * columns['x']", 3)
    workspace.run()
    whole = Path("whole")
    shutil.copytree(paths.MODEL, whole)
    (paths.MODEL / "ml/features.py").write_text(text, "utf-8")
    workspace.lock()
    commit = workspace.commit("Broken")
    shutil.rmtree(paths.MODEL)
    whole.rename(paths.MODEL)
    workspace.release(commit)
    workspace.lock()
    workspace.commit("Whole")
    [check] = [one for one in gate.verdict().checks if one.kind == "champion"]
    assert not check.judged
    assert check.reason.startswith(f"not comparable with the champion {commit[:7]}: it cannot ")
    assert why in check.reason
