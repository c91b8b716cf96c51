"""A push runs a project's checks from a hook, to which Git gives the repository in variables."""

import os
import subprocess
import sys
from pathlib import Path

import made_origin
import pytest
import workspace

ROOT = Path(__file__).parents[2]
USES_GIT = "tests/git/test_hook.py::test_a_repository_is_made_where_it_is_asked_for"
MAKE = """
import sys
from pathlib import Path
import made_origin
made_origin.make_origin(Path(sys.argv[1]))
"""


def state(repository: Path) -> dict[str, bytes]:
    """Every file of a repository."""
    return {
        path.relative_to(repository).as_posix(): path.read_bytes()
        for path in repository.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def repository_and_environment(tmp_path):
    """The repository that was pushed from, and the environment of its hook."""
    made_origin.make_origin(tmp_path)
    start = tmp_path / "start"
    folder = str(start / ".git")
    return start, os.environ | {
        "GIT_DIR": folder, "GIT_INDEX_FILE": f"{folder}/index", "GIT_PREFIX": "",
    }  # fmt: skip


def test_a_repository_is_made_where_it_is_asked_for(tmp_path):
    bare = made_origin.make_origin(tmp_path)
    assert made_origin.git(bare, "log", "--format=%s") == "Start"
    assert not any(name in os.environ for name in workspace.HOOKS)


def test_tests_that_a_hook_runs_leave_its_repository_alone(repository_and_environment):
    repository, environment = repository_and_environment
    before = state(repository)
    command = [sys.executable, "-m", "pytest", USES_GIT]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert state(repository) == before


def test_without_that_they_would_change_it(repository_and_environment, tmp_path):
    repository, environment = repository_and_environment
    before = state(repository)
    subprocess.run(
        [sys.executable, "-c", MAKE, str(tmp_path / "other")], check=False, capture_output=True,
        env=environment | {"PYTHONPATH": str(ROOT / "tests/fixtures")},
    )  # fmt: skip
    assert state(repository) != before
