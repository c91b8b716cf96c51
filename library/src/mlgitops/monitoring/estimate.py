"""How well a classifier does where no labels have come: from its own probabilities.

They are calibrated on the test set; then each row has an expected loss, whatever its class is
(CBPE). This sees that rows have become harder, and not that the same rows have other classes now.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from mlgitops.monitoring.limits import Monitor
from mlgitops.training.exported_model import Labels, Predictions
from mlgitops.training.losses import Mean, hits_of, metric_of, probabilities_of, row_losses

SAMPLES = 100  # of the test set and of classes, for the interval
SIDES = (2.5, 97.5)  # percentiles
FEWEST = 100  # test rows to calibrate on
SEEN = 0.9  # of the rows: with fewer whose values the reference has, nothing is known
CLIP = 1e-6
NAMES: tuple[Mean, ...] = ("log_loss", "brier", "accuracy")
STEPS, PENALTY = 15, 0.1


class Figure(NamedTuple):
    """A metric: expected, its interval, and what it is on the test set."""

    name: str
    value: float
    low: float
    high: float
    test: float


class Estimate(NamedTuple):
    """The metrics, or the reason why they are not known."""

    figures: tuple[Figure, ...] = ()
    reason: str = ""


class Known(NamedTuple):
    """The test set: what was answered for it, and what was right; its rows in parts by time."""

    answer: Predictions
    actual: np.ndarray
    labels: Labels
    parts: Sequence[np.ndarray] = ()

    def take(self, rows: np.ndarray) -> "Known":
        """Some of the rows, without parts."""
        return Known(self.answer.take(rows), self.actual[rows], self.labels)


def estimate(known: Known, now: Predictions, outside: float, p: Monitor) -> Estimate:
    """The metrics that are to be expected of the answers now; `outside`: `unlike` of their rows."""
    if known.labels is None or now.probabilities is None:
        return Estimate(reason="an error of a regression cannot be told from its predictions")
    now = drop_unknown(now)
    if reason := doubt(known, now, outside, p):
        return Estimate(reason=reason)
    chance = np.random.default_rng(p.seed)
    losses = {name: class_losses(name, now, known.labels) for name in NAMES}
    likely = calibrate(known, now, np.arange(len(known.actual)))
    tries = [try_once(known, now, losses, chance) for _ in range(SAMPLES)]
    wrong = past_errors(known)
    figures = []
    for name, loss in losses.items():
        low, high = np.percentile([one[name] for one in tries], SIDES)
        test = metric_of(name, row_losses(name, known.actual, known.answer, known.labels))
        value = metric_of(name, (likely * loss).sum(axis=1))
        ends = float(low) - wrong[name], float(high) + wrong[name]
        figures.append(Figure(name, value, *ends, test))
    return Estimate(tuple(figures))


def doubt(known: Known, now: Predictions, outside: float, p: Monitor) -> str:
    """Why nothing can be said; "" if something can."""
    if len(now.values) < p.min_rows or len(known.actual) < FEWEST:
        return f"{len(now.values)} predictions and {len(known.actual)} test rows are too few"
    if outside > 1 - SEEN:
        return f"{outside:.0%} of the rows have values that the model's data does not have"
    return ""


def past_errors(known: Known) -> dict[Mean, float]:
    """The largest error of each metric in a part of the test set, estimated by the other parts.

    The same rows may have other classes at another time: so much that has happened before.
    """
    found = dict.fromkeys(NAMES, 0.0)
    for rows in known.parts:
        rest, part = known.take(np.setdiff1d(np.arange(len(known.actual)), rows)), known.take(rows)
        likely = calibrate(rest, part.answer, np.arange(len(rest.actual)))
        for name in NAMES:
            right = row_losses(name, part.actual, part.answer, known.labels)
            guess = (likely * class_losses(name, part.answer, known.labels)).sum(axis=1)
            found[name] = max(found[name], abs(metric_of(name, guess) - metric_of(name, right)))
    return found


def drop_unknown(now: Predictions) -> Predictions:
    """The answers that have probabilities."""
    assert now.probabilities is not None
    return now.take(np.flatnonzero(np.isfinite(now.probabilities).all(axis=1)))


def class_losses(name: Mean, now: Predictions, labels: Labels) -> np.ndarray:
    """What each row loses if it is of a class: shape (rows, classes)."""
    values = [np.full(len(now.values), label, dtype=now.values.dtype) for label in labels or ()]
    return np.column_stack([row_losses(name, one, now, labels) for one in values])


def calibrate(known: Known, now: Predictions, rows: np.ndarray) -> np.ndarray:
    """The probabilities of now as the given test rows correct them: shape (rows, classes).

    Each class by a logistic curve of its log odds; a class that these rows lack stays as it is.
    """
    before, after = (log_odds(probabilities_of(one)) for one in (known.answer, now))
    hits = hits_of(known.actual, known.labels)
    found = probabilities_of(now)
    for k in range(found.shape[1]):
        right = hits[rows, k]
        if right.any() and not right.all():
            found[:, k] = curve(before[rows, k], right, after[:, k])
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def curve(x: np.ndarray, right: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The probabilities at `now` by the logistic curve through x and whether it was right.

    By Newton's steps, since scikit-learn takes tens of milliseconds and hundreds are needed. A
    small penalty keeps it finite where x tells all.
    """
    design, weights = np.column_stack([np.ones_like(x), x]), np.array([0.0, 1.0])
    for _ in range(STEPS):
        chance = expit(design @ weights)
        slope = design.T @ (right - chance) - PENALTY * weights
        bend = (design * (chance * (1 - chance))[:, None]).T @ design + PENALTY * np.eye(2)
        weights = weights + np.linalg.solve(bend, slope).clip(-1, 1)
    return np.asarray(expit(weights[0] + weights[1] * now))


def log_odds(chances: np.ndarray) -> np.ndarray:
    """The logarithm of p / (1 - p)."""
    within = np.clip(chances, CLIP, 1 - CLIP)
    return np.asarray(np.log(within / (1 - within)))


def try_once(
    known: Known, now: Predictions, losses: dict[Mean, np.ndarray], chance: np.random.Generator
) -> dict[str, float]:
    """The metrics for other test rows of the same kind, and classes as these make them likely."""
    rows = chance.integers(0, len(known.actual), len(known.actual))
    likely = np.cumsum(calibrate(known, now, rows), axis=1)
    chosen = (chance.random((len(likely), 1)) > likely[:, :-1]).sum(axis=1)
    each = np.arange(len(likely))
    return {name: metric_of(name, loss[each, chosen]) for name, loss in losses.items()}


def unlike(before: pd.DataFrame, now: pd.DataFrame, kinds: Mapping[str, str]) -> float:
    """The share of rows with a value beyond those before: a number outside, a new category."""
    strange = np.zeros(len(now), dtype=bool)
    for name, kind in kinds.items():
        known, values = before[name].dropna(), now[name]
        if kind in ("number", "integer"):
            numbers = values.to_numpy("float32", na_value=np.nan)
            low, high = (np.float32(end) for end in (known.min(), known.max()))
            strange |= (numbers < low) | (numbers > high)
        else:
            fresh = values.notna() & ~values.astype("str").isin(known.astype("str").unique())
            strange |= fresh.to_numpy("bool")
    return float(strange.mean()) if len(strange) else 0.0
