from pathlib import Path

import pytest
from mlgitops.core.errors import UserError
from mlgitops.images.push import push

DIGEST = f"sha256:{'0f' * 32}"
pytestmark = pytest.mark.usefixtures("workspace")


@pytest.fixture(autouse=True)
def name_image(workspace, monkeypatch):
    monkeypatch.setenv("REGISTRY", "localhost:5000/acme")
    workspace.commit("Built")


@pytest.fixture
def daemon(docker):
    docker.answer("image", "inspect", out="{}\n")
    docker.answer("push", out=f"layer: Pushed\nabc: digest: {DIGEST} size: 1365\n")
    return docker


def name():
    import tomllib

    return tomllib.loads(Path("pyproject.toml").read_text())["tool"]["image"]["name"].split("/")[-1]


def test_the_digest_is_printed_and_noted(daemon, capsys, workspace):
    push()
    line = f"IMAGE=localhost:5000/acme/{name()}@{DIGEST}\n"
    assert capsys.readouterr().out == line
    assert Path("artifacts/image.env").read_text() == line
    sha = workspace.git("rev-parse", "HEAD")
    assert daemon.calls("push") == [["push", f"localhost:5000/acme/{name()}:{sha}"]]


def test_the_image_of_the_pipeline_is_no_release(daemon, capsys):
    push("pipeline")
    assert capsys.readouterr().out == f"IMAGE=localhost:5000/acme/{name()}-pipeline@{DIGEST}\n"
    assert not Path("artifacts/image.env").exists()


def test_changes_are_refused(daemon, workspace):
    workspace.set("train.one_hot", 4)
    with pytest.raises(UserError, match="there are uncommitted changes: commit, then `make image`"):
        push()
    assert daemon.calls("push") == []


def test_an_image_that_was_not_built_is_asked_for(daemon):
    daemon.answer("image", "inspect", error="No such image", code=1)
    with pytest.raises(UserError, match="`make image` makes it"):
        push()


def test_a_registry_that_refuses_is_quoted(daemon):
    daemon.answer("push", out="denied: permission_denied\n", code=1)
    with pytest.raises(UserError, match="docker push failed: denied: permission_denied"):
        push()
    assert not Path("artifacts/image.env").exists()


def test_a_push_without_a_digest_is_a_mistake(daemon):
    daemon.answer("push", out="layer: Pushed\n")
    with pytest.raises(UserError, match="printed no digest: layer: Pushed"):
        push()


def test_a_workflow_is_told_name_and_digest(daemon, monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    push()
    lines = (tmp_path / "output").read_text().splitlines()
    assert lines == [f"name=localhost:5000/acme/{name()}", f"digest={DIGEST}"]
