"""Answers: what they change, and that a hostile one is refused or comes out inert."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from baked import PROJECT, ROOT, bake, commit, run
from cookiecutter.exceptions import (
    CookiecutterException,
    FailedHookException,
    OutputDirExistsException,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError

LIBRARY = ROOT / "library"
VENDOR = Path("vendor/mlgitops")
COOKIECUTTER = (sys.executable, "-m", "cookiecutter", "--no-input")
QUESTIONS = (
    "project_name", "project_slug", "description", "github_owner", "registry", "gitops",
    "artifact_store", "tracker",
)  # fmt: skip
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
BAD_REGISTRIES = [
    "host:99999/a", "host:0/a", "host:65536/a", "ghcr..io/a", "ghcr.io", "ghcr.io/", "host:5000",
    "-ghcr.io/a", "ghcr-.io/a", "ghcr.io/A", "ghcr.io/a..b", "ghcr.io//a", "ghcr.io/-a", ".io/a",
    "harbor/acme", "https://ghcr.io/a", "ghcr.io/a:latest", "a.b/" + "c" * 200,
]  # fmt: skip
GOOD_REGISTRIES = [
    "ghcr.io/acme", "localhost:5000/acme", "localhost/acme", "registry:65535/a/b_c/d.e--f__g",
    "123.dkr.ecr.eu-west-1.amazonaws.com/acme", "acme",
]  # fmt: skip
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


@pytest.mark.parametrize("registry", BAD_REGISTRIES)
def test_a_registry_that_docker_would_refuse_later_is_refused(tmp_path, registry):
    with pytest.raises(FailedHookException):
        bake(tmp_path, registry=registry)
    assert not files(tmp_path)


@pytest.mark.parametrize("registry", GOOD_REGISTRIES)
def test_a_registry_that_docker_takes_is_taken(tmp_path, registry):
    project = bake(tmp_path, registry=registry)
    said = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    assert said["tool"]["image"]["name"] == f"{registry}/{project.name}"


def test_a_name_without_a_letter_says_so(tmp_path):
    """No short name can be made of it, so that the project's folder would be the one it is in."""
    said = run(
        sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(tmp_path),
        str(ROOT), "project_name=\N{PENGUIN}\N{PENGUIN}", cwd=tmp_path, fails=True,
    )  # fmt: skip
    assert "project_name '\N{PENGUIN}\N{PENGUIN}' is not allowed: one line" in said
    assert "already exists" not in said
    assert not files(tmp_path)


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
    assert record(project)["answers"]["project_name"] == name
    assert record(project)["answers"]["description"] == description


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


@pytest.mark.parametrize("answer", ["git", "azure", "s3", "gcs"])
def test_a_project_installs_what_speaks_to_its_store_and_nothing_of_another(tmp_path, answer):
    """It starts with the sample's objects in the folder, whatever is chosen: it works offline."""
    project = bake(tmp_path, artifact_store=answer)
    groups = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    assert groups["train"] == [f"mlgitops[train,store-{answer}]"]
    extras = tomllib.loads((LIBRARY / "pyproject.toml").read_text("utf-8"))["project"]
    packages = extras["optional-dependencies"][f"store-{answer}"]
    assert [re.match("[a-z0-9-]+", name)[0] for name in packages] == {
        "git": [], "azure": ["dvc-azure"], "s3": ["dvc-s3"], "gcs": ["dvc-gs"]
    }[answer]  # fmt: skip
    config = (project / ".dvc/config").read_text("utf-8")
    assert config.endswith("url = ../store\n    verify = true\n")
    assert any((project / "store/files/md5").rglob("*"))
    assert record(project)["answers"]["artifact_store"] == answer


