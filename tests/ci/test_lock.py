"""What the hook of a commit lets through."""

from pathlib import Path

import pytest
from mlgitops.ci.lock import lock
from mlgitops.core.errors import UserError


def test_a_lock_of_the_files_here_passes(workspace):
    lock()


@pytest.mark.parametrize("key", ["train.one_hot", "split.seed"])
def test_a_lock_of_other_parameters_is_refused(key, workspace):
    workspace.set(key, 3)
    with pytest.raises(UserError, match=r"dvc\.lock was made from another .*: make pipeline, git"):
        lock()


def test_figures_that_were_edited_are_refused(workspace):
    path = Path("artifacts/metrics.json")
    path.write_text(path.read_text("utf-8").replace("0.", "1."), "utf-8")
    with pytest.raises(UserError, match=r"another artifacts/metrics\.json"):
        lock()


def test_figures_without_a_lock_are_refused(workspace):
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match=r"figures and there is no dvc\.lock: make pipeline"):
        lock()
