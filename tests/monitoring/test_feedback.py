"""Labels find their predictions by the id, whatever the order, and give the real metrics."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlgitops.core import paths
from mlgitops.core.errors import UserError
from mlgitops.data import schema
from mlgitops.data.schema import Column, Schema
from mlgitops.data.source import source_of
from mlgitops.monitoring import ground_truth
from mlgitops.monitoring.feedback import feedback
from sklearn.metrics import accuracy_score, log_loss

ROWS = 120
RELEASES = ("a" * 40, "b" * 40)


def lines():
    """Two releases of which the second is better, over four weeks; ids as servers give them."""
    chance = np.random.default_rng(0)
    for k in range(ROWS):
        late = k >= ROWS // 2
        odds = chance.random()
        yield {
            "time": f"2026-03-{2 + k // 5:02}T23:30:00.000Z", "id": f'r"{k // 2}/{k % 2}',
            "model": "m.dir", "release": RELEASES[late],
            "inputs": {"length": 1.5, "count": k % 11, "colour": ["red", "blue"][k % 2], "id": "x"},
            "output": "b" if odds > 0.5 else "a", "scores": {"b": odds, "a": 1 - odds},
            "actual": "b" if chance.random() < (odds if late else 0.5) else "a",
        }  # fmt: skip


@pytest.fixture
def log(project):
    """The log and labels of all rows, in another order."""
    known = list(lines())
    with gzip.open("log.jsonl.gz", "wt", encoding="utf-8") as file:
        for one in known:
            file.write(json.dumps({key: one[key] for key in one if key != "actual"}) + "\n")
    labels = pd.DataFrame([{"id": one["id"], "kind": one["actual"]} for one in known])
    labels.sample(frac=1, random_state=0).to_csv("labels.csv", index=False)
    return known


def join(labels="labels.csv"):
    rules = schema.load()
    found = ground_truth.read_labels(source_of(labels), rules)
    return ground_truth.join([Path("log.jsonl.gz")], found, rules)


def test_the_metrics_of_each_release_are_those_of_its_labels(log, capsys):
    feedback("labels.csv", ["log.jsonl.gz"])
    found = json.loads(paths.FEEDBACK.read_text("utf-8"))
    assert (found["rows"], found["labels"], found["orphans"]) == (ROWS, ROWS, 0)
    whole = {one["release"]: one for one in found["metrics"] if one["part"] == "all"}
    for release in RELEASES:
        own = [one for one in log if one["release"] == release]
        actual = [one["actual"] for one in own]
        expected = log_loss(actual, [[one["scores"][c] for c in "ab"] for one in own])
        assert whole[release]["log_loss"] == pytest.approx(expected, rel=1e-5)
        right = accuracy_score(actual, [one["output"] for one in own])
        assert whole[release]["accuracy"] == pytest.approx(right)
        assert whole[release]["rows"] == ROWS / 2
    assert whole[RELEASES[1]]["log_loss"] < whole[RELEASES[0]]["log_loss"]
    weeks = {one["value"] for one in found["metrics"] if one["part"] == "week"}
    assert weeks == {"2026-03-02", "2026-03-16"}  # the others have fewer than 30 rows
    assert {one["value"] for one in found["metrics"] if one["part"] == "colour"} == {"red", "blue"}
    report = paths.FEEDBACK_REPORT.read_text("utf-8")
    assert "120 of 120 labels" in report
    assert report.count("\n| `aaaaaaa` |") + report.count("\n| `bbbbbbb` |") == len(
        found["metrics"]
    )
    assert "**Not enough data**" in report
    assert "make data SOURCE=build/labelled.parquet APPEND=1" in capsys.readouterr().out


def test_rows_with_labels_have_the_form_of_the_table(log):
    feedback("labels.csv", ["log.jsonl.gz"])
    rows = pd.read_parquet(paths.LABELLED)
    assert list(rows) == ["length", "count", "colour", "kind"]
    assert sorted(rows["kind"]) == sorted(one["actual"] for one in log)
    rules = schema.load()
    timed = rules.model_copy(update={
        "time": "when", "columns": {"when": Column(type="time"), **rules.columns},
    })  # fmt: skip
    assert ground_truth.training_rows(join(), timed)["when"].min() == pd.Timestamp(
        "2026-03-02T23:30Z"
    )


def test_a_request_alone_is_its_row_0_the_last_label_counts_and_others_are_lost(log):
    Path("some.csv").write_text('id,kind\n"r""0",a\n"r""0/0",b\n"r""1/1",a\nnone/0,a\n', "utf-8")
    found = join("some.csv")
    assert found.about["id"].tolist() == ['r"0/0', 'r"1/1']
    assert found.about["actual"].tolist() == ["b", "a"]
    assert (found.labels, found.repeated, found.orphans) == (3, 1, 1)


def test_a_regression_has_its_errors(tmp_path):
    rules = Schema(task="regression", target="y",
                   columns={"x": Column(type="number"), "y": Column(type="number")})  # fmt: skip
    log, labels = tmp_path / "log.jsonl", tmp_path / "labels.parquet"
    one = {"time": "2026-03-02T00:00:00Z", "model": "m", "release": "", "inputs": {"x": 1.0}}
    log.write_text("".join(
        json.dumps({**one, "id": f"r{k}/0", "output": float(k)}) + "\n" for k in range(40)
    ))  # fmt: skip
    pd.DataFrame({"id": [f"r{k}" for k in range(40)], "y": np.arange(40) + 2.0}).to_parquet(labels)
    joined = ground_truth.join(
        [log], ground_truth.read_labels(source_of(str(labels)), rules), rules
    )
    rows = ground_truth.table(joined, ground_truth.classes(joined, rules), (), 30)
    assert [(row["part"], row["mae"]) for row in rows] == [("all", 2), ("week", 2)]


@pytest.mark.parametrize(("text", "said"), [
    ("id,colour\n1,red\n", "labels.csv lacks kind"),
    ("id,kind\n1,c\n", "kind: is not one of a, b"),
    ("id,kind\n1,a\n", "none of 1 labels has its prediction in the log"),
])  # fmt: skip
def test_labels_that_cannot_be_joined_are_refused(log, text, said):
    Path("labels.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        feedback("labels.csv", ["log.jsonl.gz"])
    assert not paths.FEEDBACK.exists()


def test_nothing_said_and_a_table_for_a_log_are_refused(log):
    with pytest.raises(UserError, match="make feedback SOURCE="):
        feedback("", ["log.jsonl.gz"])
    with pytest.raises(UserError, match="make feedback SOURCE="):
        feedback("labels.csv", [""])
    with pytest.raises(UserError, match=r"labels.csv: labels belong to a prediction log"):
        feedback("labels.csv", ["labels.csv"])
