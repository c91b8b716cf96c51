"""Each way to alter a rule: told in a line of the report, refused outright, or content.

One line a case: what is changed, from what to what, and what must be said.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
from baked import PROJECT
from made_origin import git
from mlgitops.ci.retrain import Retrain
from mlgitops.ci.stages import check_stages
from mlgitops.core import config
from mlgitops.core.errors import UserError
from mlgitops.core.job_output import RULES_CHANGED
from mlgitops.core.log_rules import Log
from mlgitops.core.rule_files import FILES, place
from mlgitops.data import schema
from mlgitops.data.split import Split
from mlgitops.data.validate import Validate
from mlgitops.evaluation.decision import decide
from mlgitops.evaluation.limits import Gate
from mlgitops.monitoring.limits import Monitor
from mlgitops.reporting.rules import rule_changes
from mlgitops.training.evaluate import Evaluate
from mlgitops.training.export import Parity, Requests

SECTIONS = (
    Gate, Validate, Split, Parity, Requests, Evaluate, Log, Retrain, Monitor,
)  # fmt: skip
COPIED = (
    "gate.yaml", "schema.yaml", "dvc.yaml", "params.yaml", "Makefile", "pyproject.toml",
    "Dockerfile", ".dvc/config", ".github", "deploy", "src/ml", ".dvcignore",
    ".pre-commit-config.yaml",
)  # fmt: skip
RELEASED = "deploy/staging/release.env"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The template's files in a repository; only their paths and contents matter here."""
    folder = tmp_path_factory.mktemp("rules") / "project"
    for name in COPIED:
        there = PROJECT / name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(there, folder / name) if there.is_dir() else shutil.copy(
            there, folder / name
        )
    for name in ("vendor/mlgitops/a.py", ".mlgitops.yaml", "uv.lock"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x = 1\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", "Start")
    git(folder, "switch", "--quiet", "--create", "change")
    return folder


@pytest.fixture
def project(repository, monkeypatch):
    git(repository, "checkout", "--quiet", "--", ".")
    git(repository, "clean", "--quiet", "--force", "-d")
    monkeypatch.chdir(repository)
    return repository


def load_rules():
    """What every stage and command does before it runs: a UserError names what is wrong."""
    for section in SECTIONS:
        config.load(section)
    schema.load()
    check_stages()


def edit(path, old, new):
    file = Path(path)
    text = file.read_text("utf-8") if old else ""
    assert not old or text.count(old) >= 1, (path, old)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.replace(old, new, 1) if old else new, "utf-8")


