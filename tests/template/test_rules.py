"""The rules of docs/style.md that a machine can keep."""

import ast
import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml
from baked import PROJECT, ROOT, bake, commit, run
from mlgitops.core import cli, paths

TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]  # fmt: skip
LIBRARY = ROOT / "library"
PACKAGE = LIBRARY / "src/mlgitops"
GENERATED = [path for path in TRACKED if path.is_relative_to(PROJECT)]
STORE = PROJECT / "store"
TEXT = [
    path for path in TRACKED if not path.is_relative_to(STORE) and b"\0" not in path.read_bytes()
]
PYTHON = [path for path in TRACKED if path.suffix == ".py"]
MODULES = [path for path in PYTHON if path.is_relative_to(PACKAGE)]
OWN = [path for path in PYTHON if path.is_relative_to(PROJECT / "src")]  # the user's
SOURCES = [*MODULES, *OWN]
TESTS = [path for path in PYTHON if path.is_relative_to(ROOT / "tests")]
PAGES = [path for path in TEXT if path.suffix == ".md"]
HOOKS = sorted((ROOT / "hooks").glob("*.py"))
STAGES = ("validate", "prepare", "train", "export", "evaluate")
GRAPH = yaml.safe_load((PROJECT / "dvc.yaml").read_text("utf-8"))["stages"]
WINDOWS = re.compile(r'[<>:"|?*\\]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$', re.I)
THIS = Path(__file__)
MAKEFILE = (PROJECT / "Makefile").read_text("utf-8")
# Tried in a whole project, by tests/flow; and what opens a browser.
ELSEWHERE = {"setup", "ui"}
# Modules that no test imports: tests run the command that they are part of.
REACHED = {
    "evaluation/champion", "git/patch", "github/environment_protection", "images/probe",
    "tracking/served_model", "training/preprocessing", "training/setup",
}  # fmt: skip

# First words of names that are participles; and those in -ed that are none.
IRREGULAR = (
    "asked begun bound broken brought built chosen done drawn driven fallen felt "
    "forgotten fought found frozen given gone grown heard held hidden kept known laid led left "
    "lent lost made meant met misspelt overtaken paid proven rewritten ridden said seen "
    "sent shown sold sought spent spoken stolen struck stuck sworn taken taught thrown told "
    "torn understood unknown unseen unwritten woken won worn written"
)
NO_PARTICIPLES = {"bed", "embed", "exceed", "feed", "need", "proceed", "red", "seed", "speed"}
# Parts that are larger than a look takes in; the list may only shrink.
LARGE = {"tracking/mlflow.py: MLflow"}
# Words that this project has others for; and where one means something else.
FOREIGN = re.compile(
    r"\b(?:(?i:doors?|rivals?|forges?|engines?|breach(?:es)?|draws|naive|mend(?:s|ed|ing)?|anew)"
    r"|Mistakes?)\b"
)
EXEMPT = {
    "library/src/mlgitops/evaluation/limits.py": ("draws", "naive"),  # what it reads of old
    "tests/evaluation/test_gate.py": ("draws", "naive"),  # that it does
    "library/src/mlgitops/tracking/mlflow.py": ("Engine",),  # SQLAlchemy's
    "benchmarks/tables.py": ("engine",),  # the column of a table
    ".ci/git-host": ("forge",),  # ../shared/forge
    "tests/flow/test_git_host.py": ("FORGE",),  # what that says of itself
    "CHANGELOG.md": ("draws", "mends", "naive"),  # what was written then
}


