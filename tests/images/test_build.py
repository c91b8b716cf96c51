import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from baked import PROJECT
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.images import build as module
from mlgitops.images import builder
from mlgitops.images.build import image, replace_links

PYPROJECT = """
[project]
name = "penguins-model"
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


CERTIFICATE = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"
CAUSES = [
    (CERTIFICATE, "does not trust the certificate of a proxy or an index: `make image LOCAL=1`"),
    ("error: invalid peer certificate: UnknownIssuer", "`make image LOCAL=1` hands it"),
    ("ERROR: No matching distribution found for uv", "does not reach the package index: `make im"),
    ("x509: certificate signed by unknown authority", "the Docker daemon does not trust"),
]


@pytest.mark.parametrize(("line", "why"), CAUSES)
def test_a_build_that_fails_names_the_likely_cause(docker, line, why):
    docker.answer("build", out=f"{line}\nreturned a non-zero code: 1\n", code=1)
    with pytest.raises(UserError, match=r"docker build failed: returned") as refused:
        image()
    assert why in str(refused.value)
    assert len(str(refused.value).splitlines()) == 2


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Settings of a machine: a bundle of certificates, a pip.conf, an index with a password."""
    for name in (*builder.VARIABLES, *(one[1:] for one in builder.CERTIFICATES)):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bundle.pem").write_text("CERTIFICATE\n")
    (tmp_path / "pip.conf").write_text("[global]\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle.pem"))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://ada:secret@index.example.org/simple")
    Path("Dockerfile").write_text("ARG BASE=python:3\nFROM ${BASE}\n")
    return tmp_path


@pytest.mark.usefixtures("host")
def test_local_builds_in_an_image_with_this_machines_settings_and_removes_it(build_call):
    image(local=True)
    made, main = build_call.calls("build")
    name = made[made.index("--tag") + 1]
    assert name == "penguins-builder:local"
    assert f"BUILDER={name}" in main
    assert "BUILDER=" not in " ".join(made)
    assert made[-1] != "."
    assert ["image", "rm", "--force", name] in build_call.calls("image")
    assert "secret" not in json.dumps(build_call.calls("build"))


def test_a_builder_holds_certificates_and_index_settings(host):
    folder = host / "made"
    folder.mkdir()
    lines = builder.dockerfile("python:3", folder).splitlines()
    assert lines[0] == "FROM python:3"
    assert "COPY pip.conf /etc/pip.conf" in lines
    assert f"ENV SSL_CERT_FILE={builder.BUNDLE}" in lines
    assert lines[-2:] == ["ARG UV_DEFAULT_INDEX", "ENV UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX}"]
    assert "secret" not in "".join(lines)
    assert (folder / "bundle.pem").read_text() == "CERTIFICATE\n"


@pytest.mark.usefixtures("host")
def test_a_builder_is_removed_when_the_build_fails(docker):
    docker.answer("build", out="no\n", code=1)
    docker.answer("build", "--quiet", out="sha256:1\n")
    with pytest.raises(UserError, match="docker build failed: no"):
        image(local=True)
    assert docker.calls("image") == [["image", "rm", "--force", "penguins-builder:local"]]


@pytest.mark.usefixtures("docker", "host")
def test_local_and_a_builder_of_ones_own_exclude_each_other(monkeypatch):
    monkeypatch.setenv("BUILDER", "mine:1")
    with pytest.raises(UserError, match=r"say LOCAL=1 or BUILDER=image"):
        image(local=True)


def test_the_digest_is_dvcs():
    files = {"model/b": b"2", "model.onnx": b"1"}  # By the whole path: a dot is before a slash.
    listing = (
        '[{"md5": "c4ca4238a0b923820dcc509a6f75849b", "relpath": "model.onnx"}, '
        '{"md5": "c81e728d9d4c2f636f067f89cc14862c", "relpath": "model/b"}]'
    )
    import hashlib

    assert repository.digest(files) == hashlib.md5(listing.encode()).hexdigest() + ".dir"


def contents(folder):
    """What the files below a folder hold, by their paths in it."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def link_model(how):
    """Make the model's files links of a kind into a cache, as DVC does; what they hold."""
    held = contents("artifacts/model")
    for name in held:
        path, there = Path("artifacts/model", name), Path(".dvc/cache", name)
        there.parent.mkdir(parents=True, exist_ok=True)
        path.replace(there)
        if how == "reflink":
            command = ["cp", "--reflink=always", there, path]
            if subprocess.run(command, check=False, capture_output=True).returncode:
                pytest.skip("this file system has no reflinks")
        elif how == "hardlink":
            path.hardlink_to(there)
        else:
            path.symlink_to(there.resolve())
    return held


@pytest.mark.parametrize("how", ["symlink", "hardlink"])
def test_a_model_of_links_is_built_from_copies(build_call, how):
    held = link_model(how)
    image()
    assert not [path for path in Path("artifacts/model").rglob("*") if path.is_symlink()]
    assert contents("artifacts/model") == held
    assert held.items() <= contents(".dvc/cache").items()


@pytest.mark.parametrize("place", ["src/ml/shared.py", "artifacts/model"])
def test_a_link_that_leads_out_of_the_project_is_refused(build_call, workspace, tmp_path, place):
    outside = tmp_path / "outside"
    path = Path(place)
    if path.exists():
        path.replace(outside)
    else:
        outside.write_text("x = 1\n", encoding="utf-8")
    path.symlink_to(outside)
    with pytest.raises(UserError, match=f"{place}: an image cannot follow a link"):
        image()


@pytest.mark.docker
@pytest.mark.skipif(
    not shutil.which("docker")
    or subprocess.run(["docker", "version"], capture_output=True).returncode,
    reason="no Docker answers",
)
@pytest.mark.parametrize("how", ["symlink", "hardlink", "reflink"])
def test_the_context_holds_the_model_whatever_dvc_links_it_by(workspace, tmp_path, how):
    """A build by the project's own .dockerignore: the model's files, and no link; no caches."""
    shutil.copy(PROJECT / ".dockerignore", ".dockerignore")
    held = link_model(how)
    Path("src/ml/__pycache__").mkdir(exist_ok=True)
    Path("src/ml/__pycache__/x.pyc").write_text("x", encoding="utf-8")
    Path("secret.env").write_text("x", encoding="utf-8")
    replace_links()
    recipe = 'FROM scratch\nCOPY . /context\nCMD ["/none"]\n'
    name = f"context-{os.getpid()}-{how}"
    file = tmp_path / "Dockerfile"
    file.write_text(recipe, encoding="utf-8")
    command = ["docker", "build", "--quiet", "--tag", name, "--file", str(file), "."]
    subprocess.run(command, check=True, capture_output=True)
    made = subprocess.run(["docker", "create", name], check=True, capture_output=True)
    number = made.stdout.decode().strip()
    copied = ["docker", "cp", f"{number}:/context", str(tmp_path / "context")]
    subprocess.run(copied, check=True, capture_output=True)
    subprocess.run(["docker", "rm", number], check=True, capture_output=True)
    subprocess.run(["docker", "rmi", name], check=True, capture_output=True)
    found = list((tmp_path / "context").rglob("*"))
    assert not [path for path in found if path.is_symlink()]
    assert contents(tmp_path / "context/artifacts/model") == held
    names = {path.name for path in found}
    assert "dvc.lock" in names
    assert not names & {"secret.env", "__pycache__", "cache", "metrics.json", "store"}