G, S, D = "gate.yaml", "schema.yaml", "dvc.yaml"
MINIMUM = "{log_loss: dummy}"
# file, old text, new text, what the one line says.
TOLD = [
    (G, MINIMUM, "{log_loss: 1000}", "gate.minimum.log_loss: dummy → 1000 (looser)"),
    (G, MINIMUM, "{accuracy: 0.1}", "gate.minimum.log_loss is removed (it was dummy) (looser)"),
    (G, MINIMUM, "{brier: dummy}", "gate.minimum.log_loss is removed (it was dummy) (looser)"),
    (G, MINIMUM, "{log_loss: dummy, accuracy: 0.9}", "gate.minimum.accuracy is new: 0.9 (tighter)"),
    (G, MINIMUM, "{log_loss: dummy, recall: {yes: 0.5}}", "gate.minimum.recall.yes is new: 0.5"),
    (G, "metric: log_loss", "metric: accuracy", "gate.metric: log_loss → accuracy"),
    (G, "confidence: 0.95", "confidence: 0.8", "gate.confidence: 0.95 → 0.8 (looser)"),
    (G, "confidence: 0.95", "confidence: 0.99", "gate.confidence: 0.95 → 0.99 (tighter)"),
    (G, "samples: 1000", "samples: 200", "gate.bootstrap_samples: 1000 → 200 (looser)"),
    (G, "seed: 0", "seed: 7", "gate.seed: 0 → 7"),
    (G, "min_rows: 30", "min_rows: 1000", "gate.slices.min_rows: 30 → 1000 (looser)"),
    (G, "limit: dummy", "limit: 900", "gate.slices.limit: dummy → 900 (looser)"),
    (G, "{tolerance: 0.05}", "{tolerance: 0.9}", "gate.champion.tolerance: 0.05 → 0.9 (looser)"),
    (G, "{tolerance: 0.05}", "{tolerance: 0}", "gate.champion.tolerance: 0.05 → 0 (tighter)"),
    (G, "model_mb: 50", "model_mb: 5000", "gate.budget.model_mb: 50 → 5000 (looser)"),
    (G, "p50_ms: 20", "p50_ms: 2000", "gate.budget.p50_ms: 20 → 2000 (looser)"),
    (G, "p99_ms: 100", "p99_ms: 50", "gate.budget.p99_ms: 100 → 50 (tighter)"),
    (G, "min_rows: 20", "min_rows: 2", "validate.min_rows: 20 → 2 (looser)"),
    (G, "max_duplicates: 0.5", "max_duplicates: 1", "validate.max_duplicates: 0.5 → 1 (looser)"),
    (G, "max_missing: 0.5", "max_missing: 0.9", "validate.max_missing: 0.5 → 0.9 (looser)"),
    (G, "by: time", "by: random", "split.by: time → random"),
    (G, "test_share: 0.2", "test_share: 0.05", "split.test_share: 0.2 → 0.05 (looser)"),
    (G, "rows: 20000", "rows: 100", "parity.rows: 20000 → 100 (looser)"),
    (G, "tolerance: 0.0001", "tolerance: 0.01", "parity.tolerance: 0.0001 → 0.01 (looser)"),
    (G, "max_differing: 0.001", "max_differing: 0.05", "parity.max_differing: 0.001 → 0.05"),
    (G, "max_flipped: 0.001", "max_flipped: 0", "parity.max_flipped: 0.001 → 0 (tighter)"),
    (G, "category: refuse", "category: accept", "requests.unknown_category: refuse → accept (loo"),
    (G, "range: refuse", "range: accept", "requests.out_of_range: refuse → accept (looser)"),
    (G, "max_slices: 20", "max_slices: 5", "evaluate.max_slices: 20 → 5 (looser)"),
    (G, "bins: 10", "bins: 2", "evaluate.bins: 10 → 2 (looser)"),
    (G, "cooldown_days: 7", "cooldown_days: 700", "retrain.cooldown_days: 7 → 700 (looser)"),
    (G, "min_effect: 0.1", "min_effect: 1", "monitor.min_effect: 0.1 → 1 (looser)"),
    (G, "false_alarms: 0.01", "false_alarms: 0.1", "monitor.false_alarms: 0.01 → 0.1 (tighter)"),
    (G, "periods: 12", "periods: 4", "monitor.periods: 12 → 4"),
    (G, "share: 0 #", "share: 0.5 #", "log.share: 0 → 0.5"),
    (G, "days: 90", "days: 365", "log.days: 90 → 365"),
    (G, "by: review", "by: comment", "approve.by: review → comment"),
    (G, "# The rules", "# Rules", "gate.yaml is changed, but says the same"),
    (S, "target: arrival", "target: carrier", "target: arrival → carrier"),
    (S, "time: scheduled\n", "", "time is removed (it was scheduled)"),
    (S, "slices: [origin, carrier]", "slices: []", "slices: ['origin', 'carrier'] → []"),
    (S, "task: binary", "task: multiclass", "task: binary → multiclass"),
    (S, ", range: [0, 6000]", "", "distance_miles.range is removed (it was [0, 6000]) (looser)"),
    (S, "[0, 6000]", "[0, 9000]", "distance_miles.range: [0, 6000] → [0, 9000] (looser)"),
    (S, "[0, 6000]", "[0, 5000]", "distance_miles.range: [0, 6000] → [0, 5000] (tighter)"),
    (S, "[EWR, JFK, LGA]", "[EWR, JFK, LGA, ATL]", "origin.categories"),
    (S, ", categories: [EWR, JFK, LGA]", "", "origin.categories is removed"),
    (S, "origin: {type: category", "origin: {nullable: true, type: category",
     "origin.nullable is new: True"),
    (S, "distance_miles: {type: integer", "distance_miles: {type: number",
     "distance_miles.type: integer → number"),
    (S, "  distance_miles: {type: integer, range: [0, 6000]}\n", "",
     "the column distance_miles is gone (looser)"),
    (S, "  hour:", "  wind_degrees: {type: number}\n  hour:", "wind_degrees.type is new: number"),
    (S, "  hour: {", "  hour: {private: true, ", "hour.private is new: True (tighter)"),
    (S, "  hour: {", "  hour: {private: hash, ", "hour.private is new: hash (tighter)"),
    (D, "desc: Fit the model", "desc: Learn the model", "the stage train is changed"),
    (D, "\nplots:", "  mine:\n    cmd: echo\n    outs: [data/mine]\n\nplots:",
     "the stage mine is new"),
    (D, "template: confusion", "template: linear", "dvc.yaml is changed, but says the same"),
    ("Makefile", "", "all:\n", "Makefile is changed"),
    ("pyproject.toml", "pipeline = 2", "pipeline = 3", "pyproject.toml is changed"),
    ("uv.lock", "", "other\n", "uv.lock is changed"),
    ("Dockerfile", "FROM", "FROM evil AS x\nFROM", "Dockerfile is changed"),
    (".dvc/config", "", "[core]\n", ".dvc/config is changed"),
    (".dvcignore", "", "*\n", ".dvcignore is changed"),
    (".mlgitops.yaml", "", "x\n", ".mlgitops.yaml is changed"),
    (".pre-commit-config.yaml", "", "repos: []\n", ".pre-commit-config.yaml is changed"),
    (".github/CODEOWNERS", "", "* @eve\n", ".github/CODEOWNERS is changed"),
    (".github/workflows/judge.yml", "", "on: push\n", ".github/workflows/judge.yml is changed"),
    (".github/workflows/mine.yml", "", "on: push\n", ".github/workflows/mine.yml is changed"),
    (".github/rulesets/main.json", "", "{}\n", ".github/rulesets/main.json is changed"),
    ("vendor/mlgitops/a.py", "", "x = 2\n", "vendor/mlgitops/a.py is changed"),
    ("vendor/mlgitops/b.py", "", "x = 2\n", "vendor/mlgitops/b.py is changed"),
    ("deploy/base/deployment.yaml", "", "x: 1\n", "deploy/base/deployment.yaml is changed"),
    ("deploy/base/more.yaml", "", "x: 1\n", "deploy/base/more.yaml is changed"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new", "said"), TOLD)
def test_a_changed_rule_is_told_in_one_line(project, path, old, new, said):
    edit(path, old, new)
    found = rule_changes("main")
    line, *more = found
    assert said in line
    assert all(one.startswith(path) for one in more)
    if path in (G, D):
        load_rules()  # it is a rule that somebody may want, and approve
    git(project, "add", "--all", "--force")
    tree = git(project, "write-tree")
    head = git(project, "commit-tree", tree, "-p", "HEAD", "-m", "Change")
    git(project, "reset", "--quiet")
    assert rule_changes("main", head) == found


def test_a_column_that_is_private_no_more_is_told_as_looser(project):
    edit(S, "  hour: {", "  hour: {private: true, ")
    git(project, "commit", "--quiet", "--all", "--message", "Private")
    for new, said in (("hash", "True → hash"), ("false", "True → False")):
        edit(S, "private: true", f"private: {new}")
        assert rule_changes("HEAD") == [f"schema.yaml: hour.private: {said} (looser)"]
        edit(S, f"private: {new}", "private: true")
    git(project, "reset", "--quiet", "--hard", "HEAD~1")


# What no approval lets through: the file says what cannot judge.
REFUSED = [
    (G, "confidence: 0.95", "confidence: 0.0001", "gate.confidence"),
    (G, "samples: 1000", "samples: 1", "gate.bootstrap_samples"),
    (G, "min_rows: 30", "min_rows: 1000000000", "gate.slices.min_rows"),
    (G, "{tolerance: 0.05}", "{tolerance: 1.0e+9}", "gate.champion.tolerance"),
    (G, "model_mb: 50", "model_mb: 50000000", "gate.budget.model_mb"),
    (G, "p50_ms: 20", "p50_ms: 20000000", "gate.budget.p50_ms"),
    (G, "p99_ms: 100", "p99_ms: .inf", "gate.budget.p99_ms"),
    (G, "test_share: 0.2", "test_share: 0.001", "split.test_share"),
    (G, "test_share: 0.2", "test_share: 0.99", "split.test_share"),
    (G, "tolerance: 0.0001", "tolerance: 10", "parity.tolerance"),
    (G, "max_differing: 0.001", "max_differing: 1", "parity.max_differing"),
    (G, "max_flipped: 0.001", "max_flipped: 1", "parity.max_flipped"),
    (G, "rows: 20000", "rows: 1", "parity.rows"),
    (G, "max_slices: 20", "max_slices: 1", "evaluate.max_slices"),
    (G, "max_duplicates: 0.5", "max_duplicates: 100", "validate.max_duplicates"),
    (G, "max_missing: 0.5", "max_missing: 1", "validate.max_missing"),
    (G, "share: 0 #", "share: 2 #", "log.share"),
    (G, "cooldown_days: 7", "cooldown_days: 7\nmore: {x: 1}", "more is no section"),
    (G, "cooldown_days: 7", "cooldown_days: 7\n  more: 1", "retrain.more"),
    (G, "permutations: 999", "permutations: 200", "needs permutations: 300"),
    (G, "minimum: {log_loss: dummy}", "minimum: {log_loss: .nan}", "gate.minimum"),
    (S, "task: binary", "task: binary\nmore: 1", "more"),
    (S, "origin: {type", "origin: {more: 1, type", "more"),
    (D, "cmd: mlgitops validate", "cmd: 'true'", "its command must be"),
    (D, "cmd: mlgitops train", "cmd: mlgitops train\n    frozen: true", "frozen"),
    (D, "cmd: mlgitops train", "cmd: mlgitops train\n    always_changed: true", "always_changed"),
    (D, "deps: [data/train.parquet, schema.yaml, src/ml]", "deps: [data/train.parquet]", "reads"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new", "said"), REFUSED)
def test_what_cannot_judge_is_refused_and_told_too(project, path, old, new, said):
    load_rules()
    edit(path, old, new)
    with pytest.raises(UserError, match=re.escape(said)):
        load_rules()
    assert rule_changes("main")


# What a change tries: no rule, so no approval for it.
CONTENT = [
    ("params.yaml", "learning_rate: 0.1", "learning_rate: 0.2"),
    ("src/ml/features.py", "FEATURES = ()", "FEATURES = (None,)"),
    ("src/ml/new.py", "", "x = 1\n"),
    ("tests/test_mine.py", "", "x = 1\n"),
    ("README.md", "", "words\n"),
    ("docs/mine.md", "", "words\n"),
    ("dvc.lock", "", "schema: '2.0'\n"),
    ("artifacts/metrics.json", "", "{}\n"),
    ("data/raw.parquet.dvc", "", "outs: []\n"),
    (RELEASED, "", "IMAGE=x\n"),
    ("Makefile.md", "", "words\n"),
    ("gate.yaml.md", "", "words\n"),
    ("schema.yaml", "left_out: {}", "left_out: {tail: an identifier}"),
]


@pytest.mark.parametrize(("path", "old", "new"), CONTENT)
def test_content_is_no_rule(project, path, old, new):
    edit(path, old, new)
    assert rule_changes("main") == []


def test_a_column_that_is_left_out_is_content_and_its_rule_goes_with_it(project):
    edit(S, "  distance_miles: {type: integer, range: [0, 6000]}\n", "")
    edit(S, "left_out: {}", "left_out: {distance_miles: tried without}")
    assert rule_changes("main") == []


def test_the_worst_is_first_and_nothing_is_cut(project):
    edit(G, "confidence: 0.95", "confidence: 0.8")
    edit(G, "p99_ms: 100", "p99_ms: 50")
    edit(G, "seed: 0", "seed: 1")
    edit("Makefile", "", "all:\n")
    for number in range(400):
        edit(f"vendor/mlgitops/m{number}.py", "", "x = 1\n")
    found = rule_changes("main")
    assert found[0] == "gate.yaml: gate.confidence: 0.95 → 0.8 (looser)"
    assert [one.endswith("(tighter)") for one in found[:3]] == [False, False, True]
    assert len(found) == 3 + 1 + 400


@pytest.mark.parametrize("text", ["", "[1, 2]", "{{{", "a: &a [*a, *a]\n", "\x00", "- x"])
@pytest.mark.parametrize("path", [G, S, D])
def test_a_file_that_cannot_be_read_is_told(project, path, text):
    edit(path, "", text)
    (line, *_) = rule_changes("main")
    assert path in line


@pytest.mark.parametrize("path", [G, S, D])
def test_a_file_that_is_gone_is_told(project, path):
    Path(path).unlink()
    (line, *_) = rule_changes("main")
    assert path in line


def test_nothing_changed_says_nothing(project):
    assert rule_changes("main") == []
    assert rule_changes("nowhere") == []


SLICES = [
    {"column": "origin", "value": "EWR", "rows": 90},
    {"column": "origin", "value": "JFK", "rows": 40},
    {"column": "carrier", "value": "AA", "rows": 31},
    {"column": "carrier", "value": "B6", "rows": 12},
]


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (G, "min_rows: 30", "min_rows: 1000", "slices judged: 3 → 0 (looser)"),
        (G, "min_rows: 30", "min_rows: 40", "slices judged: 3 → 2 (looser)"),
        (G, "min_rows: 30", "min_rows: 10", "slices judged: 3 → 4 (tighter)"),
        (G, "min_rows: 30", "min_rows: 25", None),
        (S, "slices: [origin, carrier]", "slices: [carrier]", "slices judged: 3 → 1 (looser)"),
        (S, "slices: [origin, carrier]", "slices: []", "slices judged: 3 → 0 (looser)"),
        (G, "slices: {min_rows: 30, limit: dummy}", "slices: 3", "slices judged: 3 → 0 (looser)"),
    ],
)
def test_fewer_slices_that_are_judged_are_told_first(project, path, old, new, said):
    edit("artifacts/slices.json", "", json.dumps(SLICES))
    git(project, "add", "--force", "artifacts")
    git(project, "commit", "--quiet", "--message", "Measure")
    edit(path, old, new)
    first, *rest = rule_changes("HEAD")
    git(project, "reset", "--quiet", "--hard", "main")
    assert first == said if said else not first.startswith("slices judged")
    assert rest or not said


OLD = """
gate: {metric: log_loss, minimum: {log_loss: dummy}, confidence: 0.95}
prepare: {split: time, test_share: 0.3, seed: 7}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("confidence: 0.95", "confidence: 0.8", "gate.confidence: 0.95 → 0.8, in params.yaml (lo"),
        ("dummy", "1000", "gate.minimum.log_loss: dummy → 1000, in params.yaml (looser)"),
        ("test_share: 0.3", "test_share: 0.1", "split.test_share: 0.3 → 0.1, in params.yaml (lo"),
        ("split: time", "split: random", "split.by: time → random, in params.yaml"),
        (", confidence: 0.95", "", "gate.confidence is removed (it was 0.95) (looser)"),
    ],
)
@pytest.mark.parametrize("rules", [None, "validate: {min_rows: 20}\n"])
def test_a_limit_that_an_older_project_has_in_params_is_a_rule(project, rules, old, new, said):
    Path("gate.yaml").write_text(rules) if rules else Path("gate.yaml").unlink()
    edit("params.yaml", "", OLD)
    git(project, "commit", "--quiet", "--all", "--message", "Older")
    edit("params.yaml", "prepare:", "train: {rate: 1}\nprepare:")
    assert rule_changes("HEAD") == []
    edit("params.yaml", old, new)
    found = rule_changes("HEAD")
    git(project, "reset", "--quiet", "--hard", "main")
    assert len(found) == 1
    assert said in found[0]
    assert found[0].startswith("gate.yaml: ")


def test_a_limit_that_moves_to_gate_yaml_says_the_same(project):
    text = Path("gate.yaml").read_text("utf-8")
    section = "split: {by: time, test_share: 0.2, seed: 0}\n"
    before, _, rest = text.partition("\nsplit:")
    Path("gate.yaml").write_text(before + "\nparity:" + rest.partition("\nparity:")[2], "utf-8")
    edit("params.yaml", "", section)
    git(project, "commit", "--quiet", "--all", "--message", "Older")
    edit("gate.yaml", "", text)
    edit("params.yaml", "", "train: {}\n")
    found = rule_changes("HEAD")
    git(project, "reset", "--quiet", "--hard", "main")
    assert found == ["gate.yaml is changed, but says the same"]


def test_every_rule_has_an_owner():
    lines = (PROJECT / ".github/CODEOWNERS").read_text("utf-8").splitlines()
    owned = [line.split()[0] for line in lines if "@" in line and not line.startswith("#")]
    assert sorted(owned) == sorted(FILES)


# What a program reads instead of, or beside, a file of the rules.
INSTEAD = (
    "GNUmakefile", "makefile", "uv.toml", ".python-version", ".venv/bin/zizmor",
    ".venv/lib/python3.13/site-packages/sitecustomize.py", "ruff.toml", ".ruff.toml",
    "src/ml/ruff.toml", "src/pyproject.toml", "mypy.ini", ".mypy.ini", "setup.cfg", "tox.ini",
    "pytest.ini", ".pytest.ini", "pytest.toml", "conftest.py", "zizmor.yml", ".dockerignore",
    "Dockerfile.dockerignore", ".gitea/workflows/x.yml", ".forgejo/workflows/x.yml", ".gitea",
    ".dvc/config.local", ".dvc/plots/x.json", "data/.dvcignore", "data/dvc.yaml", "CODEOWNERS",
    "docs/CODEOWNERS", ".gitattributes", "src/.gitattributes", ".gitmodules",
)  # fmt: skip


@pytest.mark.parametrize("path", INSTEAD)
def test_what_a_program_reads_instead_of_a_rule_is_told(project, path):
    edit(path, "", "x\n")
    git(project, "add", "--all", "--force")
    (line,) = rule_changes("main")
    git(project, "reset", "--quiet", "--hard")
    assert line == f"{path} is changed"


def test_a_name_inside_another_is_no_rule():
    for path in ("src/Makefile", "src/ml/conftest.py", "docs/gate.yaml", "my-pyproject.toml"):
        assert place(path) is None, path


COLUMN = "  distance_miles: {type: integer, range: [0, 6000]}\n"
W = ".github/workflows"
RULES = "needs approval"
# A change of the kind that people make: its edits, how many rules it alters, whether it passes.
LEGITIMATE = {
    "a new column": ([(S, COLUMN, COLUMN + "  wind: {type: number}\n")], 1, RULES),
    "a new season": ([("data/raw.parquet.dvc", "", "outs: [{md5: x, path: raw.parquet}]\n")], 0,
                     "passed"),
    "a new carrier": ([(S, "[EWR, JFK, LGA]", "[EWR, JFK, LGA, HPN]")], 1, RULES),
    "a category in a wider range": ([(S, "[0, 6000]", "[0, 9000]")], 1, RULES),
    "a missing word": ([(S, "origin: {type", "origin: {missing: [n/a], type")], 1, RULES),
    "a column left out": ([(S, COLUMN, ""), (S, "left_out: {}", "left_out: {distance_miles: x}")],
                          0, "passed"),
    "a column used again": ([(S, COLUMN, ""), (S, "left_out: {}", "left_out: {distance_miles: x}"),
                             "commit", (S, "  hour:", COLUMN + "  hour:"),
                             (S, "left_out: {distance_miles: x}", "left_out: {}")], 2, RULES),
    "another slice": ([(S, "slices: [origin, carrier]", "slices: [origin, carrier, hour]")], 1,
                      RULES),
    "a limit tightened": ([(G, "p99_ms: 100", "p99_ms: 50")], 1, RULES),
    "a limit of a class": ([(G, MINIMUM, "{log_loss: dummy, recall: {yes: 0.5}}")], 1, RULES),
    "a limit of an own metric": ([(G, MINIMUM, "{log_loss: dummy, cost: {at_most: 5}}"),
                                  ("src/ml/metrics.py", "", "METRICS = ()\n")], 1, RULES),
    "a longer cool-down": ([(G, "cooldown_days: 7", "cooldown_days: 30")], 1, RULES),
    "another time of retraining": ([(f"{W}/retrain.yml", "17 4 * * 1", "17 4 1 * *")], 1, RULES),
    "a new owner": ([(".github/CODEOWNERS", "/gate.yaml ", "/gate.yaml @ada ")], 1, RULES),
    "a person alone": ([(G, "by: review", "by: comment")], 1, RULES),
    "a stage added": ([(D, "\nplots:", "  mine:\n    cmd: python mine.py\n    outs: [data/mine]\n"
                        "\nplots:"), ("mine.py", "", "x = 1\n")], 1, RULES),
    "a dependency of a stage": ([(D, "deps: [data/train.parquet, schema.yaml, src/ml]",
                                  "deps: [data/train.parquet, schema.yaml, src/ml, w.csv]")], 1,
                                RULES),
    "a package": ([("pyproject.toml", '"ruff>', '"holidays>=0.60,<1",\n  "ruff>'),
                   ("uv.lock", "", "more\n")], 2, RULES),
    "an update of packages": ([("uv.lock", "", "newer\n")], 1, RULES),
    "a newer action": ([(f"{W}/check.yml", "# v7.0.1", "# v7.0.2")], 1, RULES),
    "a page": ([("docs/mine.md", "", "words\n"), ("README.md", "", "words\n")], 0, "passed"),
    "a parameter": ([("params.yaml", "learning_rate: 0.1", "learning_rate: 0.05")], 0, "passed"),
    "a feature": ([("src/ml/features.py", "FEATURES = ()", "FEATURES = (len,)")], 0, "passed"),
    "a module": ([("src/ml/calendar.py", "", "x = 1\n")], 0, "passed"),
    "a test": ([("tests/test_mine.py", "", "x = 1\n"), ("tests/conftest.py", "", "")], 0, "passed"),
    "a notebook": ([("notebooks/look.ipynb", "", "{}\n"), (".gitignore", "", "/tmp\n")], 0,
                   "passed"),
    "more data beside it": ([("data/weather.parquet.dvc", "", "outs: [{path: weather.parquet}]\n")],
                            0, "passed"),
    "a release to staging": ([(RELEASED, "", "IMAGE=x\n")], 0, "passed"),
    "a promotion": ([("deploy/production/release.env", "", "IMAGE=x\n")], 0, "passed"),
    "more replicas": ([("deploy/production/kustomization.yaml", "", "replicas: []\n")], 1, RULES),
    "a dashboard": ([("prometheus/dashboards/mine.json", "", "{}\n")], 0, "passed"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEGITIMATE)
def test_what_people_change_passes_or_needs_one_approval(project, name):
    """Nothing is refused; a verdict has one state, so however many rules, one approval is all."""
    edits, rules, state = LEGITIMATE[name]
    base = "main"
    for one in edits:
        if one == "commit":
            git(project, "commit", "--quiet", "--all", "--message", "Before")
            base = git(project, "rev-parse", "HEAD").strip()
        else:
            edit(*one)
    git(project, "add", "--all", "--force")
    try:
        load_rules()
        found = rule_changes(base)
    finally:
        git(project, "reset", "--quiet", "--hard", "main")
    passing = {"checks": [{"kind": "minimum", "name": "log_loss", "reason": "", "passed": True}]}
    decision = decide(passing, passing, found)
    assert len(found) == rules, found
    assert decision.state == state
    assert decision.reasons == ([f"{RULES_CHANGED}: {rules}"] if rules else [])


def test_the_table_of_what_people_change_is_long():
    assert len(LEGITIMATE) >= 25
    assert {state for _, _, state in LEGITIMATE.values()} == {"passed", RULES}
