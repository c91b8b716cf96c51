"""The outcome as a web page of one file: distributions before and now, worst first."""

from typing import NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from mlgitops.monitoring import effects, svg
from mlgitops.monitoring.coding import OTHER
from mlgitops.monitoring.drift import Finding
from mlgitops.monitoring.outcome import Outcome
from mlgitops.reporting.markdown import figure

BARS = 24  # of a number
CATEGORIES = 10  # that have bars of their own
TAIL = 0.005  # of the rows on each side are drawn at the edge, else one value makes the rest a line
MISSING = "none"  # the label of missing values
DAYS = 31  # points of a line
FEWEST = 30  # rows of a point


class Pair(NamedTuple):
    """Shares before and now, and their labels."""

    before: np.ndarray
    now: np.ndarray
    labels: list[str]


def shares(finding: Finding) -> Pair | None:
    """What is drawn of a column; None of what has no bins."""
    one, before, now = finding.coded, finding.before, finding.now
    if one is None or before is None or now is None or one.size < 2:
        return None
    counts = np.stack([before, now]).astype("float64")
    counts /= np.maximum(counts.sum(axis=1, keepdims=True), 1)
    known, missing = counts[:, :-1], counts[:, -1:]
    if one.points is None:
        found, labels = category_shares(known, list(one.names))
    else:
        found, labels = number_shares(known, one.points)
    if missing.any():
        found, labels = np.hstack([found, missing]), [*labels, MISSING]
    return Pair(found[0], found[1], labels)


def category_shares(known: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
    """The most frequent categories of either side, and the others together."""
    order = np.argsort(-known.max(axis=0), kind="stable")
    first, rest = order[:CATEGORIES], order[CATEGORIES:]
    found, labels = known[:, first], [names[k] for k in first]
    if len(rest):
        found = np.hstack([found, known[:, rest].sum(axis=1, keepdims=True)])
        labels.append(OTHER)
    return found, labels


def number_shares(known: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """A number in bins of equal width; or its values, where these are few."""
    if len(points) <= BARS:
        return known, [f"{point:.4g}" for point in points]
    total = np.cumsum(known.sum(axis=0))
    low, high = (points[np.searchsorted(total, total[-1] * q)] for q in (TAIL, 1 - TAIL))
    edges = np.linspace(low, high if high > low else low + 1, BARS + 1)
    within = np.clip(points, edges[0], edges[-1])
    found = [np.histogram(within, edges, weights=side)[0] for side in known]
    return np.stack(found), [f"{edge:.4g}" for edge in edges[:-1]]


def timeline(finding: Finding, days: np.ndarray | None) -> str:
    """PSI of each day of the log, if there are several with rows enough; else nothing."""
    one, before = finding.coded, finding.before
    if one is None or before is None or days is None or finding.role == "prediction":
        return ""
    codes = one.codes[len(one.codes) - len(days) :]
    names, counts = np.unique(days, return_counts=True)
    names = names[counts >= FEWEST][-DAYS:]
    if len(names) < 2:
        return ""
    values = [
        float(effects.psi(one.by_group(before),
                          one.by_group(np.bincount(codes[days == day], minlength=one.size))))
        for day in names
    ]  # fmt: skip
    labels = [str(day)[5:] for day in names]
    return svg.line(values, labels, f"{finding.name}: PSI of each day")


def picture(finding: Finding) -> str:
    """The distributions of a column as SVG; nothing of what has no bins."""
    pair = shares(finding)
    if pair is None:
        return ""
    return svg.bars(pair.before, pair.now, pair.labels, f"{finding.name}: shares before and now")


def render(outcome: Outcome) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("mlgitops.reporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters["figure"] = figure
    drawn = [(one, picture(one), timeline(one, outcome.days)) for one in outcome.findings]
    drawn.sort(key=lambda one: (not one[0].is_drift, -one[0].worst.ratio))
    return environment.get_template("monitor.html.j2").render(outcome=outcome, drawn=drawn)
