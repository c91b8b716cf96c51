"""The judge reads what a change made, and a process without rights loads its model."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from mlgitops.ci import judge, sandbox
from mlgitops.ci.examine import OUTPUTS, check_model, check_test_rows
from mlgitops.core import job_output, paths
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.git.patch import difference

TEST = paths.TEST


class Change:
    """A branch of the workspace, as the jobs of check.yml leave it to the judge."""

    def __init__(self, workspace):
        self.workspace = workspace

    def hand_over(self, *made):
        """The branch is committed, its outputs lie in result/, and main is checked out."""
        job_output.start()
        if patch := difference(made):
            job_output.write(job_output.PATCH, patch)
            self.workspace.git("stash", "--quiet")
        job_output.write(job_output.VERDICT, b"{}")
        job_output.keep_outputs(OUTPUTS)
        head = repository.head()
        shutil.rmtree("change", ignore_errors=True)
        self.workspace.git("clone", "--quiet", ".", "change")
        self.workspace.git("switch", "--quiet", "main")
        return head

    def judge(self, head="", **more):
        """The verdict in verdict/, and the report."""
        judge.judge(head or self.hand_over(), **more)
        found = json.loads((job_output.JUDGED / "verdict.json").read_bytes())
        return found, (job_output.JUDGED / "report.md").read_text("utf-8")


@pytest.fixture
def change(workspace):
    """Branch `change`, which left main where the model was made."""
    Path(".gitignore").write_text("/change\n/result\n/verdict\n/judged\n/data/*.parquet\n"
                                  "/artifacts/model\n/artifacts/fitted.joblib\n")  # fmt: skip
    workspace.commit("Ignore")
    workspace.git("switch", "--quiet", "--create", "change")
    return Change(workspace)


def test_a_change_of_words_passes(change):
    Path("notes.md").write_text("words")
    change.workspace.commit("Words")
    found, text = change.judge()
    assert (found["state"], found["reasons"]) == ("passed", [])
    assert "✅ Passed" in text


def test_a_changed_rule_needs_an_approval_and_is_named_first(change):
    change.workspace.set("gate.confidence", 0.9)
    change.workspace.commit("Ask for less")
    found, text = change.judge()
    assert found["state"] == "needs approval"
    start = text.split("###")[0]
    assert "This change alters the rules" in start
    assert "gate.confidence: 0.95 → 0.9" in start


def test_a_loosened_limit_does_not_hide_that_main_refuses(change, monkeypatch):
    change.workspace.git("switch", "--quiet", "main")
    change.workspace.set("gate.budget.model_mb", 0.0001)
    change.workspace.commit("Ask for a small model")
    change.workspace.git("switch", "--quiet", "change")
    change.workspace.git("merge", "--quiet", "--no-edit", "main")
    found, _ = change.judge()
    assert found["state"] == "refused"
    change.workspace.git("switch", "--quiet", "change")
    change.workspace.set("gate.budget.model_mb", 50)
    change.workspace.commit("Loosen the limit")
    found, text = change.judge()
    assert found["state"] == "needs approval"
    assert "by main's rules it is refused" in found["reasons"]
    assert "gate.budget.model_mb: 0.0001 → 50" in text


def test_a_refusal_by_its_own_rules_stays_one(change):
    change.workspace.set("gate.budget.model_mb", 0.0001)
    change.workspace.commit("Ask for a small model")
    found, text = change.judge()
    assert found["state"] == "refused"
    assert any(reason.startswith("budget: ") for reason in found["reasons"])
    assert "❌ Refused" in text


def test_other_test_rows_than_the_rule_assigns_are_refused(change):
    Path("notes.md").write_text("words")
    change.workspace.commit("Words")
    head = change.hand_over()
    easy = pd.read_parquet(TEST).head(20)
    easy.to_parquet(job_output.OUTPUTS / TEST, index=False)
    found, text = change.judge(head)
    assert found["state"] == "refused"
    assert "other rows than gate.yaml assigns" in found["reasons"][0]
    assert "other rows than gate.yaml assigns" in text


def test_another_model_than_the_lock_file_names_is_refused(change):
    Path("notes.md").write_text("words")
    change.workspace.commit("Words")
    head = change.hand_over()
    next((job_output.OUTPUTS / paths.MODEL).glob("model.*")).write_bytes(b"another")
    found, _ = change.judge(head)
    assert found["state"] == "refused"
    assert "artifacts/model" in found["reasons"][0]


@pytest.mark.parametrize("name", [TEST, paths.MODEL / "more"])
def test_a_link_in_what_was_handed_over_is_refused(change, name, tmp_path):
    Path("notes.md").write_text("words")
    change.workspace.commit("Words")
    head = change.hand_over()
    place = job_output.OUTPUTS / name
    place.unlink(missing_ok=True)
    place.symlink_to("/etc/passwd")
    found, _ = change.judge(head)
    assert found["state"] == "refused"
    assert "has a link" in found["reasons"][0]


def test_a_link_in_git_is_read_as_a_file_and_nothing_outside_is_written(change, tmp_path):
    secret = tmp_path / "outside"
    secret.mkdir()
    shutil.rmtree("artifacts/plots", ignore_errors=True)
    Path("docs").mkdir(exist_ok=True)
    Path("docs/out").symlink_to(secret)
    change.workspace.commit("Point elsewhere")
    change.judge()
    assert not (judge.TREE / "docs/out").is_symlink()
    assert list(secret.iterdir()) == []


def test_a_patch_of_what_no_pipeline_makes_is_refused(change):
    Path("notes.md").write_text("words")
    change.workspace.commit("Words")
    Path("gate.yaml").write_text(Path("gate.yaml").read_text().replace("0.95", "0.5"))
    found, _ = change.judge(change.hand_over("gate.yaml"))
    assert found["state"] == "refused"
    assert "gate.yaml (only what the pipeline makes)" in found["reasons"][0]
    assert not (job_output.JUDGED / "changes.patch").exists()


def test_a_fork_with_a_stale_lock_file_is_refused(change):
    change.workspace.set("split.seed", 5)
    change.workspace.commit("Split otherwise")
    change.workspace.run()
    head = change.hand_over("dvc.lock", "artifacts/")
    change.workspace.git("branch", "--delete", "--force", "change")
    found, text = change.judge(head)
    assert found["state"] == "refused"
    assert "a fork's check may not commit it" in found["reasons"][-1]
    assert text.startswith("<!-- report -->\n## ❌ Refused")
    assert "In a fork do it yourself" in text


def test_what_was_made_is_judged_and_kept_for_the_branch(change):
    change.workspace.set("split.seed", 5)
    change.workspace.commit("Split otherwise")
    change.workspace.run()
    found, text = change.judge(change.hand_over("dvc.lock", "artifacts/"))
    assert found["state"] == "needs approval"
    assert "split.seed: 0 → 5" in text
    assert (job_output.JUDGED / "changes.patch").exists()


def test_a_check_that_left_nothing_is_refused_with_its_page(change):
    Path("notes.md").write_text("words")
    change.workspace.commit("Words")
    head = change.hand_over()
    shutil.rmtree(job_output.FOLDER)
    found, text = change.judge(head, url="https://host/runs/1")
    assert found["state"] == "refused"
    assert "https://host/runs/1" in text


def test_a_checks_own_words_are_told_where_it_failed(change):
    Path("notes.md").write_text("words")
    change.workspace.commit("Words")
    head = change.hand_over()
    job_output.start()
    job_output.write(job_output.REPORT, b"<!-- report -->\n## no\n\na stage failed")
    found, text = change.judge(head)
    assert found["state"] == "refused"
    assert "a stage failed" in text


SPY = """
import json, os, resource, socket, sys
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=2); reached = True
except OSError:
    reached = False
