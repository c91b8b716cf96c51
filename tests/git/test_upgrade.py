import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from baked import ROOT
from mlgitops.core import vendor
from mlgitops.core.errors import UserError
from mlgitops.core.pipeline_version import PIPELINE
from mlgitops.git.upgrade import upgrade

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
}


def git(folder, *words):
    return subprocess.run(
        ["git", *words], cwd=folder, env=os.environ | IDENTITY, check=True, text=True,
        capture_output=True,
    ).stdout.strip()  # fmt: skip


def manifest(library):
    """Write the manifest of what lies in a library."""
    lines = [f"{vendor.digest(library / name)}  {name}\n" for name in vendor.files(library)]
    (library / vendor.MANIFEST).write_text("".join(lines), "utf-8")


def release(folder, version, pipeline):
    """A template with a library of a version, committed; its commit."""
    library = folder / "library"
    if not library.exists():
        library.parent.mkdir(exist_ok=True)
        git(folder, "init", "--quiet", "--initial-branch=main")
        shutil.copytree(
            ROOT / "library", library, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    for name, old, new in (
        ("pyproject.toml", r'(?m)^version = ".*"', f'version = "{version}"'),
        ("src/mlgitops/core/pipeline_version.py", r"PIPELINE = \d+", f"PIPELINE = {pipeline}"),
    ):
        text = (library / name).read_text("utf-8")
        (library / name).write_text(re.sub(old, new, text), "utf-8")
    manifest(library)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", version)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def template(tmp_path):
    """A template of its own, at version 1.0.0."""
    folder = tmp_path / "template"
    folder.mkdir()
    release(folder, "1.0.0", PIPELINE)
    return folder


@pytest.fixture
def project_folder(template, tmp_path, monkeypatch):
    """A project made from it; it is the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(template / "library", folder / "vendor/mlgitops")
    digest = vendor.digest(folder / "vendor/mlgitops" / vendor.MANIFEST)
    url = f"file://{template}"
    (folder / ".mlgitops.yaml").write_text(
        f'# From\ntemplate: "{url}"\ncommit: ""\nversion: "1.0.0"\nvendor: "{digest}"\n'
        'answers:\n  version: "mine"\n', "utf-8"
    )  # fmt: skip
    monkeypatch.chdir(folder)
    return folder


def test_another_release_takes_the_place_of_the_old_one(template, project_folder, capsys):
    (template / "library/src/mlgitops/core/console.py").write_text('"""New."""\n', "utf-8")
    (template / "library/src/mlgitops/core/print_metrics.py").unlink()
    sha = release(template, "1.1.0", PIPELINE)
    upgrade()
    assert "1.0.0 -> 1.1.0. Next: make setup" in capsys.readouterr().out
    vendor.vendor()
    assert Path("vendor/mlgitops/src/mlgitops/core/console.py").exists()
    assert not Path("vendor/mlgitops/src/mlgitops/core/print_metrics.py").exists()
    known = yaml.safe_load(Path(".mlgitops.yaml").read_text("utf-8"))
    assert (known["version"], known["commit"]) == ("1.1.0", sha)
    assert known["answers"] == {"version": "mine"}


def test_a_release_that_makes_other_bytes_says_so(template, project_folder, capsys):
    release(template, "2.0.0", 7)
    upgrade()
    assert "set tool.mlgitops.pipeline in pyproject.toml to 7" in capsys.readouterr().out


def test_a_folder_is_taken_without_its_scratch_files_and_its_path(template, project_folder):
    release(template, "1.1.0", PIPELINE)
    (template / "library/scratch.py").write_text("x", "utf-8")
    upgrade(template=str(template))
    assert not Path("vendor/mlgitops/scratch.py").exists()
    vendor.vendor()
    assert (
        str(template) not in Path(".mlgitops.yaml").read_text("utf-8").replace("file://", "")[90:]
    )
    known = yaml.safe_load(Path(".mlgitops.yaml").read_text("utf-8"))
    assert known["template"] == f"file://{template}"  # as it was


def test_a_tag_can_be_named(template, project_folder):
    git(template, "tag", "v1.0.0")
    release(template, "1.1.0", PIPELINE)
    upgrade(version="v1.0.0")
    assert yaml.safe_load(Path(".mlgitops.yaml").read_text("utf-8"))["version"] == "1.0.0"


@pytest.mark.parametrize("name", ["LICENSE", "src/mlgitops/core/errors.py"])
def test_an_edited_library_is_not_overwritten(name, template, project_folder):
    with Path("vendor/mlgitops", name).open("a") as file:
        file.write("# Mine.\n")
    with pytest.raises(UserError, match=f"{name} was edited"):
        upgrade()
    assert "# Mine." in Path("vendor/mlgitops", name).read_text("utf-8")


def test_a_template_that_is_not_whole_changes_nothing(template, project_folder):
    (template / "library/LICENSE").write_text("other", "utf-8")
    git(template, "commit", "--quiet", "--all", "--message", "Break it")
    with pytest.raises(UserError, match="not a complete release: LICENSE was edited"):
        upgrade()
    vendor.vendor()


def test_no_template_is_a_mistake(project_folder):
    text = Path(".mlgitops.yaml").read_text("utf-8")
    Path(".mlgitops.yaml").write_text(re.sub("template: .*", 'template: ""', text), "utf-8")
    with pytest.raises(UserError, match="TEMPLATE="):
        upgrade()


def test_a_manifest_that_was_written_anew_is_seen(project_folder):
    with Path("vendor/mlgitops/LICENSE").open("a") as file:
        file.write("Mine.\n")
    manifest(Path("vendor/mlgitops"))
    with pytest.raises(UserError, match=r"MANIFEST is not that of \.mlgitops\.yaml"):
        vendor.vendor()