def imports(path: Path) -> set[str]:
    """What a module imports, wherever in it: modules by their whole names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_the_rules_look_at_all_that_there_is():
    """A rule that looks at nothing passes; a link is read as what it leads to, once."""
    rooms = {path.parent.name for path in MODULES if path.parent != PACKAGE}
    assert rooms == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert len(rooms) == 15
    assert len(MODULES) >= 115
    assert {path.name for path in OWN} >= {"__init__.py", "features.py", "prepare.py", "train.py"}
    assert len(GENERATED) >= 55
    assert len(TESTS) >= 90
    assert len(PAGES) >= 15
    assert len(TEXT) >= 300
    assert len(HOOKS) == 2
    assert not [path for path in TRACKED if "vendor" in path.parts and path.suffix == ".py"]
    assert (PROJECT / "vendor/mlgitops").readlink() == Path("../../library")


def test_no_statement_of_jinja_in_the_project():
    for path in GENERATED:
        assert "{%" not in path.name
        if path in TEXT:
            assert "{%" not in path.read_text("utf-8"), path


def test_what_is_rendered_parses_before_it_is_rendered():
    tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    for path in HOOKS:
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
    taken = [path for path in TRACKED if path.is_relative_to(LIBRARY)]
    for path in (*GENERATED, *taken):
        for part in path.relative_to(PROJECT if path in GENERATED else ROOT).parts:
            assert not WINDOWS.search(part), path
    lower = [path.as_posix().lower() for path in TRACKED]
    assert len(set(lower)) == len(lower)


def test_a_hook_validates_deletes_completes_vendor_and_remembers_the_answers():
    """Nothing else: neither install nor run nor ask nor reach the network, on any system."""
    allowed = {"configparser", "hashlib", "json", "os", "re", "shutil", "sys", "pathlib"}
    for path in HOOKS:
        assert imports(path) <= allowed | {"pathlib.Path"}, path
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call)
        }
        assert not {call for call in calls if call.startswith("os.") and "environ" not in call}
        assert not calls & {"input", "exec", "eval", "open", "__import__", "os.environ.update"}
        written = {call for call in calls if call.endswith((".write_text", ".write_bytes"))}
        assert written <= {"Path('.mlgitops.yaml').write_text"}
        made = {call for call in calls if call.endswith((".mkdir", ".touch", ".copytree"))}
        assert made <= {"shutil.copytree"}


@pytest.mark.parametrize("path", TEXT, ids=lambda path: path.name)
def test_nothing_is_left_to_do(path):
    if path == THIS or path.suffix in (".csv",):
        return
    found = re.search(r"\b(TODO|FIXME|XXX)\b|\|\| true|replace this|xfail", path.read_text("utf-8"))
    assert not found, found


def test_no_file_is_empty_but_where_a_folder_is_meant():
    empty = [path for path in TRACKED if path.stat().st_size == 0]
    assert empty == [PACKAGE / "py.typed"]


ROOMS = "A room imports only rooms further down"
TRACKER = "Only tracking knows a tracker"
HOST = "Only github speaks to a Git host"
HTTP = "Only serving answers HTTP"
USERS = "Nothing imports the user's package by its name: training.hooks alone loads it"
FORBIDDEN = [
    (ROOMS, "core/files", "import mlgitops.git.repository", "mlgitops.git.repository"),
    (ROOMS, "data/ingest", "from mlgitops.github import client", "mlgitops.github.client"),
    ("serving imports nothing else of mlgitops", "serving/onnx",
     "def f():\n    from mlgitops.core import files", "mlgitops.core.files"),
    (TRACKER, "training/train", "import mlflow", "mlflow"),
    (TRACKER, "core/errors", "def f():\n    import wandb", "wandb"),
    (HOST, "ci/apply", "from github import Github", "github"),
    (HTTP, "releases/run", "from fastapi import FastAPI", "fastapi"),
    (HTTP, "core/config", "import uvicorn", "uvicorn"),
    (USERS, "training/evaluate", "from ml import train", "ml"),
    (USERS, "training/hooks", "from ml.features import FEATURES", "ml"),
]  # fmt: skip


def scratch(folder: Path) -> Path:
    """A copy of the library's source and of the tools' settings, to be broken."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "mlgitops", ignore=ignored)
    return folder


def contracts(folder: Path, fails: bool = False) -> str:
    """What import-linter says of a copy."""
    program = str(Path(sys.executable).with_name("lint-imports"))
    return run(program, "--no-logo", "--no-cache", cwd=folder, fails=fails,
               PYTHONPATH=str(folder))  # fmt: skip


