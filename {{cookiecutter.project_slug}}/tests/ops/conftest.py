"""Projects to copy for each test, made once; an origin, a clone of it, and a forge."""

import json
import os
import shutil
import sys
from pathlib import Path

import made_origin
import pytest
from fake_github import FakeGitHub
from made_project import IDENTITY, Project, made

from ops import checks


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """A made project for each task, to copy."""
    there = Path.cwd()
    folders = {}
    for task in ("binary", "multiclass", "regression"):
        folders[task] = tmp_path_factory.mktemp(task) / "project"
        folders[task].mkdir()
        os.chdir(folders[task])
        made(folders[task], task)
    os.chdir(there)
    return folders


@pytest.fixture(params=["binary"])
def project(request, templates, tmp_path, monkeypatch):
    """A project of one commit; its task is binary, if a test asks for no other."""
    shutil.copytree(templates[request.param], tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("REGISTRY", raising=False)
    monkeypatch.setattr(checks, "CALLS", 5)
    monkeypatch.setattr(checks, "WARM_UP", 1)
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    return Project()


@pytest.fixture
def origin(tmp_path):
    """A bare repository whose branch main has one commit."""
    return made_origin.made(tmp_path)


@pytest.fixture
def github(origin, monkeypatch):
    """A forge for that repository; the environment is a workflow's on it."""
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "GIT_"))]:
        monkeypatch.delenv(name)
    with FakeGitHub("acme/bees", str(origin)) as server:
        monkeypatch.setenv("GITHUB_API_URL", server.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", "acme/bees")
        monkeypatch.setenv("GITHUB_TOKEN", "workflow")
        monkeypatch.setenv("FORGE_PATIENCE", "1")
        yield server


@pytest.fixture
def clone(origin, github, tmp_path, monkeypatch):
    """A clone of origin; it is the current folder, and nobody told Git who commits."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    folder = tmp_path / "clone"
    made_origin.git(tmp_path, "clone", "--quiet", str(origin), str(folder))
    monkeypatch.chdir(folder)
    return folder


DOCKER = """\
#!{python}
import json, os, sys
from pathlib import Path
here = Path(__file__).parent
(here / "image").write_text(os.environ.get("IMAGE", ""))
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
for words, out, error, code in reversed(json.loads((here / "answers").read_text())):
    if sys.argv[1:][: len(words)] == words:
        sys.stdout.write(out)
        sys.stderr.write(error)
        sys.exit(code)
"""


class Docker:
    """A program called docker that answers as it was told, and says nothing else."""

    def __init__(self, folder):
        self.folder, self.answers = folder, []
        self.answer("version", out="28.0\n")
        program = folder / "docker"
        program.write_text(DOCKER.format(python=sys.executable))
        program.chmod(0o755)

    def answer(self, *words, out="", error="", code=0):
        """What it answers to a command that begins with these words."""
        self.answers.append((words, out, error, code))
        (self.folder / "answers").write_text(json.dumps(self.answers))

    def calls(self, word):
        """The arguments of its calls that begin with a word."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [call for call in map(json.loads, lines) if call[0] == word]

    def heard(self):
        """IMAGE in the environment of its last call."""
        return (self.folder / "image").read_text()


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """The only docker on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return Docker(tmp_path / "bin")
