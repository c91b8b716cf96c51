"""The library as a distribution: manifest, wheel, version, and what each extra must carry."""

import ast
import json
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import mlgitops
import pytest
import yaml
from baked import PROJECT, ROOT, bake, commit, run
from mlgitops.core import cli

LIBRARY = ROOT / "library"
PACKAGE = LIBRARY / "src/mlgitops"
ABOUT = tomllib.loads((LIBRARY / "pyproject.toml").read_text("utf-8"))["project"]
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
MAKEFILE = (PROJECT / "Makefile").read_text("utf-8")


def test_the_copy_that_runs_here_is_this_one():
    assert Path(mlgitops.__file__).is_relative_to(LIBRARY)


def test_the_manifest_is_current():
    program = "import runpy; print(runpy.run_path('.ci/manifest')['text'](), end='')"
    wanted = run(sys.executable, "-c", program, cwd=ROOT)
    assert wanted.count("\n") >= 130
    assert (LIBRARY / "MANIFEST").read_text("utf-8") == wanted, "run make manifest"


def test_one_version_everywhere():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)[1]
    assert ABOUT["version"] == mlgitops.__version__ == newest


def wheel(source: Path, into: Path) -> set[str]:
    """The names in the wheel that is made of a folder."""
    run("uv", "build", "--quiet", "--wheel", "--out-dir", str(into), str(source), cwd=ROOT)
    (built,) = into.glob("mlgitops-*-py3-none-any.whl")
    with zipfile.ZipFile(built) as archive:
        assert b"MIT License" in archive.read(f"{about()}/licenses/LICENSE")
        return set(archive.namelist())


def about() -> str:
    return f"mlgitops-{ABOUT['version']}.dist-info"


def wheel_files() -> set[str]:
    """What a wheel holds: the package as it lies there, and what is said about it."""
    package = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    kinds = {Path(name).suffix for name in package}
    assert kinds == {".py", ".j2", ".json", ".typed"}
    assert "mlgitops/data/reader.py" in package
    said = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    return package | {f"{about()}/{name}" for name in said}


def test_the_wheel_is_the_package_and_its_licence(tmp_path):
    assert wheel(LIBRARY, tmp_path) == wheel_files()


def test_the_wheel_that_a_project_builds_of_vendor_is_the_same(tmp_path):
    """`data/` in a project's own rules would leave a room of it out."""
    project = bake(tmp_path)
    with (project / ".gitignore").open("a", encoding="utf-8") as rules:
        rules.write("data/\n")
    run("git", "init", "--quiet", cwd=project)
    commit(project, "Start")
    assert wheel(project / "vendor/mlgitops", tmp_path / "dist") == wheel_files()


def test_what_is_published_is_what_the_tag_says(tmp_path):
    """Refused before anything is built, and so before anything is sent."""
    for tag in ("v0.0.1", "main", ""):
        said = run(".ci/publish", cwd=ROOT, fails=True, GITHUB_REF_NAME=tag)
        assert said == (
            f"publish: the tag is {tag or 'missing'}, the library's version {ABOUT['version']}\n"
        )


# Which groups of dependencies a job installs, and what it runs with them.
GROUP = re.compile(r"--group ([a-z-]+)")
OWN = re.compile(r"mlgitops (?:(ci) )?([a-z]+)")


def recipe(target: str) -> str:
    return re.search(rf"^{target}:.*\n((?:\t.*\n)*)", MAKEFILE, re.M)[1]


