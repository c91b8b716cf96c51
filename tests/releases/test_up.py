import pytest
from mlgitops.core.errors import UserError
from mlgitops.releases import release_env
from mlgitops.releases.up import up


@pytest.fixture
def staging_release(workspace, docker, monkeypatch):
    """A release to staging; the file is what is tried here, its history elsewhere."""
    monkeypatch.setattr(release_env, "check_sound", lambda environment: None)
    for name in ("SERVE_PORT", "MLFLOW_PORT", "PROMETHEUS_PORT"):
        monkeypatch.delenv(name, raising=False)
    release = release_env.Release(
        f"ghcr.io/acme/penguins@sha256:{'1' * 64}", "2" * 40, f"{'3' * 32}.dir", "4" * 32
    )
    release_env.write("staging", release)
    return docker


def test_compose_gets_the_release_of_the_environment(staging_release, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_PORT", "5002")
    up()
    command = ["compose", "--env-file", "deploy/staging/release.env", "up", "--detach", "--wait"]
    assert staging_release.calls("compose")[-1] == command
    said = capsys.readouterr().out
    assert "http://127.0.0.1:8000/docs" in said
    assert "http://127.0.0.1:5002\n" in said


def test_the_file_goes_before_what_the_shell_says(staging_release, monkeypatch):
    monkeypatch.setenv("IMAGE", "other:latest")
    up()
    assert staging_release.last_image() == ""


@pytest.mark.usefixtures("staging_release")
def test_an_environment_without_a_release_has_nothing_to_start():
    release_env.write("production", None)
    with pytest.raises(UserError, match="nothing is released to production: make release, or make"):
        up("production")
    with pytest.raises(UserError, match="no environment 'other'"):
        up("other")


def test_without_compose_it_says_how_to_get_it(staging_release):
    staging_release.answer(
        "compose", "version", error="docker: 'compose' is not a docker command", code=1
    )
    with pytest.raises(UserError, match=r"docs\.docker\.com/compose/install.*make serve ENVIR"):
        up()


def test_a_start_that_fails_is_quoted(staging_release):
    staging_release.answer("compose", "--env-file", out="port is already allocated\n", code=1)
    with pytest.raises(UserError, match="docker compose failed: port is already allocated"):
        up()
