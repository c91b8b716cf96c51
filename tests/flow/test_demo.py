"""`make demo`, as the README promises it."""

import json
import re
import socket

import pytest
from baked import ROOT, run
from parts import docker

pytestmark = pytest.mark.demo


@pytest.fixture(scope="module", params=[pytest.param("process", marks=pytest.mark.nightly), ""])
def output(request) -> str:
    """What the demo printed, with what this machine has; at night without images too."""
    return run("make", "demo", f"WAY={request.param}", cwd=ROOT)


def answers(output: str, page: str) -> list[dict]:
    """What the servers of the story answered, in order."""
    return [json.loads(text) for text in re.findall(rf"\$ curl \S+{page}\b.*\n +(.*)", output)]


def test_the_demo_ends_well_and_can_be_run_again(output):
    commands = re.findall(r"^  \$ (\w+)", output, re.M)
    assert {"cookiecutter", "make", "git", "dvc", "curl"} <= set(commands)
    assert re.search(r"together +\d+\.\d s", output)
    assert re.findall(r"^  (cd|make) ", output.partition("Go on:")[2], re.M)[:1] == ["cd"]


def test_the_demo_says_whether_it_made_images(output):
    as_process = "the same server runs as a process" in output
    # Where Docker answers and cannot build, it began with images and went on as processes.
    assert as_process or "images go to the registry at" in output
    assert as_process is not ("\n  $ docker run" in output)
    assert as_process or docker() == ""


def test_the_demo_ends_with_a_rollback_that_is_seen(output):
    commits = [version["commit"] for version in answers(output, "/version")]
    # Staging and production, twice; production after the revert, staging after the rollback.
    first, second = commits[0], commits[2]
    assert commits == [first, first, second, second, first, first]
    assert first != second
    assert output.count("git revert --no-edit HEAD") == 1
    labels = {
        label for answer in answers(output, "/invocations") for label in answer["predictions"]
    }
    assert labels <= {"late", "on time"}


def test_the_demo_sees_the_month_that_drifts_and_then_nothing(output):
    _, july, august = re.split(r"\$ make monitor LOG=\S+", output)
    assert re.search(r"\d+ of \d+ columns drifted", july)
    assert "No drift in " in august.partition("✔")[0]
    assert "No drift in " not in july.partition("✔")[0]


def test_the_demo_leaves_nothing_running(output):
    ports = set(re.findall(r"curl http://127\.0\.0\.1:(\d+)", output))
    assert len(ports) == 2
    for port in ports:
        with socket.socket() as found:
            assert found.connect_ex(("127.0.0.1", int(port))) != 0
