"""How clear a difference between two models is, on the same rows.

Everything rests on losses (training.losses): an array of shape (rows,) for each model. Rows are
drawn again with replacement, the same rows for every model.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, stdtrit

from mlgitops.training.exported_model import Predictions
from mlgitops.training.losses import Labels, Mean, hits_of
from mlgitops.training.metrics import HIGHER_IS_BETTER


class Interval(NamedTuple):
    """Where a figure lies with the confidence that was asked for."""

    low: float
    high: float


def worse(metric: str, one: float, other: float) -> float:
    """How much worse `one` is than `other`, in the unit of the metric; negative if better."""
    return other - one if metric in HIGHER_IS_BETTER else one - other


def resample(losses: np.ndarray, bootstrap_samples: int, seed: int) -> np.ndarray:
    """The mean losses of rows drawn again: (rows, models) → (bootstrap_samples, models)."""
    rows = len(losses)
    chance = np.random.default_rng(seed)
    means = np.empty((bootstrap_samples, losses.shape[1]))
    # How often each row was drawn, instead of the drawn rows: faster, and no more memory.
    for draw in range(bootstrap_samples):
        picked = chance.integers(0, rows, rows)
        means[draw] = np.bincount(picked, minlength=rows) @ losses / rows
    return means


def tail(share: float, rows: int) -> float:
    """The share of the samples that stands for a tail of this share; smaller for few rows.

    Resampled means of few rows lie too close together: Hesterberg's expanded percentiles
    (What Teachers Should Know About the Bootstrap, 2015, section 5.3) make up for it.
    """
    if rows < 2:
        return share
    return float(ndtr(math.sqrt(rows / (rows - 1)) * stdtrit(rows - 1, share)))


def interval(values: np.ndarray, confidence: float, rows: int) -> Interval:
    """The middle share `confidence` of values that were drawn from so many rows."""
    end = tail((1 - confidence) / 2, rows)
    low, high = np.quantile(values, [end, 1 - end])
    return Interval(float(low), float(high))


def fewest(confidence: float) -> int:
    """So many rows are needed before anything can be said with this confidence.

    With fewer, one of two equal models wins every single row too often by chance.
    """
    return math.ceil(math.log2(2 / (1 - confidence)))


def dummy(metric: Mean, known: np.ndarray, rows: int, labels: Labels) -> Predictions:
    """What is answered without looking at a row: the class shares, the mean or the median."""
    if labels is None:
        value = np.median(known) if metric == "mae" else np.mean(known)
        return Predictions(np.full(rows, value, dtype="float64"), None)
    shares = hits_of(known, labels).mean(axis=0)
    chosen = np.asarray(labels, dtype=object)[[int(shares.argmax())] * rows]
    return Predictions(chosen, np.tile(shares, (rows, 1)))