print(json.dumps([sorted(os.environ), reached, resource.getrlimit(resource.RLIMIT_AS)[0]]))
"""


def test_the_process_that_loads_a_model_has_no_token_no_network_and_a_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("ACTIONS_RUNTIME_TOKEN", "secret")
    with socket.create_server(("127.0.0.1", 0)) as listens:
        script = tmp_path / "spy.py"
        script.write_text(SPY.format(port=listens.getsockname()[1]))
        command = [*sandbox.isolation(), "/usr/bin/env", "python3", str(script)]
        done = subprocess.run(
            command, env=sandbox.environment(str(tmp_path)), capture_output=True, text=True,
            check=True, preexec_fn=sandbox.limit_memory,
        )  # fmt: skip
    names, reached, most = json.loads(done.stdout)
    assert not [name for name in names if "TOKEN" in name or "GITHUB" in name]
    assert reached is (not sandbox.isolation())
    assert most == sandbox.GIGABYTES * 2**30


def test_words_of_the_process_are_no_command_of_the_runner(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sandbox, "isolation", tuple)
    with pytest.raises(UserError, match="CHANGES=: :error") as refused:
        sandbox.run(["ci", "apply", "--changes", "::error::owned"], tmp_path)
    assert "::" not in f"{refused.value}{capsys.readouterr().out}"


def onnx_model(path, domain="", external=False):
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    value = numpy_helper.from_array(np.zeros(3, "float32"), "w")
    if external:
        value.data_location = TensorProto.EXTERNAL
        value.external_data.add(key="location", value="../../../etc/passwd")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    node = helper.make_node("Add", ["x", "w"], ["y"], domain=domain)
    graph = helper.make_graph([node], "g", [x], [y], [value])
    imports = [helper.make_opsetid(domain, 1 if domain else 17)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(helper.make_model(graph, opset_imports=imports).SerializeToString())


@pytest.mark.parametrize(
    ("given", "said"),
    [({"external": True}, "keeps data in other files"), ({"domain": "evil"}, "not ONNX's own")],
)
def test_a_model_that_reaches_outside_is_not_loaded(tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    onnx_model(Path("artifacts/model/model.onnx"), **given)
    with pytest.raises(UserError, match=said):
        check_model()


def test_a_plain_model_is_fine_and_what_is_none_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("artifacts/model/model.onnx")
    onnx_model(path)
    check_model()
    path.write_bytes(os.urandom(100))
    with pytest.raises(UserError, match="is not an ONNX model"):
        check_model()


def test_without_the_raw_table_the_test_rows_cannot_be_checked(workspace):
    paths.RAW.unlink()
    with pytest.raises(UserError, match="was not handed over"):
        check_test_rows()
