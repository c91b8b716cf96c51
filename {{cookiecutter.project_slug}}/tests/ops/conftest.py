"""A project of one commit for each task, made once and copied for each test."""

import os
import shutil
from pathlib import Path

import pytest
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
