"""Plots as pictures, from the points that a commit holds."""

import pytest
from mlgitops.tracking.pictures import pictures

STAGES = """
plots:
  - artifacts/plots/roc.json: {template: simple, x: fpr, y: tpr, title: ROC}
  - artifacts/plots/confusion.json: {template: confusion, x: actual, y: predicted}
  - artifacts/plots/mine.json:
"""
ROC = '[{"fpr": 0, "tpr": 0}, {"fpr": null, "tpr": 0.5}, {"fpr": 1, "tpr": 1}]'
PAIRS = '[{"actual": "a", "predicted": "b"}, {"actual": "a", "predicted": "a"}]'
PNG = b"\x89PNG\r\n\x1a\n"


def test_each_plot_with_points_is_a_picture():
    texts = {
        "artifacts/plots/roc.json": ROC,
        "artifacts/plots/confusion.json": PAIRS,
        "artifacts/plots/importance.json": '[{"column": "x", "loss": 0.1}]',
        "artifacts/plots/classes.json": "[]",
    }
    found = pictures(STAGES, texts)
    assert set(found) == {"plots/roc.png", "plots/confusion.png", "plots/importance.png"}
    assert all(picture.startswith(PNG) for picture in found.values())
    assert len(set(found.values())) == 3


def test_the_same_points_give_the_same_bytes_and_others_do_not():
    def roc(points: str) -> bytes:
        return pictures(STAGES, {"artifacts/plots/roc.json": points})["plots/roc.png"]

    assert roc(ROC) == roc(ROC)
    assert roc(ROC) != roc(ROC.replace("0.5", "1").replace("null", "0.25"))


@pytest.mark.parametrize("stages", ["", "plots:\n  - artifacts/plots/roc.json\n"])
def test_a_plot_that_dvc_does_not_describe_is_no_picture_or_an_empty_one(stages):
    found = pictures(stages, {"artifacts/plots/roc.json": ROC})
    assert set(found) <= {"plots/roc.png"}
