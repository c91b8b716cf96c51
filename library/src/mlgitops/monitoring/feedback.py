"""`make feedback`: labels that came later, and how well each release did by them."""

import json
from typing import Annotated, Any

import typer

from mlgitops.core import paths
from mlgitops.core.errors import UserError
from mlgitops.core.files import replacing, write_json
from mlgitops.data import schema
from mlgitops.data.schema import Schema
from mlgitops.data.source import source_of
from mlgitops.git import repository
from mlgitops.monitoring import ground_truth, limits, log
from mlgitops.monitoring.ground_truth import Joined
from mlgitops.reporting.markdown import render

SLICE_ROWS = 30  # fewer rows of a week or slice say too little


def feedback(
    source: Annotated[str, typer.Argument(help="A table with the columns id and the target.")],
    places: Annotated[list[str], typer.Argument(metavar="LOG", help="The log's folder, or files.")],
) -> None:
    """Join labels to the predictions of a log by their ids: the metrics of each release.

    Writes build/feedback.md and .json, and build/labelled.parquet: rows for `make data APPEND=1`.
    """
    if not source or not any(places):
        raise UserError("say where labels and log are: make feedback SOURCE=labels.csv LOG=folder")
    rules = schema.load()
    joined = ground_truth.join(
        log.find(places, log.Window()), ground_truth.read_labels(source_of(source), rules), rules
    )
    if not len(joined.about):
        raise UserError(
            f"none of {joined.labels} labels has its prediction in the log: is `id` the request's?"
        )
    write(measure(joined, rules))
    ground_truth.training_rows(joined, rules).to_parquet(paths.LABELLED, index=False)
    print(
        f"{len(joined.about)} of {joined.labels} labels have their prediction; "
        f"{paths.FEEDBACK_REPORT} has the metrics\n"
        f"to train with them: make data SOURCE={paths.LABELLED} APPEND=1"
    )


def measure(joined: Joined, rules: Schema) -> dict[str, Any]:
    """What the report says."""
    labels = ground_truth.classes(joined, rules)
    rows = ground_truth.table(joined, labels, rules.slices, SLICE_ROWS)
    return {
        "rows": len(joined.about),
        "labels": joined.labels,
        "orphans": joined.orphans,
        "repeated": joined.repeated,
        "enough": len(joined.about) >= limits.load().min_rows,
        "metrics": rows,
        "tests": {row["release"]: test_metrics(row["release"]) for row in rows},
    }


def test_metrics(release: str) -> dict[str, Any]:
    """What was measured on the test set of a release; nothing where that is not known."""
    found = repository.text(release, paths.METRICS.as_posix()) if release else None
    return dict(json.loads(found)) if found else {}


def write(facts: dict[str, Any]) -> None:
    """The figures for people and for programs."""
    write_json(facts, paths.FEEDBACK)
    names = [
        name for name in facts["metrics"][0] if name not in ("release", "part", "value", "rows")
    ]
    with replacing(paths.FEEDBACK_REPORT) as part:
        part.write_text(render("feedback.md.j2", names=names, **facts), encoding="utf-8")