def test_only_the_files_that_must_know_the_answers_differ_from_the_template(tmp_path):
    project = bake(tmp_path)
    made = [path for path in files(project) if path != project / ".mlgitops.yaml"]
    assert len(made) >= 180
    differ = {
        path.relative_to(project).as_posix()
        for path in made
        if path.read_bytes() != (PROJECT / path.relative_to(project)).read_bytes()
    }
    environments = {f"deploy/{name}/kustomization.yaml" for name in ("staging", "production")}
    entry = {f"deploy/argocd/{name}.yaml" for name in ("project", "staging", "production")}
    cloud = {f"infra/{name}/main.tf" for name in ("aws", "azure", "gcp")}
    own = {".github/CODEOWNERS", "README.md", "params.yaml", "pyproject.toml"}
    assert differ == {*own, *cloud, *environments, *entry}


def git_files(*place: str) -> set[Path]:
    """What Git keeps, or will, below a folder of the template; a link to a folder is no file."""
    kept = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--",
               ".", cwd=ROOT.joinpath(*place)).split("\0")  # fmt: skip
    return {Path(name) for name in kept if name and ROOT.joinpath(*place, name).is_file()}


@pytest.mark.parametrize(("chosen", "other"), [("argocd", "flux"), ("flux", "argocd")])
def test_only_the_folder_of_the_other_answer_is_left_out(tmp_path, chosen, other):
    project = bake(tmp_path, gitops=chosen)
    made = {path.relative_to(project) for path in files(project)}
    there = {path for path in git_files(PROJECT.name) if not path.is_relative_to(f"deploy/{other}")}
    library = {VENDOR / path for path in git_files("library")}
    assert len(library) >= 130
    assert made == there | library | {Path(".mlgitops.yaml")}
    assert Path("deploy", chosen, "kustomization.yaml") in made


@pytest.mark.parametrize("chosen", ["argocd", "flux"])
def test_no_jinja_is_left(tmp_path, chosen):
    project = bake(tmp_path, gitops=chosen)
    for path in files(project):
        if not path.is_relative_to(project / VENDOR):  # it is copied: its bytes are compared
            assert b"cookiecutter." not in path.read_bytes(), path


@pytest.mark.parametrize("chosen", ["mlflow", "wandb"])
def test_the_tracker_is_a_parameter_and_its_packages_alone_are_installed(tmp_path, chosen):
    project = bake(tmp_path, tracker=chosen)
    params = yaml.safe_load((project / "params.yaml").read_text("utf-8"))
    assert params["track"] == {"tracker": chosen}
    groups = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    assert groups["track"] == [f"mlgitops[track-{chosen}]"]


def test_an_existing_folder_is_kept(tmp_path):
    (tmp_path / "flights").mkdir()
    (tmp_path / "flights" / "mine.txt").write_text("mine")
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


# Where a template comes from. Git's own settings of this machine play no part.
GIT = ("git", "-c", "protocol.file.allow=always")
LINK = PROJECT.relative_to(ROOT) / VENDOR


