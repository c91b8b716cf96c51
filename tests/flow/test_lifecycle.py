"""A project as its people live it: real hooks, a real origin, `make check` at every push."""

import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from baked import ROOT, bake, clone, run
from sklearn import datasets

AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
}
IMAGE = "ghcr.io/acme/flights@sha256:"
FEATURE = '''
def gust_ratio(columns, xp):
    """How much a gust is stronger than the wind."""
    return xp.log(columns["gust_mph"] / columns["wind_mph"])


FEATURES = (gust_ratio,)
'''


def make(target: str, project: Path, fails: bool = False, **variables: str) -> str:
    said = [f"{name}={value}" for name, value in variables.items()]
    return run("make", target, *said, cwd=project, fails=fails, **AUTHOR)


def git(project: Path, *words: str, fails: bool = False) -> str:
    return run("git", *words, cwd=project, fails=fails, **AUTHOR).strip()


def count_passed(said: str) -> int:
    """How many tests of the project passed; none was skipped, none failed."""
    found = re.search(r"^(\d+) passed in", said, re.M)
    assert found, said
    return int(found[1])


def commit_and_push(project: Path, message: str) -> int:
    """Commit and push with the hooks that `make setup` installed; the tests that the push ran."""
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", message)
    return count_passed(git(project, "push", "origin", "HEAD"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), "utf-8")


def with_origin(project: Path, folder: Path) -> Path:
    """The project with a bare repository as origin, to which its main was pushed."""
    origin = folder / "origin.git"
    run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(origin), cwd=folder)
    git(project, "remote", "add", "origin", str(origin))
    git(project, "push", "--quiet", "--no-verify", "--set-upstream", "origin", "main")
    return origin


def make_release(project: Path, digit: str) -> None:
    make("release", project, IMAGE=f"{IMAGE}{digit * 64}", OFFLINE="1")


def test_the_same_check_is_green_from_the_first_push_to_the_second_month(tmp_path):
    project = bake(tmp_path)
    make("setup", project)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Start")
    with_origin(project, tmp_path)
    count = count_passed(make("check", project))

    edit(project / "src/ml/features.py", "FEATURES = ()\n", FEATURE)
    make("pipeline", project)
    assert commit_and_push(project, "Add the ratio of the gusts") == count
    assert "gust_ratio" in (project / "src/ml/features.py").read_text("utf-8")

    make_release(project, "1")
    assert commit_and_push(project, "Release to staging") == count
    make("promote", project)
    assert commit_and_push(project, "Promote to production") == count

    edit(project / "params.yaml", "learning_rate: 0.1,", "learning_rate: 0.05,")
    make("pipeline", project)
    assert commit_and_push(project, "Learn slower") == count
    make_release(project, "2")
    assert commit_and_push(project, "Release again") == count
    make("promote", project)
    assert commit_and_push(project, "Promote again") == count
    make("rollback", project, ENVIRONMENT="production")
    assert commit_and_push(project, "Roll back") == count
    assert IMAGE + "1" * 64 in (project / "deploy/production/release.env").read_text("utf-8")

    # Own data, which the feature of the sample does not fit.
    edit(project / "src/ml/features.py", FEATURE, "FEATURES = ()\n")
    source = tmp_path / "wine.csv"
    table = datasets.load_wine(as_frame=True).frame.sample(frac=1, random_state=0)
    table.head(150).to_csv(source, index=False)
    make("data", project, SOURCE=str(source), TARGET="target")
    make("pipeline", project)
    assert commit_and_push(project, "Take our own table") == count

    # A month later there are more rows.
    table.to_csv(source, index=False)
    said = make("retrain", project, FORCE="1", REASON="a month has passed")
    assert "dvc.lock was out of date and has been made again" in said
    assert commit_and_push(project, "Retrain") == count
    assert len(pd.read_parquet(project / "data/raw.parquet")) == len(table)

    another = tmp_path / "another"
    git(tmp_path, "clone", "--quiet", str(tmp_path / "origin.git"), str(another))
    assert "Running stage" not in make("setup", another)
    assert count_passed(make("check", another)) == count
    assert git(another, "status", "--porcelain") == ""