def jobs() -> dict[str, set[tuple[str, ...]]]:
    """The commands that run with few groups only, by the groups: those of `--group` or SYNC."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values():
            for step in job["steps"]:
                line, environment = step.get("run", ""), job.get("env", {}) | step.get("env", {})
                if line.startswith("make ") and "SYNC" in environment:
                    line = f"{environment['SYNC']} {recipe(line.removeprefix('make '))}"
                if groups := ",".join(GROUP.findall(line)):
                    commands = {tuple(filter(None, one)) for one in OWN.findall(line)}
                    found.setdefault(groups, set()).update(commands)
    return found


JOBS = jobs()
# Whole rooms that each set of extras must import; "" is the base.
ROOMS = {
    "": ("core",),
    "github": ("core", "git", "github"),
    "manifests": ("core", "manifests"),
    "serve": ("serving",),
    "serve,serve-sklearn": ("serving",),
    "train": (
        "core",
        "git",
        "stores",
        "data",
        "images",
        "releases",
        "training",
        "evaluation",
        "reporting",
        "monitoring",
        "ci",
    ),
    "train,track": ("tracking",),
    "train,track-wandb": ("tracking",),
}
# Modules of a room that only the other tracker's packages can load.
OTHER = {"train,track": ("wandb", "wandb_server"), "train,track-wandb": ("mlflow",)}
# What modules of them import in functions that these jobs do not call, or refuse to without it.
ABSENT = {
    "": {"filelock", "typer"},  # for any command; the server has its own program
    # Contents of outputs, which these jobs compare by their hashes; the store, for `make doctor`.
    "github": {"dvc", "filelock", "fsspec", "pathspec", "tqdm"},
    "manifests": {"dvc", "filelock", "pathspec", "typer"},
    "serve": {"joblib", "obstore", "pandas"},  # for a model.joblib: serve-sklearn
    "serve,serve-sklearn": {"obstore"},  # where `ship` runs: the extra of its name
    # The user's own packages; and what speaks to GitHub.
    "train": {"catboost", "distributed", "duckdb", "github", "lightgbm", "xgboost"},
}


def test_every_job_that_installs_little_is_tried():
    assert set(JOBS) == {"github", "train", "train,track"}
    assert set(JOBS) <= set(ROOMS)
    told = {("ci", "statuses"), ("ci", "approve"), ("ci", "propose"), ("promote",), ("release",)}
    assert told <= JOBS["github"]
    assert {("ci", "reproduce"), ("ci", "login"), ("image",), ("push",)} <= JOBS["train"]
    assert {("track",), ("register",)} <= JOBS["train,track"]
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    for name in {name for groups in ROOMS for name in groups.split(",") if name}:
        own = {
            "train": "train,store-{{ cookiecutter.artifact_store }}",
            "track": "track-{{ cookiecutter.tracker }}",
        }
        wanted = [f"mlgitops[{own.get(name, name)}]"]
        assert groups.get(name) == wanted or name in ("manifests", "track-wandb")


def environment(extras: str, folder: Path) -> Path:
    """The Python of an environment that has the library with these extras, and nothing else."""
    run("uv", "venv", "--quiet", "--python", sys.executable, str(folder / "venv"), cwd=folder)
    python = folder / "venv/bin/python"
    what = f"{LIBRARY}[{extras}]" if extras else str(LIBRARY)
    run("uv", "pip", "install", "--quiet", "--python", str(python), what, cwd=folder)
    return python


def modules(room: str) -> list[str]:
    names = (path.stem for path in (PACKAGE / room).glob("*.py"))
    return [f"mlgitops.{room}.{name}" for name in names if name not in ("__init__", "__main__")]


def imports(module: str) -> set[str]:
    """What a module imports, also within a function: whole names."""
    found = set()
    path = PACKAGE.parent / f"{module.replace('.', '/')}.py"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def reachable(module: str, known: set[str]) -> set[str]:
    """A module, what it imports, and so on; of the library."""
    if module not in known and (PACKAGE.parent / f"{module.replace('.', '/')}.py").exists():
        known.add(module)
        for name in imports(module):
            reachable(name, known)
    return known


def packages(names: set[str]) -> set[str]:
    """The packages of others that modules import, also within a function."""
    tops = {name.split(".")[0] for module in names for name in imports(module)}
    return tops - set(sys.stdlib_module_names) - {"mlgitops"}


TRY = """
import json, sys
from importlib import import_module
from importlib.util import find_spec
names, packages = json.loads(sys.argv[1])
for name in names:
    import_module(name)
print(json.dumps([name for name in packages if find_spec(name) is None]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("extras", ROOMS)
def test_what_a_job_installs_is_what_it_imports(extras, tmp_path):
    python = environment(extras, tmp_path)
    commands = JOBS.get(extras, set())
    tables = {True: cli.CI, False: cli.COMMANDS}
    places = {tables[len(one) == 2][one[-1]][0].split(":")[0] for one in commands}
    names = {f"mlgitops.{place}" for place in places}
    names |= {name for room in ROOMS[extras] for name in modules(room)}
    names -= {f"mlgitops.tracking.{name}" for name in OTHER.get(extras, ())}
    if extras == "serve":
        names.remove("mlgitops.serving.labels")  # for a model.joblib: serve-sklearn
    known: set[str] = set()
    for name in names:
        reachable(name, known)
    said = run(str(python), "-c", TRY, json.dumps([sorted(names), sorted(packages(known))]),
               cwd=tmp_path)  # fmt: skip
    assert set(json.loads(said.splitlines()[-1])) == ABSENT.get(extras, set())
    program = python.with_name("mlgitops")
    assert "usage: mlgitops COMMAND" in run(str(program), "--help", cwd=tmp_path)
    for command in sorted(commands):
        assert command[-1] in run(str(program), *command, "--help", cwd=tmp_path)
