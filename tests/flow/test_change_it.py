"""docs/change-it.md, block by block and verbatim, on a project: each change trains and is checked.

A block is fenced with its language and, where it goes into a file, the file's name. YAML replaces
or adds the keys of a section; Python and CSV are whole files; a diff is applied; sh is typed.
"""

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from baked import PROJECT, run
from ruamel.yaml import YAML
from workflows import AUTHOR

PAGE = (PROJECT / "docs/change-it.md").read_text("utf-8")
BLOCK = re.compile(r"(?ms)^```(\w+)(?: (\S+))?\n(.*?)^```$")


class Block(NamedTuple):
    """A fenced block: its language, the file that it goes into ("" for commands), its text."""

    language: str
    file: str
    text: str


def blocks(heading: str) -> list[Block]:
    """The blocks below a heading of the page."""
    [section] = [part for part in PAGE.split("\n## ")[1:] if part.startswith(f"{heading}\n")]
    found = [Block(*groups) for groups in BLOCK.findall(section)]
    assert found, heading
    return found


def merge(path: Path, text: str) -> None:
    """Put the keys of each section of a YAML text into the file, whose comments stay."""
    yaml = YAML()
    there = yaml.load(path.read_text("utf-8"))
    for section, values in YAML(typ="safe").load(text).items():
        there[section].update(values)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(there, file)


def type_in(commands: str, project: Path) -> str:
    """What the commands print in a shell with the environment activated, and gh at hand."""
    programs = project.parent / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "gh").write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/gh.log"\n')
    (programs / "gh").chmod(0o755)
    path = os.pathsep.join([str(project / ".venv/bin"), str(programs), os.environ["PATH"]])
    return run("bash", "-ec", commands, cwd=project, PATH=path, **AUTHOR)


def apply(block: Block, project: Path) -> None:
    """Do what a reader of the page does with a block."""
    path = project / block.file
    if block.language == "sh":
        type_in(block.text, project)
    elif block.language == "yaml":
        merge(path, block.text)
    elif block.language == "diff":
        (project.parent / "change.diff").write_text(block.text, "utf-8")
        run("git", "apply", "../change.diff", cwd=project)
    else:
        assert block.language in ("python", "csv"), block
        path.write_text(block.text, "utf-8")


def finish(project: Path, message: str) -> str:
    """Train, commit with the hooks at the first try, and check; what training printed."""
    text = type_in("make pipeline", project)
    type_in(f"git add --all && git commit --quiet --message '{message}'", project)
    assert " passed in " in type_in("make check manifests workflows", project)
    assert run("git", "status", "--porcelain", cwd=project) == ""
    return text


def metrics(project: Path) -> dict[str, float]:
    return json.loads((project / "artifacts/metrics.json").read_text("utf-8"))


def test_every_section_with_a_block_is_tried():
    headings = [part.split("\n")[0] for part in PAGE.split("\n## ")[1:] if BLOCK.search(part)]
    assert headings == [
        "Another estimator", "A feature", "A stage", "A second table", "A metric of your own",
        "A secret for training", "Take a part out",
    ]  # fmt: skip


@pytest.mark.nightly
def test_another_estimator(copy):
    linear, package, boosting, pickled = blocks("Another estimator")
    apply(linear, copy)
    assert "LogisticRegression fitted" in finish(copy, "Try a linear model")
    apply(package, copy)
    apply(boosting, copy)
    assert "LGBMClassifier fitted" in finish(copy, "Try LightGBM")
    assert (copy / "artifacts/model/model.onnx").exists()
    apply(pickled, copy)
    assert "artifacts/model: sklearn" in type_in("make pipeline", copy)
    assert (copy / "artifacts/model/model.joblib").exists()


@pytest.mark.nightly
@pytest.mark.parametrize("package", ["xgboost-cpu", "catboost"])
def test_the_other_boosting_libraries(package, copy):
    [row] = [line for line in PAGE.splitlines() if line.startswith("| `") and package in line]
    [estimator] = re.findall(r"`(\{class: .*?\})`", row)
    type_in(f"uv add --quiet --group train {package}", copy)
    apply(Block("yaml", "params.yaml", f"train:\n  estimator: {estimator}\n"), copy)
    assert "Classifier fitted" in finish(copy, f"Try {package}")


def test_a_feature(copy):
    [feature] = blocks("A feature")
    apply(feature, copy)
    finish(copy, "Add a feature")


def test_a_stage(copy):
    for block in blocks("A stage"):
        apply(block, copy)
    assert "Running stage 'importance'" in finish(copy, "Measure importance")
    found = json.loads((copy / "artifacts/importance.json").read_text("utf-8"))
    assert max(found.values()) > 0
    assert "artifacts/importance.json" in run("git", "ls-files", "artifacts", cwd=copy)


@pytest.mark.nightly
def test_a_second_table(copy):
    for block in blocks("A second table"):
        apply(block, copy)
    assert "low_cost" in (copy / "schema.yaml").read_text("utf-8")
    finish(copy, "Join the carriers")


def test_a_metric_of_ones_own_is_demanded_once_main_has_it(copy):
    metric, demand = blocks("A metric of your own")
    run("git", "switch", "--quiet", "--create", "recall", cwd=copy)
    apply(metric, copy)
    apply(demand, copy)
    finish(copy, "Measure and demand recall")
    assert 0 <= metrics(copy)["recall_of_late"] <= 1
    assert "recall_of_late" in type_in("make show", copy)
    assert "main does not have this metric yet" in type_in("make gate", copy)
    run("git", "switch", "--quiet", "main", cwd=copy)
    type_in("git merge --quiet --ff-only recall", copy)
    limit = f"at_least: {metrics(copy)['recall_of_late'] + 0.01}"
    apply(Block("yaml", "gate.yaml", demand.text.replace("at_least: 0.05", limit)), copy)
    refused = run("make", "gate", cwd=copy, fails=True)
    assert re.search(r"minimum +recall_of_late +refused", refused)


def test_a_secret_for_training(copy):
    for block in blocks("A secret for training"):
        apply(block, copy)
    finish(copy, "Give retraining the password")
    log = (copy.parent / "programs/gh.log").read_text("utf-8")
    assert log == "secret set DATA_SOURCE --env release\n"


def test_parts_are_taken_out_one_after_the_other(copy):
    for block in blocks("Take a part out"):
        apply(block, copy)
    finish(copy, "Keep what we use")
    assert "tracker is none" in type_in("make track", copy)
    left = run("git", "ls-files", "deploy", ".github/workflows", "compose.yaml", cwd=copy)
    assert not re.search("argocd|flux|retrain|promote|track|compose", left)
