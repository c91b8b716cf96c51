import pytest
from mlgitops.core.errors import UserError
from mlgitops.images.login import login

pytestmark = pytest.mark.usefixtures("workspace")


@pytest.fixture(autouse=True)
def nobody(workspace, monkeypatch):
    for name in ("REGISTRY_USER", "REGISTRY_PASSWORD", "GITHUB_ACTOR", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REGISTRY", "ghcr.io/acme")


def test_ghcr_takes_the_workflows_token(docker, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    login()
    assert docker.calls("login") == [["login", "--username", "ada", "--password-stdin", "ghcr.io"]]
    assert capsys.readouterr().out == "ghcr.io: logged in as ada\n"


def test_another_registry_takes_its_own_and_never_the_token(docker, monkeypatch, capsys):
    monkeypatch.setenv("REGISTRY", "registry.example.com/team")
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    login()
    assert docker.calls("version")
    assert "no REGISTRY_USER" in capsys.readouterr().out
    monkeypatch.setenv("REGISTRY_USER", "robot")
    with pytest.raises(UserError, match="needs both"):
        login()
    monkeypatch.setenv("REGISTRY_PASSWORD", "other")
    login()
    assert docker.calls("login")[0][-1] == "registry.example.com"


@pytest.mark.parametrize("registry", ["acme", "docker.io/acme"])
def test_an_owner_on_docker_hub_is_no_host(docker, monkeypatch, registry):
    monkeypatch.setenv("REGISTRY", registry)
    monkeypatch.setenv("REGISTRY_USER", "ada")
    monkeypatch.setenv("REGISTRY_PASSWORD", "secret")
    login()
    assert docker.calls("login")[0][-1] == "docker.io"


def test_a_password_that_is_refused_is_a_mistake(docker, monkeypatch):
    docker.answer("login", error="denied: bad password", code=1)
    monkeypatch.setenv("REGISTRY_USER", "robot")
    monkeypatch.setenv("REGISTRY_PASSWORD", "wrong")
    with pytest.raises(UserError, match="refuses the login of robot: denied: bad password"):
        login()
