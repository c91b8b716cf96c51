"""The rules of docs/style.md that a machine can keep."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from baked import PROJECT, ROOT, run

TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")
    if name and (ROOT / name).exists()
]  # fmt: skip
GENERATED = [path for path in TRACKED if path.is_relative_to(PROJECT)]
STORE = PROJECT / "store"
TEXT = [path for path in TRACKED if not path.is_relative_to(STORE)]
PYTHON = [path for path in GENERATED if path.suffix == ".py"]
SOURCES = [path for path in PYTHON if path.is_relative_to(PROJECT / "src")]
STAGES = ("validate", "prepare", "train", "export", "evaluate")
WINDOWS = re.compile(r'[<>:"|?*\\]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$', re.I)
THIS = Path(__file__)
COMMANDS_OF_OPS = (PROJECT / "src/ops/cli.py").read_text("utf-8")


def imports(path: Path) -> set[str]:
    """The top-level packages that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_no_statement_of_jinja_in_the_project():
    for path in GENERATED:
        assert "{%" not in path.name
        own = path.suffix == ".j2" or path.is_relative_to(PROJECT / "tests")
        if path in TEXT and not own:
            assert "{%" not in path.read_text("utf-8"), path


def test_what_is_rendered_parses_before_it_is_rendered():
    tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    for path in (ROOT / "hooks").glob("*.py"):
        ast.parse(path.read_text("utf-8"))
    for path in GENERATED:
        if path.suffix in (".yaml", ".yml"):
            list(yaml.safe_load_all(path.read_text("utf-8")))
        if path.suffix == ".py":
            ast.parse(path.read_text("utf-8"))


def test_the_folder_of_the_project_is_the_only_name_with_jinja():
    assert [p.name for p in ROOT.iterdir() if "{" in p.name] == ["{{cookiecutter.project_slug}}"]
    assert not [path for path in GENERATED if "{" in str(path.relative_to(PROJECT))]


def test_windows_takes_every_file_name():
    for path in GENERATED:
        for part in path.relative_to(PROJECT).parts:
            assert not WINDOWS.search(part), path


def test_hooks_neither_install_nor_run_nor_reach_the_network():
    for path in (ROOT / "hooks").glob("*.py"):
        assert imports(path) <= {"json", "re", "sys", "shutil", "pathlib"}, path


@pytest.mark.parametrize("path", TEXT, ids=lambda path: path.name)
def test_nothing_is_left_to_do(path):
    if path == THIS or path.suffix in (".csv",):
        return
    found = re.search(r"\b(TODO|FIXME|XXX)\b|\|\| true|replace this|xfail", path.read_text("utf-8"))
    assert not found, found


def test_no_file_is_empty_but_where_a_folder_is_meant():
    assert [path for path in TRACKED if path.stat().st_size == 0] == []


def test_layers():
    for path in SOURCES:
        package = path.relative_to(PROJECT / "src").parts[0]
        forbidden = {"ml": {"ops", "serve"}, "ops": {"serve"}, "serve": {"ml", "ops"}}[package]
        if path.parent.name != "trackers":
            forbidden |= {"mlflow", "wandb"}
        if path.name != "forge.py":
            forbidden |= {"github"}
        assert not imports(path) & forbidden, path


@pytest.mark.parametrize(
    "line", ["import ops.gate", "from mlflow import log", "def f():\n  import ops"]
)
def test_a_forbidden_import_is_seen_wherever_it_stands(tmp_path, line):
    (tmp_path / "module.py").write_text(line)
    assert imports(tmp_path / "module.py") & {"ops", "mlflow"}


def test_nothing_happens_at_import():
    allowed = (
        ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign,
    )  # fmt: skip
    for path in SOURCES:
        for node in ast.parse(path.read_text("utf-8")).body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            registration = isinstance(node, ast.Expr) and re.match(
                r"copyreg\.pickle\(|\w+\.add_representer\(|os\.environ", ast.unparse(node)
            )
            typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            if path.name != "__main__.py" and not typing:
                assert isinstance(node, allowed) or docstring or registration, (path, node.lineno)


def test_help_loads_nothing_heavy():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys; from ml.cli import COMMANDS, overview;"
         "overview('ml', COMMANDS); print(*{name.split('.')[0] for name in sys.modules})"],
        cwd=PROJECT / "src", capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert not {"pandas", "numpy", "sklearn", "typer", "pydantic", "dvc", "yaml"} & set(loaded)


def test_functions_are_small():
    lengths = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                lengths.append(node.end_lineno - node.lineno + 1)
                assert lengths[-1] <= 40, f"{path}:{node.lineno} {node.name}"
    assert sorted(lengths)[len(lengths) // 2] <= 10


def test_no_name_that_says_nothing():
    for path in SOURCES:
        assert path.stem not in ("utils", "helpers", "common", "manager", "core"), path


def test_a_stage_has_one_name_everywhere():
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text("utf-8"))["stages"]
    params = yaml.safe_load((PROJECT / "params.yaml").read_text("utf-8"))
    assert tuple(stages) == STAGES
    for name, stage in stages.items():
        assert stage["cmd"].startswith(f"ml {name} ")
        assert stage["params"] == [name]
        assert name in params
        assert (PROJECT / f"src/ml/stages/{name}.py").exists()
        assert (PROJECT / f"tests/stages/test_{name}.py").exists()
        assert f"src/ml/stages/{name}.py" in stage["deps"]


