"""The pipeline version changes when, and only when, a stage writes other bytes."""

import json
import sys

import numpy as np
import pytest
from golden.remake import GOLDEN, environment, outcome, project

KNOWN = json.loads(GOLDEN.read_text("utf-8"))
BUMP = (
    "the stages write other bytes than tests/golden/golden.json says. If that is meant: raise "
    "PIPELINE in library/src/mlgitops/core/pipeline_version.py and tool.mlgitops.pipeline in the "
    "project's pyproject.toml, then `make golden`"
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return project(tmp_path_factory.mktemp("golden"))


def differences(found: dict) -> str:
    """What differs from what is known: nothing, a forgotten bump, or a forgotten file."""
    if found["pipeline"] != KNOWN["pipeline"]:
        return "the pipeline version was raised: make golden"
    other = [path for path, md5 in found["outputs"].items() if md5 != KNOWN["outputs"].get(path)]
    return f"{other}: {BUMP}" if other or set(found["outputs"]) != set(KNOWN["outputs"]) else ""


def test_the_same_versions_make_the_same_bytes(outputs, tmp_path):
    assert differences(outcome(environment(tmp_path / "venv"), outputs)) == ""


def test_other_versions_make_the_same_predictions(outputs):
    found = outcome(sys.executable, outputs)
    assert found["labels"] == KNOWN["labels"]
    np.testing.assert_allclose(found["probabilities"], KNOWN["probabilities"], atol=1e-4)


def test_a_changed_byte_demands_a_bump_and_a_bump_the_file():
    other = {**KNOWN, "outputs": {**KNOWN["outputs"], "artifacts/model": "0" * 32}}
    assert "artifacts/model" in differences(other)
    assert "raise PIPELINE" in differences(other)
    assert differences({**other, "pipeline": KNOWN["pipeline"] + 1}).endswith("make golden")
    assert differences(KNOWN) == ""