def test_the_rooms_stand_in_their_order(tmp_path):
    said = contracts(scratch(tmp_path))
    assert "Contracts: 6 kept, 0 broken." in said
    assert int(re.search(r"Analyzed (\d+) files", said)[1]) >= len(MODULES)


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said of a copy with every forbidden import."""
    folder = scratch(tmp_path_factory.mktemp("scratch"))
    for _, place, line, _ in FORBIDDEN:
        with (folder / "mlgitops" / f"{place}.py").open("a", encoding="utf-8") as file:
            file.write(f"\n\n{line}\n")
    return contracts(folder, fails=True)


@pytest.mark.parametrize(("rule", "place", "line", "imported"), FORBIDDEN)
def test_an_import_that_is_not_allowed_is_refused(refusals, rule, place, line, imported):
    assert line
    assert f"\n{rule} BROKEN\n" in refusals
    own = rf"\n{re.escape(rule)}\n-+\n(.*?)(?=\n\n\n[^\n]+\n-+\n|\Z)"
    reasons = re.search(own, refusals, re.S)[1]
    arrow = rf"mlgitops\.{place.replace('/', '.')} -> {re.escape(imported)} \(l\.\d+\)"
    assert re.search(arrow, reasons), refusals


def test_a_room_without_a_place_is_refused(tmp_path):
    room = scratch(tmp_path) / "mlgitops/ops/__init__.py"
    room.parent.mkdir()
    room.write_text('"""New."""\n', encoding="utf-8")
    said = contracts(tmp_path, fails=True)
    assert f"\n{ROOMS} BROKEN\n" in said
    assert "ops" in said.split(" BROKEN\n", 1)[1]


def test_modules_are_loaded_by_name_in_few_places():
    """What import-linter does not see: commands, a tracker, an estimator, the user's code."""
    loaded = re.compile(r"import_module|importlib\.util|__import__|runpy|pkgutil")
    loads = {path.relative_to(PACKAGE).as_posix() for path in MODULES
             if loaded.search(path.read_text("utf-8"))}  # fmt: skip
    assert loads == {
        "core/cli.py", "serving/pipeline.py", "tracking/base.py", "training/estimator.py",
        "training/hooks.py",
    }  # fmt: skip


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
            program = (
                isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
            )
            if path.name != "__main__.py" and not typing and not program:
                assert isinstance(node, allowed) or docstring or registration, (path, node.lineno)


def test_help_loads_nothing_heavy():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys; from mlgitops.core.cli import overview;"
         "overview('mlgitops'); print(*{name.split('.')[0] for name in sys.modules})"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert "mlgitops" in loaded
    heavy = {"pandas", "numpy", "sklearn", "typer", "click", "pydantic", "dvc", "yaml"}
    assert not heavy & set(loaded)


def test_functions_are_small():
    lengths = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                lengths.append(node.end_lineno - node.lineno + 1)
                assert lengths[-1] <= 40, f"{path}:{node.lineno} {node.name}"
    assert len(lengths) >= 700
    assert sorted(lengths)[len(lengths) // 2] <= 10


def large_parts(source: str) -> set[str]:
    """Functions of over 25 lines or 5 arguments, and classes of over 100 lines, by their names."""
    found, lines = set(), source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and node.end_lineno - node.lineno >= 100:
            found.add(node.name)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and node.body[1:] else node.body
            filled = [line for line in lines[body[0].lineno - 1 : node.end_lineno] if line.strip()]
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            given = [one for one in every if one.arg not in ("self", "cls")]
            if len(filled) > 25 or len(given) > 5:
                found.add(node.name)
    return found


def test_functions_and_classes_fit_a_look():
    """None is larger but those that are known; one that is no more is taken from the list."""
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}: {name}"
        for path in MODULES
        for name in large_parts(path.read_text("utf-8"))
    }
    assert found == LARGE


def test_a_large_function_and_class_are_refused():
    body = "\n\n".join("    a = 1" for _ in range(25))
    small = f'def small(a, b, *, c, d, e):\n    """Say."""\n{body}\n'
    methods = "\n".join(f"    a{n} = 1" for n in range(99))
    assert large_parts(f"{small}class Small:\n{methods}\n") == set()
    assert large_parts(f"{small}    b = 2\nclass Large:\n{methods}\n    b = 1\n") == {
        "small", "Large"
    }  # fmt: skip
    assert large_parts("def many(a, b, c, d, e, f): ...") == {"many"}


