from pathlib import Path

import pytest
from made_project import table
from mlgitops.ci import reproduce
from mlgitops.ci import retrain as module
from mlgitops.ci.retrain import retrain
from mlgitops.core import job_output
from mlgitops.core.errors import UserError
from mlgitops.github import silence

pytestmark = pytest.mark.slow

EIGHT_DAYS = 8 * 86_400


@pytest.fixture
def project_with_source(workspace, monkeypatch, tmp_path):
    """A project with a remembered source; what DVC would do is done without it."""
    calls, output = [], tmp_path / "output"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "page"))

    def dvc(*command):
        calls.append(command[0])
        if command[0] == "repro":
            workspace.run()
        return True

    def data():
        calls.append("data")
        table("binary", rows=300, seed=1).to_parquet("data/raw.parquet", index=False)

    monkeypatch.setattr(reproduce, "dvc", dvc)
    monkeypatch.setattr(reproduce.transfer, "complete", lambda: None)
    monkeypatch.setattr(module, "data", data)
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    Path("somewhere.csv").write_text("a table")
    workspace.set("data.source", "somewhere.csv")
    workspace.set("retrain", {"cooldown_days": 7})
    workspace.commit("Remember")
    return calls, output


def test_within_the_cool_down_nothing_happens(project_with_source, capsys):
    retrain()
    assert project_with_source[0] == []
    assert "the next run is after 7 days" in capsys.readouterr().out
    assert project_with_source[1].read_text() == "changed=false\n"
    assert "Not retrained" in job_output.REPORT.read_text("utf-8")


def test_after_it_the_data_is_read_again_and_the_model_made(project_with_source, monkeypatch):
    now = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + EIGHT_DAYS)
    retrain()
    assert project_with_source[0] == ["pull", "data", "repro", "push"]
    assert project_with_source[1].read_text() == "changed=true\n"
    assert "diff --git a/dvc.lock" in job_output.PATCH.read_text("utf-8")


def test_a_person_does_not_wait_and_says_why(project_with_source):
    retrain(force=True, reason="drift in `g`\n@everyone")
    assert "Retrained because: drift in &#96;g&#96; &#64;" in job_output.REPORT.read_text("utf-8")


def test_the_same_data_proposes_nothing(project_with_source, monkeypatch):
    monkeypatch.setattr(module, "data", lambda: None)
    retrain(force=True)
    assert project_with_source[1].read_text() == "changed=false\n"
    assert not job_output.PATCH.exists()


def test_without_a_source_there_is_nothing_to_do(project_with_source, workspace, capsys):
    workspace.set("data.source", None)
    retrain(force=True)
    assert "no data source is saved" in capsys.readouterr().out
    assert project_with_source[0] == []


@pytest.mark.parametrize("source", ["/elsewhere/table.csv", "../table.csv", "table.parquet"])
def test_a_source_that_one_machine_has_is_idle(project_with_source, workspace, capsys, source):
    workspace.set("data.source", source)
    retrain(force=True)
    assert f"{source}, is a file that is not on this machine" in capsys.readouterr().out
    assert project_with_source[0] == []
    assert project_with_source[1].read_text() == "changed=false\n"
    assert "Not retrained" in job_output.REPORT.read_text("utf-8")


def test_an_address_is_read_wherever_it_is(project_with_source, workspace):
    workspace.set("data.source", "s3://bucket/table.csv")
    retrain(force=True)
    assert project_with_source[0][:2] == ["pull", "data"]


def test_a_failure_is_reported_and_leaves_nothing_else(project_with_source, monkeypatch):
    def fails():
        raise UserError("the table breaks `schema.yaml`")

    monkeypatch.setattr(module, "data", fails)
    with pytest.raises(UserError, match="breaks"):
        retrain(force=True)
    text = job_output.REPORT.read_text("utf-8")
    assert text.startswith("<!-- report -->\n## ❌ Refused")
    assert "the table breaks" in text
    assert [path.name for path in job_output.FOLDER.iterdir()] == ["report.md"]


def test_the_cool_down_is_as_long_as_the_parameter_says(project_with_source, monkeypatch):
    now = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + EIGHT_DAYS)
    assert module.cool_down(7) == ""
    assert module.cool_down(30) != ""
    assert module.cool_down(0) == ""


def commit_training(workspace, monkeypatch, when):
    """A commit of another lock file at a time, on a branch."""
    workspace.git("switch", "--quiet", "--create", "other")
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{when:.0f} +0000")
    Path("dvc.lock").write_text(Path("dvc.lock").read_text() + "# newer\n")
    workspace.commit("Train")


def test_what_other_branches_changed_does_not_count(project_with_source, workspace, monkeypatch):
    later = module.time.time() + EIGHT_DAYS
    commit_training(workspace, monkeypatch, later)
    monkeypatch.setattr(module.time, "time", lambda: later)
    assert module.cool_down(7) == ""


def test_what_a_merge_brings_counts_from_the_merge(project_with_source, workspace, monkeypatch):
    now = module.time.time()
    commit_training(workspace, monkeypatch, now - EIGHT_DAYS)
    workspace.git("switch", "--quiet", "main")
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{now:.0f} +0000")
    workspace.git("merge", "--quiet", "--no-ff", "--message", "Merge", "other")
    monkeypatch.setattr(module.time, "time", lambda: now + EIGHT_DAYS / 4)
    assert "changed 2.0 days ago" in module.cool_down(7)


def test_the_page_of_the_run_says_how_it_ended(
    project_with_source, workspace, monkeypatch, tmp_path
):
    workspace.set("data.source", "`@everyone`")
    retrain()
    assert "not retrained: the data source, &#96;" in (tmp_path / "page").read_text()
    workspace.set("data.source", "somewhere.csv")
    monkeypatch.setattr(module, "data", lambda: None)
    retrain(force=True)
    assert "the gate passes" in (tmp_path / "page").read_text().splitlines()[-1]


def test_outside_of_a_workflow_nobody_is_told(project_with_source, monkeypatch, tmp_path):
    monkeypatch.delenv("GITHUB_OUTPUT")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    retrain()
    assert not Path(project_with_source[1]).exists()
    assert not (tmp_path / "page").exists()


def test_what_drifted_is_a_mark_in_the_proposal(project_with_source):
    retrain(force=True, reason="wind drifted", drift='{"wind KS": 0.4}')
    text = job_output.REPORT.read_text("utf-8")
    assert "Retrained because: wind drifted" in text
    assert silence.parse(silence.MARK.search(text)[1]) == {"wind KS": 0.4}
