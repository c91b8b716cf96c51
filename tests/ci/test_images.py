"""What the registry says of the images that a change would run, for the job that judges."""

import json
from pathlib import Path

import pytest
from made_project import IMAGE
from mlgitops.ci import images
from mlgitops.core import job_output
from mlgitops.core.errors import UserError
from mlgitops.releases import release_env


def propose_release(workspace):
    workspace.release(workspace.git("rev-parse", "HEAD"))
    return workspace.commit("Release")


@pytest.fixture
def change(workspace):
    """Branch `change`, and its checkout in change/."""
    Path("deploy/staging").mkdir(parents=True)
    release_env.write("staging", None)
    workspace.commit("Nothing runs")
    workspace.git("switch", "--quiet", "--create", "change")
    return workspace


def ask(workspace, head):
    workspace.git("clone", "--quiet", ".", "change")
    workspace.git("switch", "--quiet", "main")
    images.images(head)
    return images.read()


def test_an_image_that_main_never_ran_is_asked_for(change, monkeypatch):
    monkeypatch.setattr(images.registry, "labels", lambda image: {"name": image})
    assert ask(change, propose_release(change)) == {IMAGE: {"name": IMAGE}}


def test_a_registry_that_does_not_say_is_told_on_one_line(change, monkeypatch, capsys):
    def refuse(_):
        raise UserError("it answers 403\n::error::x")

    monkeypatch.setattr(images.registry, "labels", refuse)
    assert ask(change, propose_release(change)) == {IMAGE: "it answers 403\n::error::x"}
    assert capsys.readouterr().out.count("\n") == 1


def test_a_change_without_a_release_asks_for_nothing(change, monkeypatch):
    monkeypatch.setattr(images.registry, "labels", pytest.fail)
    Path("notes.md").write_text("words")
    assert ask(change, change.commit("Words")) == {}
    assert json.loads(job_output.IMAGES.read_bytes()) == {}