def test_no_name_that_says_nothing():
    for path in SOURCES:
        assert path.stem not in ("utils", "helpers", "common", "manager", "core"), path


def participles(source: str) -> list[str]:
    """The functions and methods of a module that are named by a participle."""
    names = [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [name for name in names if is_participle(name.strip("_").split("_")[0])]


def is_participle(word: str) -> bool:
    """Whether a word says what was done to something: `told`, `judged`."""
    return word in IRREGULAR.split() or (word.endswith("ed") and word not in NO_PARTICIPLES)


def test_no_function_is_named_by_a_participle():
    """It is a verb, or the noun of what it returns."""
    for path in PYTHON:
        assert participles(path.read_text("utf-8")) == [], path.relative_to(ROOT)


def test_a_participle_is_refused_wherever_it_is_defined():
    source = "def told(): ...\nclass A:\n    def _judged_by(self):\n        def kept(): ...\n"
    assert participles(source) == ["told", "_judged_by", "kept"]
    assert participles("def is_merged(): ...\ndef need(): ...\ndef judge(): ...") == []


def foreign_words(text: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """The words of a text that this project has others for."""
    return [word for word in FOREIGN.findall(text) if word not in allowed]


def test_every_word_is_the_projects_own():
    """One word for one thing; a word that has an exemption is there."""
    for path in TEXT:
        name, text = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        if path != THIS:
            assert foreign_words(text, EXEMPT.get(name, ())) == [], name
    for name, words in EXEMPT.items():
        assert set(words) <= {*foreign_words((ROOT / name).read_text("utf-8"))}, name


def test_a_word_that_is_not_the_projects_is_refused():
    text = "The Engine mends a forged rival anew; a Mistake of naive_bayes opens doors by mistake."
    assert foreign_words(text) == ["Engine", "mends", "rival", "anew", "Mistake", "doors"]
    assert foreign_words("an Engine of an engine", ("Engine",)) == ["engine"]


def parameters(stage: str) -> dict[str, list[str]]:
    """The parameters of a stage, by the file that has them."""
    found: dict[str, list[str]] = {}
    for entry in GRAPH[stage]["params"]:
        for file, names in entry.items() if isinstance(entry, dict) else [("params.yaml", [entry])]:
            found.setdefault(file, []).extend(names)
    return found


def outputs(stage: str) -> list[str]:
    """What a stage writes."""
    entries = [*GRAPH[stage].get("outs", []), *GRAPH[stage].get("metrics", [])]
    return [path for entry in entries for path in (entry if isinstance(entry, dict) else [entry])]


def test_a_stage_has_one_name_everywhere():
    assert tuple(GRAPH) == STAGES
    for name, stage in GRAPH.items():
        assert stage["cmd"] == f"mlgitops {name}"
        place, function = cli.COMMANDS[name][0].split(":")
        room, module = place.split(".")
        assert module == function == name
        assert (PACKAGE / room / f"{name}.py").exists()
        assert (ROOT / "tests" / room / f"test_{name}.py").exists()


def test_every_parameter_of_a_stage_stands_in_its_file():
    looked = 0
    for name in STAGES:
        for file, names in parameters(name).items():
            text = (PROJECT / file).read_text("utf-8")
            found = tomllib.loads(text) if file.endswith(".toml") else yaml.safe_load(text)
            for one in names:
                value = found
                for part in one.split("."):
                    value = value[part]
                looked += 1
        assert parameters(name)["pyproject.toml"] == ["tool.mlgitops.pipeline"]
    assert looked >= 13


def sections(room: str, module: str) -> set[tuple[str, str]]:
    """The sections that a module declares, with their files."""
    files = {"Section": "params.yaml", "Rule": "gate.yaml"}
    tree = ast.parse((PACKAGE / room / f"{module}.py").read_text("utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        (files[kind], node.name.lower())
        for node in classes
        for kind in (ast.unparse(base).rpartition(".")[2] for base in node.bases)
        if kind in files
    }


def test_a_stage_names_the_sections_that_its_module_declares():
    declared = set()
    for name in STAGES:
        room, module = cli.COMMANDS[name][0].split(":")[0].split(".")
        said = {(file, one) for file, names in parameters(name).items() for one in names}
        assert sections(room, module) <= said, name
        declared |= sections(room, module)
    assert len(declared) >= 4


def test_paths_are_those_of_the_graph():
    named = {path.as_posix() for path in vars(paths).values() if isinstance(path, Path)}
    made = {path for stage in STAGES for path in outputs(stage)}
    needed = {path for stage in GRAPH.values() for path in stage["deps"]}
    assert made | needed <= named
    places = (paths.TRAIN, paths.TEST, paths.DATA, paths.FITTED, paths.MODEL, paths.PARITY,
              paths.METRICS, paths.SLICES, paths.PLOTS)  # fmt: skip
    assert made == {path.as_posix() for path in places}
    # What a command leaves in artifacts/ stands in the table too.
    places = [*made, *(path for path in named if path.startswith("artifacts/"))]
    written = re.compile("|".join(rf"[\"']{re.escape(path)}[\"']" for path in places))
    assert re.search(written, 'Path("artifacts/gate.json")')
    for path in MODULES:
        found = written.search(path.read_text("utf-8"))
        own = path in (PACKAGE / "core/paths.py", PACKAGE / "serving/cli.py")  # it imports none
        assert bool(found) is own, (path, found)


def reachable(module: str, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """The modules of the library that a module imports, and what these import, and so on."""
    path = PACKAGE.parent / f"{module.replace('.', '/')}.py"
    if module in known or not path.exists():
        return known
    known |= {module}
    for name in imports(path):
        known = reachable(name, known)
    return known


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_runs_the_users_code_depends_on_it(stage):
    module = f"mlgitops.{cli.COMMANDS[stage][0].split(':')[0]}"
    runs = "mlgitops.training.hooks" in reachable(module)
    assert len(reachable(module)) > 3
    assert ("src/ml" in GRAPH[stage]["deps"]) is runs
    code = [path for path in GRAPH[stage]["deps"] if path.startswith(("src", "vendor"))]
    assert code == ["src/ml"] * runs


def test_each_command_is_a_function_and_has_a_test():
    commands = cli.COMMANDS | cli.CI
    assert len(commands) >= 40
    assert not set(cli.COMMANDS) & set(cli.CI)
    for name, (place, line) in commands.items():
        module, function = place.split(":")
        room, module = module.split(".")
        assert function == name
        tree = ast.parse((PACKAGE / room / f"{module}.py").read_text("utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert line == line.strip()
        assert name in ELSEWHERE or (ROOT / f"tests/{room}/test_{module}.py").exists(), name


def test_each_module_has_a_test():
    imported = {name for path in TESTS for name in imports(path)}
    found = set()
    for path in MODULES:
        name = path.relative_to(PACKAGE).with_suffix("").as_posix()
        own = ROOT / "tests" / path.parent.name / f"test_{path.stem}.py"
        named = f"mlgitops.{name.replace('/', '.')}" in imported
        if path.parent == PACKAGE or path.parent.name == "serving" or path.stem == "__init__":
            continue
        if not own.exists() and not named:
            found.add(name)
    assert found <= REACHED
    assert all((PACKAGE / f"{name}.py").exists() for name in REACHED)


def test_what_people_use_fits_a_screen_and_the_rest_is_one_word_away(tmp_path):
    shutil.copy(PROJECT / "Makefile", tmp_path)
    shown, everything = (run("make", *more, cwd=tmp_path) for more in ([], ["help", "ALL=1"]))
    commands = re.findall(r"^  make ([a-z]+) ", shown, re.M)
    assert 15 <= len(commands) <= 20
    assert len(shown.splitlines()) <= 26
    assert max(map(len, shown.splitlines())) <= 120
    targets = re.findall(r"^([a-z]+):", MAKEFILE, re.M)
    assert set(re.findall(r"^  make ([a-z]+) ", everything, re.M)) == set(targets)
    assert set(commands) < set(targets)
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split()
    assert sorted(phony) == sorted(targets)


def test_every_command_of_the_makefile_is_one_of_the_table():
    named = re.findall(r"mlgitops (ci )?([a-z]+)", re.sub(r"#.*", "", MAKEFILE))
    assert len(named) >= 25
    for group, name in named:
        assert name in (cli.CI if group else cli.COMMANDS), name


def test_every_recipe_of_the_project_is_one_command():
    targets = re.findall(r"^([a-z]+):.*##", MAKEFILE, re.M)
    assert len(targets) >= 28
    for target in targets:
        recipe = re.search(rf"^{target}:.*\n((?:\t.*\n?)*)", MAKEFILE, re.M).group(1)
        commands = [line for line in recipe.splitlines() if line.strip()]
        most = {"check": 5, "format": 2, "track": 2, "tune": 2, "workflows": 3}.get(target, 1)
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
    library = tomllib.loads((LIBRARY / "pyproject.toml").read_text("utf-8"))["project"]
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    groups = [library["dependencies"], *library["optional-dependencies"].values(),
              *project.values()]  # fmt: skip
    names = [name for group in groups for name in group]
    assert len(names) >= 50
    for name in names:
        chosen = re.sub(r"{{ cookiecutter\.(artifact_store|tracker) }}", "answer", name)
        vendored = re.fullmatch(r"mlgitops\[[a-z,-]+\]", chosen)
        assert re.search(r"[<>=]", name) or name.startswith("types-") or vendored, name


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
        r"|--(extra-)?index-url|--find-links|\[\[tool\.uv\.index\]\]"
    )
    for path in TEXT:
        if path != THIS:
            assert not secret.search(path.read_text("utf-8")), path
    assert not [path for path in TRACKED if path.name in ("uv.lock", "package-lock.json")]


def test_the_sample_is_what_its_script_makes_of_the_package():
    sys.path.insert(0, str(ROOT / "demo"))
    import sample

    for name, text in sample.files().items():
        assert (ROOT / "demo" / name).read_text("utf-8") == text, name
    pointer = yaml.safe_load((PROJECT / "data/raw.parquet.dvc").read_text("utf-8"))["outs"][0]
    stored = STORE / "files/md5" / pointer["md5"][:2] / pointer["md5"][2:]
    assert stored.stat().st_size == pointer["size"]
    assert hashlib.md5(stored.read_bytes()).hexdigest() == pointer["md5"]
    table, first = pd.read_parquet(stored), sample.sample(sample.FIRST)
    assert table["distance_miles"].tolist() == first["distance_miles"].tolist()
    assert table["arrival"].tolist() == first["arrival"].tolist()
    assert sum(path.stat().st_size for path in (stored, *(ROOT / "demo").glob("*.csv"))) < 1e6


@pytest.mark.parametrize(("ci", "said"), [("true", "3 errors"), ("", "3 skipped")])
def test_what_a_test_lacks_fails_in_ci_and_skips_elsewhere(ci, said, tmp_path):
    """With a PATH that has none of the parts."""
    told = run(
        sys.executable, "-m", "pytest", "-rs", "tests/flow/test_compose.py", "-m",
        "compose and not docker", cwd=ROOT, fails=bool(ci), CI=ci, PATH=str(tmp_path),
    )  # fmt: skip
    assert "docker has no compose" in told
    assert said in told.splitlines()[-1]


def test_a_project_is_small_and_almost_all_of_it_the_users(tmp_path):
    project = bake(tmp_path)
    run("git", "init", "--quiet", cwd=project)
    commit(project, "Start")
    kept = run("git", "ls-files", "-z", "--", ".", ":!vendor", ":!store", cwd=project).split("\0")
    files = [project / name for name in kept if name]
    assert 50 <= len(files) <= 80
    assert sum(len(path.read_bytes().splitlines()) for path in files) <= 4400
    vendored = run("git", "ls-files", "-z", "--", "vendor/mlgitops", cwd=project).split("\0")
    assert len(vendored) - 1 == len((LIBRARY / "MANIFEST").read_text("utf-8").splitlines()) + 1
