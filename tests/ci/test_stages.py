"""dvc.yaml must keep the library's stages; each way to weaken one is refused, and named."""

import copy
import re
import shutil
from pathlib import Path

import pytest
import yaml
from baked import PROJECT
from made_origin import git
from mlgitops.ci import stages
from mlgitops.core.errors import UserError

WHOLE = yaml.safe_load((PROJECT / "dvc.yaml").read_text("utf-8"))


def weaken(change):
    found = copy.deepcopy(WHOLE)
    change(found["stages"])
    return list(stages.faults(found))


def test_the_templates_own_file_is_right():
    assert list(stages.faults(WHOLE)) == []
    stages.check_stages(PROJECT / "dvc.yaml")


WEAKENED = {
    "validate gone": (lambda s: s.pop("validate"), "the stage validate is gone"),
    "train frozen": (lambda s: s["train"].update(frozen=True), "train: frozen lets it claim"),
    "frozen: false": (lambda s: s["train"].update(frozen=False), "train: frozen must not stand"),
    "own stage frozen": (
        lambda s: s.update(mine={"cmd": "true", "outs": ["data/x"], "frozen": True}),
        "mine: frozen",
    ),
    "always_changed": (lambda s: s["export"].update(always_changed=True), "always_changed lets"),
    "persist": (
        lambda s: s["train"].update(outs=[{"artifacts/fitted.joblib": {"persist": True}}]),
        "train: persist keeps",
    ),
    "a command more": (
        lambda s: s["prepare"].update(
            cmd="mlgitops prepare && cp data/train.parquet data/test.parquet"
        ),
        "prepare: its command must be",
    ),
    "a list of commands": (
        lambda s: s["prepare"].update(cmd=["mlgitops prepare", "true"]),
        "prepare: its command must be",
    ),
    "export is a copy": (
        lambda s: s["export"].update(cmd="cp --recursive old artifacts/model"),
        "export: its command must be",
    ),
    "a dependency less": (lambda s: s["train"]["deps"].remove("src/ml"), "train: it reads src/ml"),
    "a parameter less": (
        lambda s: s["prepare"]["params"].remove({"gate.yaml": ["split"]}),
        "prepare: it depends on gate.yaml: split",
    ),
    "no version": (
        lambda s: s["train"].update(params=["train"]),
        "depends on pyproject.toml: tool.mlgitops.pipeline",
    ),
    "an output less": (
        lambda s: s["prepare"]["outs"].remove("data/test.parquet"),
        "prepare: it writes data/test.parquet",
    ),
    "another folder": (lambda s: s["train"].update(wdir="elsewhere"), "train: wdir must not"),
    "a loop": (
        lambda s: s.update(train={"foreach": ["a"], "do": s["train"]}),
        "train: do, foreach must not stand there",
    ),
    "writes the gate": (
        lambda s: s.update(mine={"cmd": "x", "outs": ["gate.yaml"]}),
        "mine: it must not write gate.yaml",
    ),
    "writes the raw table": (
        lambda s: s.update(mine={"cmd": "x", "outs": ["data/raw.parquet"]}),
        "mine: it must not write data/raw.parquet",
    ),
    "writes the whole folder": (
        lambda s: s.update(mine={"cmd": "x", "outs": ["."]}),
        "mine: it must not write .",
    ),
    "writes into the library": (
        lambda s: s.update(mine={"cmd": "x", "outs": [{"vendor/x": {"cache": False}}]}),
        "mine: it must not write vendor/x",
    ),
    "writes what make would read": (
        lambda s: s.update(mine={"cmd": "x", "outs": ["GNUmakefile"]}),
        "mine: it must not write GNUmakefile",
    ),
    "writes programs": (
        lambda s: s.update(mine={"cmd": "x", "outs": [".venv"]}),
        "mine: it must not write .venv",
    ),
    "writes outside": (
        lambda s: s.update(mine={"cmd": "x", "metrics": ["../x.json"]}),
        "mine: it must not write ../x.json",
    ),
}


@pytest.mark.parametrize("name", WEAKENED)
def test_a_weaker_stage_is_named(name):
    change, said = WEAKENED[name]
    assert said in "\n".join(weaken(change))


FINE = {
    "a stage more": lambda s: s.update(
        report={"cmd": "python report.py", "deps": ["data/test.parquet"], "outs": ["data/report"]}
    ),
    "a dependency more": lambda s: s["train"]["deps"].append("data/weights.csv"),
    "an output more": lambda s: s["evaluate"]["outs"].append("artifacts/own.json"),
    "another description": lambda s: s["train"].update(desc="Learn"),
}


@pytest.mark.parametrize("name", FINE)
def test_more_is_fine(name):
    assert weaken(FINE[name]) == []


@pytest.mark.parametrize("document", [None, [], {}, {"stages": []}, {"stages": {"train": None}}])
def test_what_is_no_pipeline_is_refused(document):
    assert list(stages.faults(document))


def test_all_faults_are_told_at_once(tmp_path):
    path = tmp_path / "dvc.yaml"
    found = copy.deepcopy(WHOLE)
    del found["stages"]["validate"]
    found["stages"]["train"]["frozen"] = True
    path.write_text(yaml.safe_dump(found))
    with pytest.raises(UserError, match=r"validate is gone.*frozen"):
        stages.check_stages(path)


POINTED = [
    ("Makefile.dvc", "outs: [{path: GNUmakefile}]", "must not write GNUmakefile"),
    ("data/raw.parquet.dvc", "outs: [{path: ../GNUmakefile}]", "must not write ../GNUmakefile"),
    ("data/x.dvc", "outs: [{path: /tmp/x}]", "must not write /tmp/x"),
    (".venv.dvc", "outs: [{path: .venv}]", "must not write .venv"),
    ("data/x.dvc", "wdir: ..\nouts: [{path: uv.toml}]", "must not write ../uv.toml"),
    ("data/x.dvc", "outs: [{path: .}]", "must not write ."),
]


@pytest.mark.parametrize(("name", "text", "said"), POINTED)
def test_a_pointer_writes_only_what_is_beside_it(clone, name, text, said):
    shutil.copy(PROJECT / "dvc.yaml", ".")
    git(clone, "add", "dvc.yaml")
    Path("data").mkdir()
    Path("data/raw.parquet.dvc").write_text("outs: [{md5: x, path: raw.parquet}]")
    git(clone, "add", "--all")
    stages.check_stages()
    Path(name).write_text(text)
    git(clone, "add", "--all", "--force")
    with pytest.raises(UserError, match=re.escape(said)):
        stages.check_stages()
