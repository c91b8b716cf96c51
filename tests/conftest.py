"""A project made by the template, and commands run in it as a person would."""

import os
import random
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "{{cookiecutter.project_slug}}"

Run = Callable[..., str]


def bake(folder: Path, **answers: str) -> Path:
    """The project made in `folder` with these answers."""
    return Path(
        cookiecutter(
            str(ROOT), no_input=True, output_dir=str(folder), extra_context=answers,
            default_config=True,
        )
    )  # fmt: skip


def run(*command: str, cwd: Path, fails: bool = False, **extra: str) -> str:
    """What the command printed; the test fails if it ended otherwise than expected."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name
        not in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE", "MAKEFLAGS", "MAKELEVEL")
        and not name.startswith("GIT_")
    }
    done = subprocess.run(
        command, cwd=cwd, env=environment | extra, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert (done.returncode != 0) is fails, f"{' '.join(command)}\n{done.stdout}"
    return done.stdout


def commit(project: Path, message: str) -> None:
    """Commit everything, as `name`, without the hooks that `make check` runs anyway."""
    run("git", "add", "--all", cwd=project)
    run(
        "git", "-c", "user.name=Test", "-c", "user.email=test@example.org", "commit",
        "--quiet", "--no-verify", "--message", message, cwd=project,
    )  # fmt: skip


def engine() -> str:
    """Why no image can be built here, or nothing."""
    found = shutil.which("docker") and subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, check=False
    )
    return "" if found and found.returncode == 0 else "no Docker engine answers"


def runner() -> str:
    """Why no workflow can be run here, or nothing."""
    return "" if shutil.which("act") else "act is not installed"


def cluster() -> str:
    """Why nothing can be deployed here, or nothing."""
    # Somebody's own cluster must not be changed by tests: the other two are set for tests only.
    unset = [
        name for name in ("KUBECONFIG", "GITOPS_ROOT", "GITOPS_URL") if not os.environ.get(name)
    ]
    if unset or not shutil.which("kubectl"):
        return f"no {' and '.join(unset) or 'kubectl'}: .ci/lab starts a cluster for tests"
    found = subprocess.run(
        ["kubectl", "get", "nodes", "--request-timeout=5s"], capture_output=True, check=False
    )
    return "" if found.returncode == 0 else "the cluster of KUBECONFIG does not answer"


PARTS = {"docker": engine, "act": runner, "cluster": cluster}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test, with the reason, whose part is missing here."""
    for name, missing in PARTS.items():
        if item.get_closest_marker(name) and (reason := missing()):
            lacking(reason)


def lacking(reason: str) -> NoReturn:
    """Skip the test, with the reason; in CI, which installs what tests need, it fails."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def free_port() -> int:
    """A port that nobody listens on, below those that a system gives to connections."""
    with socket.socket() as tried, suppress(OSError):
        tried.bind(("127.0.0.1", random.SystemRandom().randrange(20_000, 30_000)))
        return int(tried.getsockname()[1])
    return free_port()


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project set up and committed; tests that change it work on a `copy`."""
    project = bake(tmp_path_factory.mktemp("ready"))
    run("make", "setup", cwd=project)
    commit(project, "Start")
    return project


@pytest.fixture
def copy(ready: Path, tmp_path: Path) -> Path:
    """A clone of the ready project with its environment, free to change."""
    return clone(ready, tmp_path)


def clone(ready: Path, folder: Path) -> Path:
    """A copy in the folder, with the environment of the ready project."""
    project = folder / ready.name
    shutil.copytree(ready, project, ignore=shutil.ignore_patterns(".venv"), symlinks=True)
    # The environment runs this copy's code: the console scripts import `ml` from src/.
    (project / ".venv").mkdir()
    for entry in (ready / ".venv").iterdir():
        (project / ".venv" / entry.name).symlink_to(entry)
    return project
