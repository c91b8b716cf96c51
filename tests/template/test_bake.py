"""Answers: what they change, and that a hostile one is refused or comes out inert."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from baked import PROJECT, ROOT, bake, run
from cookiecutter.exceptions import (
    CookiecutterException,
    FailedHookException,
    OutputDirExistsException,
)
from cookiecutter.main import cookiecutter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError

QUESTIONS = ("project_name", "project_slug", "description", "github_owner", "registry", "gitops")
HOSTILE = [
    'say "hi"', "it`id`", "$(touch owned)", "${HOME}", "a\nb", "a\r\nb", "a\tb", "{{ 7 * 7 }} {",
    "{% raw %}", "{# #}", "../up", "/etc/passwd", "..", ".", "", " ", "-rf", "--help", "a" * 300,
    "C:\\temp", "<script>alert(1)</script>", "a | b", "@everyone", "\N{PENGUIN}", "\u202eevil",
    "\x00", "\x1b[31m", "a{b", "a}b", "_private", "'; DROP TABLE x; --$", "~root", "*", "?x",
]  # fmt: skip
BAD_SLUGS = [
    "Penguins", "1st", "a", "a_b", "a--b", "a-", "-a", "con", "nul", "com1", "lpt9", "a.b", "a b",
    "é", "x" * 41, "a/b", "a;b", "a'b",
]  # fmt: skip
# A slug is the name of a folder before a hook sees it: the file system or Jinja may be first.
REFUSALS = (FailedHookException, OutputDirExistsException, CookiecutterException, TemplateError,
            OSError, ValueError)  # fmt: skip
BAD_OWNERS = ["-a", "a-", "a--b", "a b", "x" * 40, "a/b", "a_b", "é"]


def files(project: Path) -> list[Path]:
    return [path for path in project.rglob("*") if path.is_file()]


@pytest.mark.parametrize("answer", HOSTILE)
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_hostile_answer_is_refused_and_leaves_nothing(tmp_path, question, answer, monkeypatch):
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    answers = {"project_slug": "safe", question: answer}
    with pytest.raises(REFUSALS):
        bake(inside, **answers)
    assert not files(tmp_path)


@pytest.mark.parametrize("slug", BAD_SLUGS)
def test_a_slug_that_something_would_refuse_later_is_refused(tmp_path, slug):
    with pytest.raises(FailedHookException):
        bake(tmp_path, project_slug=slug)
    assert not files(tmp_path)


@pytest.mark.parametrize("owner", BAD_OWNERS)
def test_an_owner_that_github_does_not_have_is_refused(tmp_path, owner):
    with pytest.raises(FailedHookException):
        bake(tmp_path, github_owner=owner)


def test_a_refusal_says_what_is_allowed(tmp_path):
    said = run(
        sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(tmp_path),
        str(ROOT), "project_slug=Not-OK", cwd=tmp_path, fails=True,
    )  # fmt: skip
    assert "project_slug 'Not-OK' is not allowed: 2 to 40 small letters" in said


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(max_size=70), description=st.text(max_size=210))
def test_whatever_is_accepted_comes_out_as_it_was_said(tmp_path_factory, name, description):
    folder = tmp_path_factory.mktemp("bake")
    # cookiecutter renders what it is given without a prompt: Jinja is tried above.
    answers = {"project_name": name, "project_slug": "safe", "description": description}
    try:
        project = bake(folder, **answers)
    except Exception:
        assert not files(folder)
        return
    said = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    assert said["description"] == description
    assert f"# {name}" in (project / "README.md").read_text("utf-8")


def test_the_answers_are_where_they_belong(tmp_path):
    project = bake(
        tmp_path, project_name="Bike demand, née Vélo", description="Counts bikes (not cars).",
        github_owner="ex-ample",
    )  # fmt: skip
    assert project.name == "bike-demand-nee-velo"
    said = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    assert said["description"] == "Counts bikes (not cars)."
    assert said["urls"]["repository"] == "https://github.com/ex-ample/bike-demand-nee-velo"
    readme = (project / "README.md").read_text("utf-8")
    assert readme.startswith("# Bike demand, née Vélo\n")


def test_only_the_files_that_must_know_the_answers_differ_from_the_template(tmp_path):
    project = bake(tmp_path)
    differ = {
        path.relative_to(project).as_posix()
        for path in files(project)
        if path.read_bytes() != (PROJECT / path.relative_to(project)).read_bytes()
    }
    environments = {f"deploy/{name}/kustomization.yaml" for name in ("staging", "production")}
    entry = {f"deploy/argocd/{name}.yaml" for name in ("project", "staging", "production")}
    assert differ == {".github/CODEOWNERS", "README.md", "pyproject.toml", *environments, *entry}


@pytest.mark.parametrize(("chosen", "other"), [("argocd", "flux"), ("flux", "argocd")])
def test_only_the_folder_of_the_other_answer_is_left_out(tmp_path, chosen, other):
    project = bake(tmp_path, gitops=chosen)
    made = {path.relative_to(project) for path in files(project)}
    kept = run("git", "ls-files", "-z", "--", str(PROJECT), cwd=ROOT).split("\0")
    there = {(ROOT / name).relative_to(PROJECT) for name in kept if name}
    assert made == {path for path in there if not path.is_relative_to(f"deploy/{other}")}
    assert Path("deploy", chosen, "kustomization.yaml") in made


@pytest.mark.parametrize("chosen", ["argocd", "flux"])
def test_no_jinja_is_left(tmp_path, chosen):
    for path in files(bake(tmp_path, gitops=chosen)):
        assert b"cookiecutter." not in path.read_bytes(), path


def test_an_existing_folder_is_kept(tmp_path):
    (tmp_path / "penguins").mkdir()
    (tmp_path / "penguins" / "mine.txt").write_text("mine")
    with pytest.raises(OutputDirExistsException):
        bake(tmp_path)
    assert [path.name for path in files(tmp_path)] == ["mine.txt"]


@pytest.mark.parametrize("folder", ["a folder", "größe Δ", "it's"])
def test_any_folder_will_do(tmp_path, folder):
    target = tmp_path / folder
    target.mkdir()
    assert (bake(target) / "dvc.yaml").exists()


def test_the_hooks_say_the_next_three_commands_and_run_no_shell(tmp_path):
    empty = tmp_path / "no-tools"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "cookiecutter", "--no-input", "-o", str(tmp_path), str(ROOT)],
        env=os.environ | {"PATH": str(empty)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")] == [
        "cd", "make", "git",
    ]  # fmt: skip


def test_each_question_has_a_sentence_and_a_default():
    said = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))
    assert set(said["__prompts__"]) == set(QUESTIONS) == {n for n in said if n[0] != "_"}
    assert all(said[name] for name in QUESTIONS)


def test_the_template_can_be_used_from_its_url(tmp_path):
    clone = tmp_path / "clone"
    run("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone), cwd=tmp_path)
    made = cookiecutter(str(clone), no_input=True, output_dir=str(tmp_path), default_config=True)
    assert Path(made, "store").is_dir()
