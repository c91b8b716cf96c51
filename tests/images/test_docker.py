from pathlib import Path

import pytest
from mlgitops.core.errors import UserError
from mlgitops.images import docker as module

pytestmark = pytest.mark.usefixtures("workspace")


@pytest.fixture(autouse=True)
def name_image(workspace, monkeypatch):
    monkeypatch.delenv("REGISTRY", raising=False)
    Path("pyproject.toml").write_text('[tool.image]\nname = "ghcr.io/acme/penguins"\n')
    workspace.commit("Name")


def test_registry_takes_the_place_of_host_and_owner(monkeypatch):
    assert module.image_name() == "ghcr.io/acme/penguins"
    monkeypatch.setenv("REGISTRY", "")
    assert module.image_name() == "ghcr.io/acme/penguins"
    monkeypatch.setenv("REGISTRY", "localhost:5000/")
    assert module.image_name() == "localhost:5000/penguins"


@pytest.mark.parametrize(
    ("registry", "host"),
    [
        ("acme", "docker.io"),
        ("docker.io/acme", "docker.io"),
        ("localhost", "localhost"),
        ("localhost:5000", "localhost:5000"),
        ("registry.example.com/team/a", "registry.example.com"),
        ("registry:5000/acme", "registry:5000"),
    ],
)
def test_a_name_without_a_host_is_of_docker_hub(registry, host, monkeypatch):
    monkeypatch.setenv("REGISTRY", registry)
    assert module.host() == host


def test_a_reference_is_the_commit_and_tells_changes(workspace):
    sha = workspace.git("rev-parse", "HEAD")
    assert module.reference() == f"ghcr.io/acme/penguins:{sha}"
    assert module.reference("pipeline") == f"ghcr.io/acme/penguins-pipeline:{sha}"
    workspace.set("train.one_hot", 4)
    assert module.revision() == f"{sha}-dirty"


@pytest.mark.parametrize("shown", ["no", "normal", "all"])
def test_a_new_source_file_is_a_change_whatever_git_shows(workspace, shown):
    workspace.git("config", "status.showUntrackedFiles", shown)
    assert module.revision() == workspace.git("rev-parse", "HEAD")
    Path("src/ml/ratios.py").write_text("HALF = 0.5\n")
    assert module.revision() == workspace.git("rev-parse", "HEAD") + "-dirty"


def test_without_docker_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=r"docker is not installed.*apt-get install docker\.io"):
        module.require()


def test_without_a_daemon_it_says_why_and_what_works_without(docker):
    docker.answer("version", error="Cannot connect to the Docker daemon\n", code=1)
    with pytest.raises(UserError, match=r"Cannot connect.*make serve"):
        module.require()


def test_a_failure_tells_the_last_line(docker):
    docker.answer("cp", error="first\nno such container\n\n", code=1)
    docker.answer("push", out="Preparing\ndenied: no permission\n", code=1)
    with pytest.raises(UserError, match=r"docker cp: no such container$"):
        module.raw("cp", "a", "b")
    with pytest.raises(UserError, match=r"docker push failed: denied: no permission$"):
        module.run_visibly("push", "a")


def test_an_image_that_is_not_there_is_asked_for(docker):
    docker.answer("image", "inspect", error="No such image\n", code=1)
    with pytest.raises(UserError, match="there is no image x:1: `make image` makes it"):
        module.labels("x:1")
