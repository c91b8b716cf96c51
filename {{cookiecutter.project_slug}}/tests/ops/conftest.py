"""Projects to copy for each test, made once; an origin, a clone of it, and a forge."""

import os
import shutil
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