@pytest.fixture
def project_with_origin(ready: Path, tmp_path: Path) -> Path:
    """A copy of the ready project with an origin and the hooks."""
    project = clone(ready, tmp_path)
    with_origin(project, tmp_path)
    return project


def test_a_commit_has_a_lock_of_its_own_files_or_none(project_with_origin):
    edit(project_with_origin / "params.yaml", "one_hot: 16 ", "one_hot: 15 ")
    git(project_with_origin, "commit", "--quiet", "--all", "--message", "Parameters alone")
    make("pipeline", project_with_origin)
    edit(project_with_origin / "params.yaml", "one_hot: 15 ", "one_hot: 14 ")
    git(project_with_origin, "add", "dvc.lock")
    git(project_with_origin, "commit", "--quiet", "--message", "What is not staged is put aside")
    make("pipeline", project_with_origin)
    edit(project_with_origin / "params.yaml", "one_hot: 14 ", "one_hot: 13 ")
    git(project_with_origin, "add", "--all")
    text = git(project_with_origin, "commit", "--message", "A lock of other parameters", fails=True)
    assert "dvc.lock was made from another params.yaml: train: make pipeline, git add" in text
    make("pipeline", project_with_origin)
    git(project_with_origin, "add", "--all")
    git(project_with_origin, "commit", "--quiet", "--message", "A lock of these parameters")
    assert git(project_with_origin, "status", "--porcelain") == ""


def assert_clean(project: Path) -> None:
    """What a hook that takes the wrong repository would have changed."""
    assert git(project, "config", "--get-all", "core.bare") == "false"
    assert git(project, "status", "--porcelain") == ""
    assert not (project / ".git/index.lock").exists()


@pytest.mark.nightly
def test_a_push_from_a_worktree_leaves_the_repository_as_it_was(project_with_origin, tmp_path):
    before = git(project_with_origin, "rev-parse", "HEAD")
    git(project_with_origin, "worktree", "add", "--quiet", "-b", "words", str(tmp_path / "wt"))
    work = tmp_path / "wt"
    make("setup", work)
    edit(work / "README.md", "## Start", "## How to start")
    assert commit_and_push(work, "Say it better") > 0
    assert_clean(project_with_origin)
    assert git(project_with_origin, "rev-parse", "HEAD") == before


@pytest.mark.nightly
def test_a_push_from_a_submodule_leaves_both_repositories_as_they_were(
    project_with_origin, tmp_path
):
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "--quiet", "--initial-branch=main")
    local = ("-c", "protocol.file.allow=always")
    git(outer, *local, "submodule", "add", "--quiet", str(tmp_path / "origin.git"), "model")
    git(outer, "commit", "--quiet", "--message", "Add the model")
    project = outer / "model"
    make("setup", project)
    edit(project / "README.md", "## Start", "## How to start")
    assert commit_and_push(project, "Say it better") > 0
    assert git(outer, "status", "--porcelain").split() == ["M", "model"]
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.nightly
def test_a_project_in_a_folder_of_another_repository_is_its_own(ready, tmp_path):
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    (tmp_path / "services").mkdir()
    project = bake(tmp_path / "services")
    make("setup", project)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Start")
    with_origin(project, tmp_path / "services")
    edit(project / "README.md", "## Start", "## How to start")
    assert commit_and_push(project, "Say it better") > 0
    assert git(project, "rev-parse", "--show-toplevel") == str(project)
    assert subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=False,
                          capture_output=True).returncode != 0  # fmt: skip


def test_set_up_goes_on_where_git_looks_for_hooks_elsewhere(project_with_origin, tmp_path):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    git(project_with_origin, "config", "core.hooksPath", str(hooks))
    said = make("setup", project_with_origin)
    assert f"core.hooksPath is {hooks}" in said
    assert "make check" in said
    assert list(hooks.iterdir()) == []


def test_an_untracked_source_makes_a_release_impossible_whatever_git_shows(project_with_origin):
    git(project_with_origin, "config", "status.showUntrackedFiles", "no")
    (project_with_origin / "src/ml/ratios.py").write_text('"""Ratios."""\n', "utf-8")
    said = make("release", project_with_origin, fails=True, IMAGE=IMAGE + "1" * 64, OFFLINE="1")
    assert "src/ml/ratios.py" in said


