"""A project made by the template, commands run in it as a person would, and servers asked."""

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "{{cookiecutter.project_slug}}"
REGISTRY = os.environ.get("TEST_REGISTRY") or "localhost:5000"
PATIENCE = 180  # seconds for what a controller sees at its next interval

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


def released(project: Path) -> dict[str, str]:
    """The values of a release of HEAD to staging, its image built and pushed; committed."""
    for target in ("image", "push", "release"):
        run("make", target, cwd=project, REGISTRY=REGISTRY)
    text = (project / "deploy/staging/release.env").read_text("utf-8")
    commit(project, "Release to staging")
    return dict(line.split("=", 1) for line in text.splitlines())


def until(what: str, true: Callable[[], object], seconds: float = PATIENCE) -> float:
    """Seconds until something is true; an error of the question counts as not yet."""
    started = time.monotonic()
    reason: object = ""
    while time.monotonic() - started < seconds:
        try:
            if true():
                return time.monotonic() - started
        except (AssertionError, KeyError, OSError, http.client.HTTPException) as error:
            reason = error
        time.sleep(0.1)
    raise AssertionError(f"not in {seconds} s: {what} {reason}")


@dataclass
class Door:
    """A way to a server from this machine."""

    host: str
    port: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=10)

    def ask(self, path: str, body: str | None = None) -> dict:
        connection = self.connect()
        try:
            return asked(connection, path, body)
        finally:
            connection.close()

    def commits(self) -> set[str]:
        """The commits that ten answers in a row name."""
        return {self.ask("/version")["commit"] for _ in range(10)}


def asked(connection: http.client.HTTPConnection, path: str, body: str | None = None) -> dict:
    """The answer to a request; other than 200 is an error."""
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request("POST" if body else "GET", path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise OSError(f"{path}: {answer.status} {text[:200]!r}")
    return json.loads(text)


def answers(*command: str) -> bool:
    """Whether there is such a program here, and it succeeds."""
    found = shutil.which(command[0]) and subprocess.run(command, capture_output=True, check=False)
    return bool(found) and found.returncode == 0


def engine() -> str:
    """Why no image can be built here, or nothing."""
    found = answers("docker", "version", "--format", "{{.Server.Version}}")
    return "" if found else "no Docker engine answers"


def compose() -> str:
    """Why the parts cannot run together here, or nothing."""
    return "" if answers("docker", "compose", "version") else "docker has no compose"


def registry() -> str:
    """Why no image can be pushed from here, or nothing."""
    try:
        urlopen(f"http://{REGISTRY}/v2/", timeout=5).close()
    except OSError as error:
        return f"no registry at {REGISTRY}: {error}"
    return ""


def promtool() -> str:
    """Why no rule can be tried here, or nothing."""
    return "" if shutil.which("promtool") else "promtool is not installed"


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
    found = answers("kubectl", "get", "nodes", "--request-timeout=5s")
    return "" if found else "the cluster of KUBECONFIG does not answer"


PARTS = {
    "docker": engine, "compose": compose, "registry": registry, "promtool": promtool,
    "act": runner, "cluster": cluster,
}  # fmt: skip


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test, with the reason, whose part is missing here; in CI that is a failure."""
    for name, missing in PARTS.items():
        if item.get_closest_marker(name) and (reason := missing()):
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


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
