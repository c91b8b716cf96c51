"""How far two distributions are apart, from their counts in the same bins.

Counts are arrays of shape (..., bins): a measure is taken over the last axis, so that many
permutations are measured at once. Each is 0 for equal shares.
"""

import numpy as np

SMOOTHING = 0.5  # rows added to each bin: an empty one would make PSI infinite


def psi(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The population stability index: sum of (q - p) * ln(q / p)."""
    p, q = (smooth_shares(one) for one in (before, now))
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=-1))


def smooth_shares(counts: np.ndarray) -> np.ndarray:
    """Shares of which none is 0."""
    filled = counts + SMOOTHING
    return np.asarray(filled / filled.sum(axis=-1, keepdims=True))


def ks(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Kolmogorov and Smirnov's: the largest distance of the cumulative shares of ordered bins."""
    return np.asarray(np.abs(cumulative(now) - cumulative(before)).max(axis=-1))


def wasserstein(before: np.ndarray, now: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How far a value must move on average, where the bins lie at the points of shape (bins,)."""
    distance = np.abs(cumulative(now) - cumulative(before))[..., :-1]
    return np.asarray((distance * np.diff(points)).sum(axis=-1))


def cumulative(counts: np.ndarray) -> np.ndarray:
    """The share of rows up to each bin; 0 where there are no rows."""
    total = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return np.asarray(np.cumsum(counts, axis=-1) / total)


def new_share(before: np.ndarray, now: np.ndarray) -> float:
    """The share of rows now in bins that had none before; counts of shape (bins,)."""
    return float(now[before == 0].sum() / max(now.sum(), 1))
