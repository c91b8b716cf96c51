"""What chance alone does to the measures: both sides mixed and dealt out again, many times.

All measures of all columns are judged together by the largest of them, so that the chosen rate of
false alarms is one of a whole run, however many columns there are and however they hang together.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mlgitops.monitoring.coding import Coded

# Powers by which each measure becomes nearly normal, whatever its number of bins (Wilson and
# Hilferty): so the largest is comparable between them.
POWERS = {"psi": 1 / 3, "ks": 2 / 3, "wasserstein": 2 / 3}
AT_ONCE = 20  # permutations
Key = tuple[str, str]  # a column and a measure


class Judged(NamedTuple):
    """A measure: what it is, what chance alone would exceed too rarely, what is usual."""

    value: float
    chance: float
    usual: float


def count(columns: Sequence[Coded], rows: np.ndarray) -> list[np.ndarray]:
    """The counts of each column's bins in rows of shape (samples, rows): (samples, bins)."""
    found = []
    for one in columns:
        offset = np.arange(len(rows))[:, None] * one.size
        flat = np.bincount((one.codes[rows] + offset).ravel(), minlength=len(rows) * one.size)
        found.append(flat.reshape(len(rows), one.size))
    return found


def measures(
    columns: Sequence[Coded], rows: np.ndarray, within: np.ndarray
) -> dict[Key, np.ndarray]:
    """Each measure of rows of shape (samples, rows) against the others of `within`."""
    totals = [np.bincount(one.codes[within], minlength=one.size) for one in columns]
    found = {}
    for one, total, now in zip(columns, totals, count(columns, rows), strict=True):
        for name, values in one.measure(total - now, now).items():
            found[one.name, name] = values
    return found


def permutations(
    total: int, rows: int, times: int, chance: np.random.Generator
) -> Iterator[np.ndarray]:
    """Random rows of all, some permutations at a time: (samples, rows)."""
    for start in range(0, times, AT_ONCE):
        some = range(start, min(start + AT_ONCE, times))
        yield np.stack([chance.permutation(total)[:rows] for _ in some])


def limits(null: dict[Key, np.ndarray], rate: float) -> dict[Key, float]:
    """What each measure must exceed: then the largest of all does so at the rate, by chance."""
    largest: np.ndarray | None = None
    scaled = {}
    for key, values in null.items():
        normal = values ** POWERS[key[1]]
        mean, spread = float(normal.mean()), float(normal.std())
        scaled[key] = mean, spread
        if spread > 0:
            score = (normal - mean) / spread
            largest = score if largest is None else np.maximum(largest, score)
    if largest is None:
        return dict.fromkeys(null, 0.0)
    place = int(rate * (len(largest) + 1))
    critical = float(np.sort(largest)[-place])
    return {
        key: max(mean + critical * spread, 0.0) ** (1 / POWERS[key[1]])
        for key, (mean, spread) in scaled.items()
    }


def usual(columns: Sequence[Coded], blocks: Sequence[np.ndarray], before: int) -> dict[Key, float]:
    """The largest of each measure of a part of the reference against the rest of it."""
    within, found = np.arange(before), dict[Key, float]()
    for rows in blocks:
        for key, value in measures(columns, rows[None, :], within).items():
            found[key] = max(found.get(key, 0.0), float(value[0]))
    return found


def parts(times: np.ndarray | None, now: int, most: int) -> list[np.ndarray]:
    """The reference's rows in parts of equal size in time, each about as large as what is new.

    None where there is no time, or too little of it to cut.
    """
    if times is None or most < 2 or len(np.unique(times)) < 2:
        return []
    number = min(max(round(len(times) / max(now, 1)), 4), most)
    order = np.argsort(times, kind="stable")
    return [part for part in np.array_split(order, number) if len(part)]


class Sides(NamedTuple):
    """Rows before and now, and the parts of those before."""

    before: int
    now: int
    blocks: list[np.ndarray]


def judge(
    columns: Sequence[Coded], sides: Sides, rate: float, times: int, seed: int
) -> dict[Key, Judged]:
    """Each measure of the rows now against those before, with what chance and time explain."""
    chance, total = np.random.default_rng(seed), sides.before + sides.now
    everything = np.arange(total)
    found = measures(columns, everything[None, sides.before :], everything)
    samples = [
        measures(columns, rows, everything)
        for rows in permutations(total, sides.now, times, chance)
    ]
    null = {key: np.concatenate([one[key] for one in samples]) for key in found}
    highest = limits(null, rate)
    known = usual(columns, sides.blocks, sides.before)
    return {
        key: Judged(float(value[0]), highest[key], known.get(key, 0.0))
        for key, value in found.items()
    }