def test_a_module_that_a_feature_imports_is_a_dependency(project_with_origin):
    git(
        project_with_origin, "switch", "--quiet", "--create", "ratio"
    )  # On main nothing is trained.
    (project_with_origin / "src/ml/ratios.py").write_text(
        '"""Ratios."""\n\n\ndef ratio(a, b, xp):\n    """The logarithm of a by b."""\n'
        "    return xp.log(a / b)\n", "utf-8"
    )  # fmt: skip
    edit(
        project_with_origin / "src/ml/features.py", "FEATURES = ()\n",
        "from ml.ratios import ratio\n\n\ndef gust(columns, xp):\n"
        '    return ratio(columns["gust_mph"], columns["wind_mph"], xp)\n\n\n'
        "FEATURES = (gust,)\n",
    )  # fmt: skip
    assert "Running stage 'train'" in make("pipeline", project_with_origin)
    git(project_with_origin, "add", "--all")
    git(project_with_origin, "commit", "--quiet", "--no-verify", "--message", "Add a ratio")
    edit(project_with_origin / "src/ml/ratios.py", "xp.log(a / b)", "xp.log(b / a)")
    assert "make pipeline" in make("gate", project_with_origin, fails=True)
    assert "Running stage 'train'" in make("reproduce", project_with_origin)


def test_a_cache_of_an_editor_is_none(project_with_origin):
    for name in (".features.py.swp", "__pycache__/x.cpython-311.pyc", ".ipynb_checkpoints/x.py"):
        path = project_with_origin / "src/ml" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x", "utf-8")
    assert "Running stage" not in make("pipeline", project_with_origin)
    assert "passed" in make("gate", project_with_origin)


def test_a_new_version_of_the_library_trains_nothing_and_a_bump_everything(project_with_origin):
    messages = project_with_origin / "vendor/mlgitops/src/mlgitops/core/errors.py"
    edit(messages, "What a person did that cannot work.", "What a person did, and cannot work.")
    assert "Running stage" not in make("pipeline", project_with_origin)
    said = make("check", project_with_origin, fails=True)
    assert "src/mlgitops/core/errors.py was edited" in said
    number = project_with_origin / "vendor/mlgitops/src/mlgitops/core/pipeline_version.py"
    edit(number, "PIPELINE = 2\n", "PIPELINE = 3\n")
    edit(project_with_origin / "params.yaml", "learning_rate: 0.1,", "learning_rate: 0.2,")
    refused = make("pipeline", project_with_origin, fails=True)
    assert "tool.mlgitops.pipeline is 2" in refused
    assert "Traceback" not in refused
    edit(project_with_origin / "pyproject.toml", "pipeline = 2 ", "pipeline = 3 ")
    ran = re.findall(r"Running stage '(\w+)'", make("pipeline", project_with_origin))
    assert ran == ["validate", "prepare", "train", "export", "evaluate"]


@pytest.mark.nightly
def test_rows_of_a_group_stay_together(project_with_origin, tmp_path):
    table = pd.read_csv(ROOT / "demo/flights-2013-07.csv").head(300)
    table["crew"] = [f"crew {row // 6}" for row in range(len(table))]
    table.to_csv(tmp_path / "crews.csv", index=False)
    make(
        "data", project_with_origin, SOURCE=str(tmp_path / "crews.csv"), TARGET="arrival", RESET="1"
    )
    edit(project_with_origin / "gate.yaml", "by: random", "by: group\n  group: crew")
    make("pipeline", project_with_origin)
    raw = pd.read_parquet(project_with_origin / "data/raw.parquet")
    test = pd.read_parquet(project_with_origin / "data/test.parquet")
    key = [name for name in test if name != "arrival"]
    assert 0.1 < len(test) / len(raw) < 0.35
    train = pd.read_parquet(project_with_origin / "data/train.parquet")
    crews = [set(raw.merge(part[key].drop_duplicates(), on=key)["crew"]) for part in (test, train)]
    assert len(crews[0]) >= 2
    assert not crews[0] & crews[1]
