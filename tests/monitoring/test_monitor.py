"""`make monitor` on a log and on a table, against the data of a commit."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
import yaml
from made_project import each_task, table
from mlgitops.core import config, paths
from mlgitops.core.errors import UserError
from mlgitops.data import contract, schema
from mlgitops.git import repository
from mlgitops.monitoring.monitor import DRIFT, is_private, monitor
from mlgitops.monitoring.quality import lines
from mlgitops.training import exported_model
from mlgitops.training.features import inputs

NOW = datetime.now(UTC)


@pytest.fixture
def workspace(workspace, monkeypatch):
    """Few permutations, few rows suffice, and no process for the model: the data has 240 rows."""
    text = yaml.safe_dump({"monitor": {"min_rows": 40, "permutations": 299}})
    config.RULES.write_text(config.RULES.read_text("utf-8") + text, encoding="utf-8")
    monkeypatch.setattr(exported_model, "load_isolated", exported_model.load)
    return workspace


def rows_now(task="binary", shift=0.0):
    """Other rows of the same kind."""
    rows = table(task, seed=5)
    return rows.assign(x=rows["x"] + shift)


def write_log(rows, release="", model=None, when=NOW, name="log.jsonl"):
    """The rows as the server would log them."""
    exported = exported_model.load()
    columns = exported.signature.columns
    answer = exported.predict(inputs(rows, columns))
    labels = exported.signature.labels
    model = model or repository.lock("HEAD").model
    with Path(name).open("a", encoding="utf-8") as file:
        for k, row in enumerate(rows[list(columns)].to_dict("records")):
            one = {"time": when.isoformat(), "id": f"r/{k}", "model": model, "release": release,
                   "inputs": row, "output": answer.values[k].item()
                   if isinstance(answer.values[k], np.generic) else answer.values[k]}  # fmt: skip
            if labels is not None:
                chances = answer.probabilities[k].tolist()
                one["scores"] = dict(zip(map(str, labels), chances, strict=True))
            file.write(json.dumps(one) + "\n")
    return name


def look(*places, drift=False, **options):
    """What a run says, and its outcome as JSON; it exits as it should."""
    options = {"commit": "", "since": ""} | options
    if drift:
        with pytest.raises(typer.Exit) as ended:
            monitor(list(places), **options)
        assert ended.value.exit_code == DRIFT == 3
    else:
        monitor(list(places), **options)
    found = json.loads(paths.MONITOR.read_text("utf-8"))
    assert found["drift"] is drift
    return paths.MONITOR_REPORT.read_text("utf-8"), found


@each_task
def test_a_log_like_the_data_is_quiet(workspace, request, capsys):
    report, found = look(write_log(rows_now(request.node.callspec.params["workspace"])))
    assert found["enough"]
    assert found["rows"] == 240
    assert found["columns"] == []
    assert {one["role"] for one in found["findings"]} == {"feature", "prediction", "whole"}
    assert found["reason"] == "No drift in 240 rows: nothing moved beyond its limit"
    assert report.startswith("<!-- monitor -->\n## No drift\n")
    assert found["reason"] in capsys.readouterr().out
    assert found["estimate"]["reason"]  # 48 test rows are too few, and a regression has no scores
    assert "How well the model does now is not known" in report


@each_task
def test_a_log_that_has_moved_is_drift_and_its_predictions_too(workspace, request):
    task = request.node.callspec.params["workspace"]
    report, found = look(write_log(rows_now(task, 1.5)), drift=True)
    assert "x" in found["columns"]
    assert set(found["columns"]) & {"prediction", "probability of b"}
    assert found["reason"].startswith("1 of 3 columns drifted (x: ")
    assert "the predictions drifted" in found["reason"]
    assert "| **drift** `x` |" in report
    assert found["commit"] == repository.head()


def test_a_table_is_compared_before_any_server_exists(workspace):
    rows_now().to_csv("new.csv", index=False)
    _, found = look("new.csv")
    assert {one["name"] for one in found["findings"]} >= {"x", "z", "g", "y", "prediction"}
    rows_now(shift=1.5).drop(columns="z").to_csv("new.csv", index=False)
    report, found = look("new.csv", drift=True)
    assert "Not compared: z: not in the table" in report
    assert "prediction" not in {one["name"] for one in found["findings"]}


def test_few_rows_are_not_enough(workspace):
    report, found = look(write_log(rows_now(shift=5).head(39)))
    assert not found["enough"]
    assert found["reason"].startswith("Not enough data: 39 rows to compare")
    assert "## Not enough data" in report


def test_what_runs_is_what_is_compared(workspace):
    """Rows of another release, of another model or from long ago are not those of this one."""
    commit = repository.head()
    workspace.release(commit, "production")
    workspace.commit("Release")
    rows = rows_now()
    write_log(rows, release=commit)
    write_log(rows_now(shift=9), release="f" * 40)
    write_log(rows_now(shift=9), release=commit, when=NOW - timedelta(days=31))
    write_log(rows.head(60), release=commit, model="other.dir")
    report, found = look("log.jsonl")
    assert found["commit"] == commit
    assert found["coverage"]["others"] == 240
    assert found["rows"] == pytest.approx(300)
    assert "240 rows of another release are left out" in report
    long_ago = str((NOW - timedelta(days=60)).date())
    _, found = look("log.jsonl", drift=True, since=long_ago)
    assert found["rows"] == 540


def test_a_private_column_is_not_compared():
    class Private(schema.Column):
        private: bool | str = False

    assert is_private(Private(type="number", private="hash"))
    assert is_private(Private(type="number", private=True))
    assert not is_private(Private(type="number"))
    assert not is_private(schema.Column(type="number"))


def test_rows_that_break_the_contract_are_counted(workspace):
    rows = rows_now().astype({"g": "object"})
    rows.loc[:23, "g"] = "|new|"
    rows.to_csv("new.csv", index=False)
    report, found = look("new.csv", drift=True)
    assert found["quality"] == ["g: is not one of p, q: 10.00% of the rows, as '|new|'"]
    assert "### Rows that break schema.yaml" in report
    assert "|new|" not in report


def test_broken_rules_are_listed_by_how_often():
    columns = {"a": schema.Column(type="number", range=(0, 1)), "b": schema.Column(type="integer")}
    _, broken = contract.check(pd.DataFrame({"a": [5, 6, None, "x"]}), columns)
    assert lines(broken, 4) == [
        "b: is missing from the table",
        "a: is outside 0 to 1: 50.00% of the rows, as '5.0'",
        "a: is not of type number: 25.00% of the rows, as 'x'",
        "a: has missing values: 25.00% of the rows",
    ]


@pytest.mark.parametrize(("places", "options", "said"), [
    ([""], {}, "make monitor LOG="),
    (["none"], {}, "no log or table there"),
    (["log.jsonl"], {"commit": "none"}, "there is no commit none"),
    (["log.jsonl"], {"since": "yesterday"}, "SINCE=yesterday is no date"),
])  # fmt: skip
def test_what_cannot_be_looked_at_is_refused(workspace, places, options, said):
    with pytest.raises(UserError, match=said):
        look(*places, **options)
    assert not paths.MONITOR.exists()


def test_a_commit_whose_data_is_gone_is_refused(workspace):
    first = repository.head()
    write_log(rows_now())
    workspace.take(table("binary", seed=1))
    workspace.run()
    workspace.commit()
    _, found = look("log.jsonl")
    assert found["commit"] == repository.head()
    for path in Path(".dvc/cache").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(UserError, match=r"data/raw.parquet of .* is not in the store"):
        look("log.jsonl", commit=first)
