"""`make monitor`: has what production sees moved away from what the model was made of."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from mlgitops.core import paths
from mlgitops.core.errors import UserError
from mlgitops.core.files import replacing, write_json
from mlgitops.data import contract
from mlgitops.data.schema import Column
from mlgitops.monitoring import (
    calibration,
    drift,
    estimate,
    limits,
    log,
    page,
    predictions,
    quality,
    reference,
)
from mlgitops.monitoring.drift import Finding, Tables
from mlgitops.monitoring.estimate import FEWEST, Estimate, Known
from mlgitops.monitoring.limits import Monitor
from mlgitops.monitoring.log import Rows, Window
from mlgitops.monitoring.outcome import Coverage, Outcome
from mlgitops.monitoring.reference import Reference
from mlgitops.monitoring.sample import Sample
from mlgitops.releases import release_env
from mlgitops.reporting.markdown import render
from mlgitops.training.exported_model import Predictions
from mlgitops.training.features import inputs, target

DRIFT = 3  # the exit code; 1 is an error, 2 wrong usage
MOST = 20  # columns without drift that the report lists


def monitor(
    places: Annotated[
        list[str], typer.Argument(metavar="LOG", help="The log's folder; or files, patterns.")
    ],
    commit: Annotated[
        str, typer.Option(help="Compare with the data of this commit, not of the release.")
    ] = "",
    since: Annotated[
        str, typer.Option(help="A date: the first of the log; else gate.yaml: monitor.days.")
    ] = "",
) -> None:
    """Compare a prediction log, or a table, with the data that the released model was made of.

    Writes build/monitor.md, .html (with plots) and .json (for programs). Exit 3 if there is drift.
    """
    found = look(places, commit, since)
    print(f"{found.reason}\n{paths.MONITOR_PAGE} shows more")
    if found.drifts:
        raise typer.Exit(DRIFT)


def look(places: Sequence[str], commit: str = "", since: str = "") -> Outcome:
    """What can be said of a log or a table; written to build/ for people and programs."""
    if not any(places):
        raise UserError("say what to look at: make monitor LOG=folder-or-file")
    p = limits.load()
    window = window_of(commit, since, p.days)
    with reference.load(reference.commit_of(commit), p.max_rows, p.seed) as known:
        columns = known.rules.columns
        sample = Sample(p.max_rows, p.seed)
        rows = log.read(log.find(places, window), window, columns, sample)
        found = examine(known, rows, p)
    write(found)
    return found


def window_of(commit: str, since: str, days: int) -> Window:
    """The rows of a log that are looked at: of the release, and new."""
    try:
        start = datetime.fromisoformat(since) if since else None
    except ValueError:
        raise UserError(f"SINCE={since} is no date: write it as 2026-01-31") from None
    start = start or datetime.now(UTC) - timedelta(days=days)
    release = reference.commit_of(commit) if commit or release_env.champion() else None
    return Window(release, start if start.tzinfo else start.replace(tzinfo=UTC))


def examine(known: Reference, rows: Rows, p: Monitor) -> Outcome:
    """What can be said of the rows."""
    skipped, columns = skip(known, rows), comparable(known, rows)
    table, broken = contract.check(rows.inputs, columns)
    answer, given = answers(known, rows, table, broken)
    tables = Tables(known.table, table, known.times(known.table))
    kinds = {name: one.type for name, one in columns.items() if one.type != "time"}
    features = {name: kind for name, kind in kinds.items() if name != known.rules.target}
    return Outcome(
        commit=known.commit,
        coverage=cover(known, rows, len(tables.sides(p.periods).blocks), skipped),
        columns=drift.compare(tables, kinds, {known.rules.target: "target"}, p),
        predictions=compare_answers(known, answer, p),
        whole=drift.together(tables, features, p),
        quality=quality.lines(broken, len(table)),
        min_rows=p.min_rows,
        days=days(rows),
        estimate=estimate_metrics(known, answer, given, p),
    )


def days(rows: Rows) -> np.ndarray | None:
    """The day of each row of a log; None of a table."""
    if not rows.is_log:
        return None
    return np.asarray(rows.about["time"].dt.strftime("%Y-%m-%d"), dtype="str")


def comparable(known: Reference, rows: Rows) -> dict[str, Column]:
    """The columns that both sides have; of a log, those that the model sees."""
    there = known.rules.features if rows.is_log else known.rules.columns
    return {name: one for name, one in there.items() if name in rows.inputs and not is_private(one)}


def is_private(column: Column) -> bool:
    """Whether the log has a hash of the values at most, and so nothing to compare."""
    return bool(column.private)


def skip(known: Reference, rows: Rows) -> tuple[str, ...]:
    """The features that are not compared, with the reason."""
    if not len(rows.inputs):
        return ()
    compared, where = comparable(known, rows), "the log" if rows.is_log else "the table"
    return tuple(
        f"{name}: {'private' if is_private(one) else f'not in {where}'}"
        for name, one in known.rules.features.items()
        if name not in compared
    )


def cover(known: Reference, rows: Rows, periods: int, skipped: tuple[str, ...]) -> Coverage:
    """How much was compared."""
    times = rows.about["time"].dropna() if rows.is_log else pd.Series(dtype="object")
    first, last = (str(times.min())[:10], str(times.max())[:10]) if len(times) else ("", "")
    return Coverage(
        rows=rows.seen,
        sample=len(rows.inputs),
        reference_rows=known.total,
        reference_sample=len(known.table),
        others=rows.others,
        skipped=skipped,
        first=first,
        last=last,
        periods=periods,
    )


def answers(
    known: Reference, rows: Rows, table: pd.DataFrame, broken: pd.DataFrame
) -> tuple[Predictions, pd.DataFrame]:
    """What the model answered, and the inputs of that: of a log its own rows, of a table all whole.

    None of a table that lacks a feature.
    """
    labels, features = known.exported.signature.labels, known.exported.signature.columns
    if rows.is_log:
        own = (rows.about["model"] == known.model).to_numpy("bool")
        return predictions.answers_of(rows.about[own], labels), table[own]
    if not set(features) <= set(table) or table.empty:
        return known.answer.take(np.array([], dtype="int64")), table.head(0)
    whole = table.drop(index=broken["row"].unique(), errors="ignore")
    return known.exported.predict(inputs(whole, features)), whole


def compare_answers(known: Reference, answer: Predictions, p: Monitor) -> list[Finding]:
    """Whether the answers moved away from those for the test set, which the model never saw.

    Its answers for training rows would be too sure.
    """
    labels = known.exported.signature.labels
    kinds = predictions.kinds(labels)
    before = predictions.table(known.answer, labels)
    tables = Tables(before, predictions.table(answer, labels), known.times(known.test))
    return drift.compare(tables, kinds, dict.fromkeys(kinds, "prediction"), p)


def estimate_metrics(
    known: Reference, answer: Predictions, given: pd.DataFrame, p: Monitor
) -> Estimate:
    """How well the model does on the rows, as far as its own probabilities tell."""
    features = known.exported.signature.columns
    kinds = {name: one.type for name, one in features.items() if name in given}
    actual = target(known.test, known.rules).to_numpy()
    parts = calibration.parts(
        known.times(known.test), len(actual), min(len(actual) // FEWEST, p.periods)
    )
    test = Known(known.answer, actual, known.exported.signature.labels, parts)
    return estimate.estimate(test, answer, estimate.unlike(known.table, given, kinds), p)


def write(found: Outcome) -> None:
    """The outcome for people and for a workflow."""
    write_json(found.plain(), paths.MONITOR)
    with replacing(paths.MONITOR_REPORT) as part:
        part.write_text(render("monitor.md.j2", outcome=found, most=MOST), encoding="utf-8")
    with replacing(paths.MONITOR_PAGE) as part:
        part.write_text(page.render(found), encoding="utf-8")
