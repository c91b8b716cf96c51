from pathlib import Path

import pytest

from mlgitops.core.errors import Mistake
from mlgitops.images import docker

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture(autouse=True)
def named(project, monkeypatch):
    monkeypatch.delenv("REGISTRY", raising=False)
    Path("pyproject.toml").write_text('[tool.image]\nname = "ghcr.io/acme/penguins"\n')
    project.commit("Name")


def test_registry_takes_the_place_of_host_and_owner(monkeypatch):
    assert docker.repository() == "ghcr.io/acme/penguins"
    monkeypatch.setenv("REGISTRY", "")
    assert docker.repository() == "ghcr.io/acme/penguins"
    monkeypatch.setenv("REGISTRY", "localhost:5000/")
    assert docker.repository() == "localhost:5000/penguins"


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
    assert docker.host() == host


def test_a_reference_is_the_commit_and_tells_changes(project):
    sha = project.git("rev-parse", "HEAD")
    assert docker.reference() == f"ghcr.io/acme/penguins:{sha}"
    assert docker.reference("pipeline") == f"ghcr.io/acme/penguins-pipeline:{sha}"
    project.set("train.one_hot", 4)
    assert docker.revision() == f"{sha}-dirty"


def test_without_docker_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Mistake, match=r"docker is not installed.*apt-get install docker\.io"):
        docker.required()


def test_without_an_engine_it_says_why_and_what_works_without(docker):
    docker.answer("version", error="Cannot connect to the Docker daemon\n", code=1)
    with pytest.raises(Mistake, match=r"Cannot connect.*make serve"):
        docker.required()


def test_a_failure_tells_the_last_line(docker):
    docker.answer("cp", error="first\nno such container\n\n", code=1)
    docker.answer("push", out="Preparing\ndenied: no permission\n", code=1)
    with pytest.raises(Mistake, match=r"docker cp: no such container$"):
        docker.raw("cp", "a", "b")
    with pytest.raises(Mistake, match=r"docker push failed: denied: no permission$"):
        docker.shown("push", "a")


def test_an_image_that_is_not_there_is_asked_for(docker):
    docker.answer("image", "inspect", error="No such image\n", code=1)
    with pytest.raises(Mistake, match="there is no image x:1: `make image` makes it"):
        docker.labels("x:1")
