"""What production sees is compared, and what moved is told to the next job."""

import json
from pathlib import Path

import pytest
import yaml
from made_project import table
from mlgitops.ci.drift import drift
from mlgitops.core import config, job_output, paths


@pytest.fixture
def output(workspace, monkeypatch, tmp_path):
    """The outputs of the step, where few rows suffice."""
    text = yaml.safe_dump({"monitor": {"min_rows": 40, "permutations": 299}})
    config.RULES.write_text(config.RULES.read_text("utf-8") + text, encoding="utf-8")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    return lambda: dict(
        line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines()[-3:]
    )


def month(shift):
    """Another table of the same kind, in which x has moved."""
    rows = table("binary", seed=5)
    rows.assign(x=rows["x"] + shift).to_csv("month.csv", index=False)
    return "month.csv"


def test_a_month_like_the_others_is_quiet(output, capsys):
    drift(month(0.0))
    assert output()["drift"] == "false"
    assert json.loads(output()["moved"]) == {}
    assert "No drift" in capsys.readouterr().out


def test_a_month_that_moved_is_told_with_what_moved(output, capsys):
    drift(month(3.0))
    assert output()["drift"] == "true"
    assert any(name.startswith("x ") for name in json.loads(output()["moved"]))
    assert "x" in output()["reason"]
    assert job_output.REPORT.read_text("utf-8") == paths.MONITOR_REPORT.read_text("utf-8")
    assert Path("result/monitor.html").read_bytes() == paths.MONITOR_PAGE.read_bytes()
    assert "columns drifted" in capsys.readouterr().out


def test_a_log_that_is_not_there_is_an_error(output):
    with pytest.raises(Exception, match="no log or table there"):
        drift("elsewhere")
    assert not Path("result/report.md").exists()
