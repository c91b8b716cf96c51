import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from made_project import IMAGE, Project
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.images import docker
from mlgitops.releases import release_env
from mlgitops.releases.run import serve


@pytest.fixture
def exec_calls(monkeypatch):
    """What the process would become: the program, its arguments and its environment."""
    found: list[tuple] = []
    monkeypatch.setattr(os, "execve", lambda *given: found.append(given))
    return found


@pytest.fixture
def live_project(workspace) -> Project:
    """A project of which staging runs the first commit, while another model lies here."""
    start = repository.head()
    release_env.write("production", None)
    workspace.release(start)
    workspace.commit("Release")
    workspace.set("split.seed", 5)
    workspace.run()
    workspace.commit("Learn otherwise")
    return workspace


def test_the_model_of_the_release_is_served_under_its_name(live_project, exec_calls, capsys):
    here = Path("artifacts/model/signature.json").read_text()
    serve("staging")
    serve("staging")  # From the folder of the first time.
    (program, command, environment), again = exec_calls
    assert again == (program, command, environment)
    release = release_env.read("staging")
    assert (program, command[1:3]) == (sys.executable, ["-m", "mlgitops.serving"])
    model = Path(command[3])
    assert sorted(file.name for file in model.iterdir()) == sorted(
        file.name for file in Path("artifacts/model").iterdir()
    )
    assert (model / "signature.json").read_text() != here
    assert environment["COMMIT"] == release.commit != repository.head()
    assert environment["IMAGE"] == IMAGE
    assert environment["MODEL"] == repository.lock(release.commit).model
    assert environment["DATA"] == release.data
    assert environment["SERVE_NAME"] == docker.image_name().rpartition("/")[2]
    assert capsys.readouterr().out.startswith(f"staging: {release.commit[:7]} Start\n")
    assert live_project.git("status", "--porcelain", "artifacts") == ""


def test_a_model_that_was_written_over_is_not_served_under_the_releases_name(
    live_project, exec_calls
):
    serve("staging")
    model = Path(exec_calls[0][1][3])
    (model / "signature.json").write_text(Path("artifacts/model/signature.json").read_text())
    (model / "more").touch()
    serve("staging")
    assert repository.content(model) == release_env.read("staging").model


def assert_refusal(said, environment="staging"):
    with pytest.raises(UserError, match=said):
        serve(environment)


def test_what_cannot_be_served_is_refused(live_project, exec_calls):
    assert_refusal("nothing is released to production: make release", "production")
    assert_refusal("ENVIRONMENT=staging or production", "test")
    shutil.rmtree(".dvc/cache")
    assert_refusal("neither in the cache nor in the store")
    live_project.release("1" * 40)
    assert_refusal("release.env is not as it was committed")
    live_project.commit("By hand")
    assert_refusal("COMMIT 1111111 is not in this repository")
    Path("deploy/staging/release.env").unlink()
    assert_refusal("release.env is not as it was committed")
    assert exec_calls == []


def answer(port: int, process: subprocess.Popen) -> dict:
    """What the server says that it runs."""
    end = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < end:
        try:
            with urlopen(f"http://127.0.0.1:{port}/version", timeout=5) as found:
                return json.load(found)
        except URLError:
            time.sleep(0.1)
    raise AssertionError(process.communicate(timeout=5))


@pytest.mark.slow
def test_a_process_answers_as_the_release_and_stops(live_project, free_port):
    port = free_port()
    command = [sys.executable, "-m", "mlgitops", "serve", "--environment", "staging"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path), "SERVE_PORT": str(port),
        "SERVE_NAME": "bees", "SERVE_DRAIN_SECONDS": "0",
    }  # fmt: skip
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            version = answer(port, process)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    release = release_env.read("staging")
    assert version.items() >= {"commit": release.commit, "image": release.image}.items()
