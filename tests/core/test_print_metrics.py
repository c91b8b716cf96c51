import json
from pathlib import Path

import pytest
from mlgitops.core import print_metrics
from mlgitops.core.errors import UserError

ALL = {"rows": 40, "log_loss": 0.123456, "roc_auc": None}
SLICE = {"column": "colour", "value": "red", "rows": 14, "log_loss": 1.0, "roc_auc": 0.5}


def test_names_stand_left_and_numbers_right():
    assert print_metrics.align(
        [{"name": "a", "n": 1}, {"name": "long", "n": 1.23456}]
    ).splitlines() == [
        "name      n",
        "a         1",
        "long  1.235",
    ]


def test_metrics_and_slices_are_one_table(project, capsys):
    Path("artifacts/metrics.json").write_text(json.dumps(ALL))
    Path("artifacts/slices.json").write_text(json.dumps([SLICE]))
    print_metrics.show()
    assert capsys.readouterr().out.splitlines() == [
        "slice         rows  log_loss  roc_auc",
        "(all rows)      40    0.1235",
        "colour = red    14         1      0.5",
    ]


def test_what_is_shown_fits_a_terminal_whatever_the_names_are(project, capsys):
    metrics = dict.fromkeys(("log_loss", "roc_auc", "f1_macro", "brier", "calibration_error"), 0.1)
    part = {"column": "the colour of its feathers", "value": "red and green and blue" * 9}
    Path("artifacts/metrics.json").write_text(json.dumps({"rows": 40, **metrics}))
    Path("artifacts/slices.json").write_text(json.dumps([{**part, "rows": 14, **metrics}]))
    print_metrics.show()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[2].startswith("the colour of its feathers = ")
    assert lines[2].split()[-1] == "0.1"


def test_before_the_first_run_there_is_nothing_to_show(project):
    with pytest.raises(UserError, match=r"metrics.json is not there: run `make pipeline`"):
        print_metrics.show()