def reached(path: Path, known: frozenset[Path] = frozenset()) -> frozenset[Path]:
    """The modules of `ml` that a module imports, and what these import, and so on."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ml"):
            for name in (node.module, *(f"{node.module}.{one.name}" for one in node.names)):
                module = PROJECT / "src" / f"{name.replace('.', '/')}.py"
                if module.exists() and module not in known:
                    known = reached(module, known | {module})
    return known


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_that_it_runs(stage):
    said = yaml.safe_load((PROJECT / "dvc.yaml").read_text("utf-8"))["stages"][stage]["deps"]
    own = PROJECT / f"src/ml/stages/{stage}.py"
    code = {path.relative_to(PROJECT).as_posix() for path in reached(own) | {own}}
    assert {path for path in said if path.startswith("src/")} == code
    assert "src/ml/files.py" in code


def test_each_command_is_a_module_and_has_a_test():
    sys.path.insert(0, str(PROJECT / "src"))
    try:
        from ml.cli import COMMANDS
        from ops.cli import COMMANDS as OPS
    finally:
        sys.path.pop(0)
    for name, (module, line) in (COMMANDS | OPS).items():
        assert module.endswith(f".{name}"), name
        assert (PROJECT / "src" / f"{module.replace('.', '/')}.py").exists()
        assert line == line.strip()


def test_each_module_has_a_test():
    tested = {path.stem.removeprefix("test_") for path in PYTHON if path.name.startswith("test_")}
    for path in SOURCES:
        # What judges is tested by its commands: a gate needs a whole commit to judge.
        ours = path.is_relative_to(PROJECT / "src/ml") or f"ops.{path.stem}" in COMMANDS_OF_OPS
        if ours and path.stem not in ("__init__", "__main__", "errors", "ui"):
            assert path.stem in tested, path


def test_every_recipe_of_the_project_is_one_command():
    text = (PROJECT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^([a-z]+):.*##", text, re.M):
        recipe = re.search(rf"^{target}:.*\n((?:\t.*\n?)*)", text, re.M).group(1)
        commands = [line for line in recipe.splitlines() if line.strip()]
        most = {"setup": 4, "check": 4, "format": 2, "tune": 2, "workflows": 2}.get(target, 1)
        assert 1 <= len(commands) <= most, target


def test_readmes_are_short():
    for path in TEXT:
        if path.name == "README.md":
            assert len(path.read_text("utf-8").splitlines()) <= 100, path


def test_every_link_between_files_leads_somewhere():
    for path in TEXT:
        if path.suffix == ".md":
            for link in re.findall(r"\]\(([^)#\s]+)", path.read_text("utf-8")):
                if "://" not in link and not link.startswith("mailto:"):
                    assert (path.parent / link).exists(), f"{path}: {link}"


def test_every_make_target_that_a_page_names_exists():
    for path in TEXT:
        if path.suffix == ".md":
            makefile = (PROJECT if path.is_relative_to(PROJECT) else ROOT) / "Makefile"
            targets = set(re.findall(r"^([a-z]+):", makefile.read_text("utf-8"), re.M))
            if path.parent == ROOT / "docs" or path.parent == ROOT:
                targets |= set(
                    re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text("utf-8"), re.M)
                )
            named = set(re.findall(r"(?:^|`)make ([a-z]+)", path.read_text("utf-8"), re.M))
            assert named <= targets, (path, named - targets)


def test_every_dependency_has_a_lower_bound():
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    for name in (name for group in groups.values() for name in group):
        assert re.search(r"[<>=]", name) or name.startswith("types-"), name


def test_decisions_are_headings_of_x_not_y_and_short():
    text = (ROOT / "docs/decisions.md").read_text("utf-8")
    parts = re.split(r"^## ", text, flags=re.M)[1:]
    assert parts
    for part in parts:
        heading, _, body = part.partition("\n")
        assert re.search(r", not ", heading), heading
        assert len(body.strip().splitlines()) <= 6, heading


def test_nothing_names_this_machine_or_a_registry():
    secret = re.compile(
        r"/root/|/work/|/home/\w|uv\.lock\b.*http|files\.pythonhosted|pypi\.org/simple"
    )
    for path in TEXT:
        if path != THIS:
            assert not secret.search(path.read_text("utf-8")), path
    assert not [path for path in TRACKED if path.name in ("uv.lock", "package-lock.json")]


def test_the_sample_is_the_first_two_seasons_of_the_package():
    import palmerpenguins

    later = (ROOT / "demo/penguins-2009.csv").read_text("utf-8")
    table = palmerpenguins.load_penguins()
    assert later == table[table["year"] == 2009].to_csv(index=False)
    pointer = yaml.safe_load((PROJECT / "data/raw.parquet.dvc").read_text("utf-8"))["outs"][0]
    stored = STORE / "files/md5" / pointer["md5"][:2] / pointer["md5"][2:]
    assert stored.stat().st_size == pointer["size"]


@pytest.mark.parametrize(("ci", "said"), [("true", "2 errors"), ("", "2 skipped")])
def test_what_a_test_lacks_fails_in_ci_and_skips_elsewhere(ci, said, tmp_path):
    """With a PATH that has none of the parts."""
    told = run(
        sys.executable, "-m", "pytest", "-rs", "tests/test_compose.py", "-m",
        "compose and not docker", cwd=ROOT, fails=bool(ci), CI=ci, PATH=str(tmp_path),
    )  # fmt: skip
    assert "docker has no compose" in told
    assert said in told.splitlines()[-1]