def record(project: Path) -> dict:
    """What the project remembers of its making."""
    return yaml.safe_load((project / ".mlgitops.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it lies here, committed, in a repository of its own."""
    folder = tmp_path_factory.mktemp("origin") / "template"
    for name in git_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / LINK).symlink_to("../../library", target_is_directory=True)
    run(sys.executable, ".ci/manifest", cwd=ROOT)
    shutil.copy2(LIBRARY / "MANIFEST", folder / "library/MANIFEST")
    run("git", "init", "--quiet", "--initial-branch=main", cwd=folder)
    commit(folder, "Start")
    assert run("git", "ls-files", "--stage", "--", str(LINK), cwd=folder).startswith("120000")
    return folder


def generate(template: object, folder: Path, **environment: str) -> Path:
    """The project that the program makes in a folder, from there, of what was typed."""
    environment = {"PWD": str(folder), "HOME": str(folder / "home")} | environment
    run(*COOKIECUTTER, str(template), cwd=folder, **environment)
    return folder / "flights"


def test_the_next_command_leads_into_the_project(tmp_path):
    here, there = (
        run(
            *COOKIECUTTER, str(ROOT), "--output-dir", str(tmp_path / name), cwd=tmp_path,
            HOME=str(tmp_path / name), **({"BAKE_FOLDER": "../there"} if name == "there" else {}),
        )
        for name in ("here", "there")
    )  # fmt: skip
    assert "  cd flights\n" in here
    assert "  cd ../there/flights\n" in there


def is_whole(project: Path, origin: Path) -> None:
    """vendor/ is the library to the byte, no more and no less, and what is remembered is true."""
    vendor = project / VENDOR
    assert not vendor.is_symlink()
    names = {path.relative_to(vendor).as_posix() for path in files(vendor)}
    assert names == set(run("git", "ls-files", cwd=origin / "library").split())
    for name in names:
        assert (vendor / name).read_bytes() == (origin / "library" / name).read_bytes(), name
    assert not [path for path in vendor.rglob("*") if path.is_dir() and not any(path.iterdir())]
    said = run(sys.executable, "-B", "-m", "mlgitops", "vendor", cwd=project,
               PYTHONPATH=str(vendor / "src"))  # fmt: skip
    assert said == f"{VENDOR.as_posix()}: as released\n"
    kept = record(project)
    assert set(kept) == {"template", "commit", "version", "vendor", "answers"}
    manifest = (origin / "library/MANIFEST").read_bytes()
    assert kept["vendor"] == hashlib.sha256(manifest).hexdigest()
    library = tomllib.loads((origin / "library/pyproject.toml").read_text("utf-8"))
    assert kept["version"] == library["project"]["version"]
    assert list(kept["answers"]) == list(QUESTIONS)
    text = (project / ".mlgitops.yaml").read_bytes()
    assert b"\r" not in text
    assert str(origin).encode() not in text
    assert str(project.parent).encode() not in text


def head(folder: Path) -> str:
    return run("git", "rev-parse", "HEAD", cwd=folder).strip()


def test_a_template_by_its_whole_path(origin, tmp_path):
    project = generate(origin, tmp_path)
    is_whole(project, origin)
    assert record(project)["commit"] == head(origin)
    assert record(project)["template"] == ""


@pytest.mark.parametrize("output", ["", "elsewhere"])
@pytest.mark.parametrize("shell", [True, False])
def test_a_template_by_a_relative_path(origin, tmp_path, output, shell):
    """Also where nothing says where the shell was: a program that starts it, or Windows."""
    typed = os.path.relpath(origin, tmp_path)
    where = ["--output-dir", output] if output else []
    pwd = str(tmp_path) if shell else "/"
    run(*COOKIECUTTER, *where, typed, cwd=tmp_path, PWD=pwd, HOME=str(tmp_path))
    project = tmp_path / output / "flights"
    is_whole(project, origin)
    assert record(project)["commit"] == head(origin)


def test_a_template_that_is_the_current_folder(origin, tmp_path):
    run(*COOKIECUTTER, "--output-dir", str(tmp_path), ".", cwd=origin, PWD=str(origin),
        HOME=str(tmp_path))  # fmt: skip
    is_whole(tmp_path / "flights", origin)
    assert record(tmp_path / "flights")["commit"] == head(origin)


def test_a_template_by_its_url(origin, tmp_path):
    project = generate(f"git+{origin.as_uri()}", tmp_path)
    is_whole(project, origin)
    assert record(project)["commit"] == head(origin)
    assert record(project)["template"] == ""  # a URL, but of a path of this machine


def test_a_template_in_the_archive_that_git_makes(origin, tmp_path):
    archive = tmp_path / "template.zip"
    run("git", "archive", "--prefix=template/", "--output", str(archive), "HEAD", cwd=origin)
    project = generate(archive, tmp_path)
    is_whole(project, origin)
    assert record(project)["commit"] == ""


@pytest.mark.parametrize("link", ["text", "empty folder", "nothing"])
def test_a_template_in_an_archive_of_its_files(origin, tmp_path, link):
    """What other programs make of a link to a folder."""
    archive = tmp_path / "template.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.mkdir("template")
        for path in sorted(origin.rglob("*")):
            name = f"template/{path.relative_to(origin).as_posix()}"
            if path.is_symlink() and link == "text":
                made.writestr(name, path.readlink().as_posix())
            elif path.is_symlink() and link == "empty folder":
                made.mkdir(name)
            elif path.is_file() and ".git/" not in name:
                made.write(path, name)
    is_whole(generate(archive, tmp_path), origin)


@pytest.fixture(scope="module")
def linkless(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone where Git makes no symbolic links, as on Windows."""
    folder = tmp_path_factory.mktemp("linkless")
    run("git", "clone", "--quiet", "--config", "core.symlinks=false", str(origin),
        "template", cwd=folder)  # fmt: skip
    assert (folder / "template" / LINK).read_text("utf-8") == "../../library"
    return folder / "template"


def test_a_clone_without_links_by_its_whole_path(origin, linkless, tmp_path):
    project = generate(linkless, tmp_path)
    is_whole(project, origin)
    assert record(project)["commit"] == head(origin)


@pytest.mark.parametrize("output", [".", "elsewhere"])
def test_a_clone_without_links_by_a_relative_path(origin, linkless, tmp_path, output):
    typed = os.path.relpath(linkless, tmp_path)
    run(*COOKIECUTTER, "--output-dir", output, typed, cwd=tmp_path, PWD=str(tmp_path),
        HOME=str(tmp_path))  # fmt: skip
    is_whole(tmp_path / output / "flights", origin)


def test_where_the_library_cannot_be_told_the_whole_path_is_asked_for(linkless, tmp_path):
    far = tmp_path / "far/away/from/there"
    far.mkdir(parents=True)
    said = run(*COOKIECUTTER, "--output-dir", str(far), "template", cwd=linkless.parent, PWD="/",
               HOME=str(tmp_path), fails=True)  # fmt: skip
    assert "template: the library is not found there: give its whole path" in said
    assert not files(far)


def test_a_worktree_of_the_template(origin, tmp_path):
    tree = tmp_path / "tree"
    run("git", "worktree", "add", "--quiet", "-b", tmp_path.name, str(tree), cwd=origin)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    run("git", *identity, "commit", "--quiet", "--allow-empty", "-m", "Other", cwd=tree)
    try:
        project = generate(tree, tmp_path)
        is_whole(project, origin)
        assert record(project)["commit"] == head(tree) != head(origin)
        run("git", "pack-refs", "--all", cwd=origin)
        shutil.rmtree(project)
        assert record(generate(tree, tmp_path))["commit"] == head(tree)
    finally:
        run("git", "worktree", "remove", "--force", str(tree), cwd=origin)
        run("git", "branch", "--quiet", "-D", tmp_path.name, cwd=origin)


def test_what_git_would_not_keep_does_not_come_along(origin, tmp_path):
    template = tmp_path / "template"
    shutil.copytree(origin, template, symlinks=True)
    room = template / "library/src/mlgitops/data"
    for path in ("__pycache__/reader.cpython-311.pyc", ".reader.py.swp", "notes/idea.txt"):
        (room / path).parent.mkdir(exist_ok=True)
        (room / path).write_text("{{ cookiecutter.nothing }}", encoding="utf-8")
    (template / "library/.venv/bin").mkdir(parents=True)
    (template / "library/.venv/bin/python").symlink_to(sys.executable)
    is_whole(generate(template, tmp_path), origin)


def test_modes_and_jinja_of_the_library_stay_as_they_are(origin, tmp_path):
    project = generate(origin, tmp_path)
    modes = {path.relative_to(origin / "library"): path.stat().st_mode & 0o111
             for path in files(origin / "library")}  # fmt: skip
    for name, mode in modes.items():
        assert (project / VENDOR / name).stat().st_mode & 0o111 == mode, name
    templates = list((project / VENDOR).rglob("*.md.j2"))
    assert len(templates) >= 5
    assert all(b"{{" in path.read_bytes() or b"{%" in path.read_bytes() for path in templates)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://github.com/acme/template", "https://github.com/acme/template"),
        ("https://user:pa@ss@github.com/acme/t.git", "https://github.com/acme/t.git"),
        ("https://token@github.com/acme/t?key=secret#x", "https://github.com/acme/t"),
        ("ssh://git:secret@host:22/acme/t.git", "ssh://git@host:22/acme/t.git"),
        ("git@github.com:acme/t.git", "git@github.com:acme/t.git"),
        ("user:secret@github.com:acme/t.git", ""),
        ("/srv/git/template.git", ""),
        ("../template", ""),
        ("C:/Users/me/template", ""),
        ("file:///srv/git/template.git", ""),
    ],
)
def test_the_source_is_a_url_without_a_password_or_nothing(origin, tmp_path, url, kept):
    template = tmp_path / "template"
    shutil.copytree(origin, template, symlinks=True)
    run("git", "remote", "add", "origin", url, cwd=template)
    with (template / ".git/config").open("a", encoding="utf-8") as config:
        config.write("[alias]\n\tlg = log --graph\n[core]\n\tlonely\n")
    project = generate(template, tmp_path)
    assert record(project)["template"] == kept
    assert record(project)["commit"] == head(origin)
    assert "secret" not in (project / ".mlgitops.yaml").read_text("utf-8")


def has_started(project: Path) -> Path:
    run("git", "init", "--quiet", "--initial-branch=main", cwd=project)
    commit(project, "Start")
    return project


@pytest.mark.parametrize("autocrlf", ["false", "true"])
def test_a_clone_of_the_project_on_another_machine_is_whole(origin, tmp_path, autocrlf):
    project = has_started(generate(origin, tmp_path))
    other = tmp_path / "another machine"
    other.mkdir()
    run("git", "clone", "--quiet", "--config", f"core.autocrlf={autocrlf}", project.as_uri(),
        "mine", cwd=other)  # fmt: skip
    vendor = other / "mine" / VENDOR
    said = run(sys.executable, "-B", "-m", "mlgitops", "vendor", cwd=other / "mine",
               PYTHONPATH=str(vendor / "src"))  # fmt: skip
    assert said == f"{VENDOR.as_posix()}: as released\n"
    assert len(files(vendor)) == len(files(project / VENDOR))


def test_a_global_rule_hides_nothing_of_vendor(origin, tmp_path):
    """`data/` is in many people's own list, and a room of the library has that name."""
    project = generate(origin, tmp_path)
    rules = tmp_path / "ignore"
    rules.write_text("data/\n*.json\nLICENSE\nvendor/\n", encoding="utf-8")
    run("git", "init", "--quiet", cwd=project)
    run("git", "-c", f"core.excludesFile={rules}", "add", "--all", cwd=project)
    kept = run("git", "ls-files", "--", str(VENDOR), cwd=project).split()
    names = {Path(name).relative_to(VENDOR).as_posix() for name in kept}
    assert names == {path.relative_to(project / VENDOR).as_posix()
                     for path in files(project / VENDOR)}  # fmt: skip
    (project / VENDOR / "src/mlgitops/data/__pycache__").mkdir()
    (project / VENDOR / "src/mlgitops/data/__pycache__/x.pyc").touch()
    assert "__pycache__" not in run("git", "status", "--porcelain", cwd=project)


def test_an_edit_of_vendor_is_named(origin, tmp_path):
    project = generate(origin, tmp_path)
    with (project / VENDOR / "src/mlgitops/core/files.py").open("a") as file:
        file.write("# mine\n")
    said = run(sys.executable, "-B", "-m", "mlgitops", "vendor", cwd=project, fails=True,
               PYTHONPATH=str(project / VENDOR / "src"))  # fmt: skip
    assert re.search(r"src/mlgitops/core/files\.py was edited", said)
