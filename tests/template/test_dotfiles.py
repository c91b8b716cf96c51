"""The small files that tell tools what to leave alone: they agree with each other."""

import re

import pytest
import yaml
from baked import PROJECT, ROOT


def lines(name: str) -> set[str]:
    """The patterns of an ignore file."""
    found = (PROJECT / name).read_text("utf-8").splitlines()
    return {line for line in found if line and not line.startswith("#")}


def test_a_stage_depends_on_nothing_that_git_does_not_keep():
    about_dvc = {".venv", "store", ".git"}  # what it must not walk through
    left_out = lines(".dvcignore") - about_dvc
    assert {"__pycache__/", "*.py[co]", ".ipynb_checkpoints/", ".*.sw?", "*~"} <= left_out
    assert left_out <= lines(".gitignore")


def test_a_hook_that_is_given_names_leaves_the_library_alone():
    found = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text("utf-8"))
    left_out = re.compile(found["exclude"])
    assert left_out.search("vendor/mlgitops/src/mlgitops/core/cli.py")
    assert not left_out.search("src/ml/vendor/features.py")
    hooks = [hook for repo in found["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks if "pre-push" in hook.get("stages", [])] == [
        "make check"
    ]


COPIES = re.compile(r"(?m)^COPY (?!--from)(.+) \S+$")


def test_docker_is_given_what_the_dockerfile_copies_and_nothing_else():
    copied = COPIES.findall((PROJECT / "Dockerfile").read_text("utf-8"))
    sources = {source for line in copied for source in line.split()}
    given = {line[1:] for line in lines(".dockerignore") if line.startswith("!")}
    assert len(sources) > 10
    for source in sources:
        assert any(source == one or one.startswith(f"{source}/") or source.startswith(f"{one}/")
                   for one in given), source  # fmt: skip
    for one in given:
        assert any(one == source or one.startswith(f"{source}/") for source in sources), one


@pytest.mark.parametrize("stage", ["server-environment", "pipeline-environment"])
def test_an_environment_of_an_image_depends_on_no_code(stage):
    text = (PROJECT / "Dockerfile").read_text("utf-8")
    parts = dict(re.findall(r"(?ms)^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", text))
    before = [*COPIES.findall(parts["tools"]), *COPIES.findall(parts[stage])]
    sources = {source for line in before for source in line.split()}
    assert sources == {"pyproject.toml", "uv.lock", "vendor/mlgitops/pyproject.toml"}
    assert "--no-install-package mlgitops" in parts["tools"]
    assert "uv ${SYNC}" in parts[stage]


def test_uv_needs_no_code_of_the_library_to_know_its_version():
    text = (ROOT / "library/pyproject.toml").read_text("utf-8")
    assert re.search(r'(?m)^version = "\d+\.\d+\.\d+"$', text)
    assert "dynamic" not in text


def test_dependabot_raises_what_only_the_library_names():
    found = yaml.safe_load((PROJECT / ".github/dependabot.yml").read_text("utf-8"))["updates"]
    [python] = [one for one in found if one["package-ecosystem"] == "uv"]
    assert python["directory"] == "/"
    assert python["allow"] == [{"dependency-type": "all"}]
    assert "vendor" not in str(found)
