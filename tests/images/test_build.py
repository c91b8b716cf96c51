import json
import shutil
from pathlib import Path

import pytest
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.images import build as module
from mlgitops.images.build import image

PYPROJECT = """
[project]
urls = {repository = "https://github.com/acme/penguins"}
[tool.image]
name = "ghcr.io/acme/penguins"
"""
HISTORY = """\
0\tENV COMMIT=abc
113000\tCOPY /product / # buildkit
188900000\tCOPY /product / # buildkit
0\t{first}
169000000\t/bin/sh -c #(nop) ADD file
"""


@pytest.fixture(autouse=True)
def lock_packages(workspace, monkeypatch):
    for name in ("REGISTRY", "BASE", "BUILDER"):
        monkeypatch.delenv(name, raising=False)
    Path("pyproject.toml").write_text(PYPROJECT)
    Path("uv.lock").write_text("version = 1\n")
    return workspace.commit("Lock")


@pytest.fixture
def build_call(docker):
    docker.answer("history", out=HISTORY.format(first="ENV PATH=/venv/bin:/bin"))
    docker.answer("image", "inspect", out="sha256:12\n")
    return docker


def build_arguments(call):
    return dict(pair.split("=", 1) for pair in call if "=" in pair)


def test_an_image_says_commit_model_and_data(build_call, lock_packages, capsys):
    image()
    [call] = build_call.calls("build")
    lock = repository.lock("HEAD")
    assert call[:5] == [
        "build",
        "--target",
        "server",
        "--tag",
        f"ghcr.io/acme/penguins:{lock_packages}",
    ]
    assert call[-1] == "."
    known = build_arguments(call)
    assert (known["TITLE"], known["COMMIT"]) == ("penguins", lock_packages)
    assert (known["MODEL"], known["DATA"]) == (lock.model, lock.data)
    assert known["SOURCE"].endswith("/penguins")
    said = capsys.readouterr().out
    assert "size   358 MB, without its base 189 MB" in said
    assert "note" not in said


def test_a_pickle_gets_the_packages_that_read_it(build_call):
    image()
    assert build_arguments(build_call.calls("build")[0])["PACKAGES"].endswith(
        "--only-group serve-sklearn"
    )
    signature = Path("artifacts/model/signature.json")
    signature.write_text(json.dumps(json.loads(signature.read_text()) | {"format": "onnx"}))
    assert "PACKAGES=--only-group serve" in module.arguments("server", "x", values_of_commit())


def values_of_commit():
    return module.Facts("penguins", "c", "m", "d", "s")


def test_base_and_builder_are_handed_on_if_they_are_named(build_call, monkeypatch):
    monkeypatch.setenv("BUILDER", "mine:1")
    monkeypatch.setenv("BASE", "")
    assert "BUILDER=mine:1" in module.arguments("server", "x", values_of_commit())
    assert not [
        one for one in module.arguments("server", "x", values_of_commit()) if "BASE=" in one
    ]


def test_changes_are_told(build_call, capsys, workspace):
    workspace.set("train.one_hot", 4)
    image("pipeline")
    assert build_call.calls("build")[0][4].startswith("ghcr.io/acme/penguins-pipeline:")
    assert "you can try it, but not release it" in capsys.readouterr().out


@pytest.mark.parametrize(
    "first", ["ENV PATH=/venv/bin:/bin", "/bin/sh -c #(nop)  ENV PATH=/venv/bin:/bin"]
)
def test_both_builders_tell_where_the_base_ends(docker, first):
    docker.answer("history", out=HISTORY.format(first=first))
    assert module.sizes("x") == (358, 189)


def test_a_model_that_is_not_the_locks_is_refused(docker):
    Path("artifacts/model/reference.json").write_text("{}")
    with pytest.raises(
        UserError, match=r"artifacts/model is not the model of dvc\.lock: `dvc check"
    ):
        image()
    shutil.rmtree("artifacts/model")
    with pytest.raises(UserError, match="artifacts/model is not there: `dvc pull`"):
        image()
    assert docker.calls("build") == []


@pytest.mark.usefixtures("docker")
def test_a_lock_file_that_is_missing_is_asked_for():
    Path("uv.lock").unlink()
    with pytest.raises(UserError, match=r"uv\.lock is missing: `make setup` writes it; commit it"):
        image()


@pytest.mark.usefixtures("docker")
def test_before_the_first_run_it_asks_for_the_pipeline():
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match=r"dvc\.lock is not there: run `make pipeline`"):
        image()


def test_a_build_that_fails_is_a_mistake(docker):
    docker.answer("build", out="step\nERROR: uv.lock needs to be updated\n", code=1)
    with pytest.raises(UserError, match=r"docker build failed: ERROR: uv\.lock needs"):
        image()


def test_the_digest_is_dvcs():
    files = {"model/b": b"2", "model.onnx": b"1"}  # By the whole path: a dot is before a slash.
    listing = (
        '[{"md5": "c4ca4238a0b923820dcc509a6f75849b", "relpath": "model.onnx"}, '
        '{"md5": "c81e728d9d4c2f636f067f89cc14862c", "relpath": "model/b"}]'
    )
    import hashlib

    assert repository.digest(files) == hashlib.md5(listing.encode()).hexdigest() + ".dir"
