"""Has what production sees moved away from the reference: column by column, and as a whole."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mlgitops.data.profile import round_number
from mlgitops.monitoring import calibration, domain, effects
from mlgitops.monitoring.calibration import Judged, Sides
from mlgitops.monitoring.coding import Coded, code
from mlgitops.monitoring.limits import FAMILIES, Monitor

TOGETHER = "all columns together"
AGAIN = 1.5
BOUNDED = ("ks", "gini")
NAMES = {"psi": "PSI", "ks": "KS", "wasserstein": "Wasserstein", "gini": "2 AUC - 1"}


class Tables(NamedTuple):
    """Rows before and now, of the same columns; the time of those before, if it is known."""

    before: pd.DataFrame
    now: pd.DataFrame
    times: np.ndarray | None = None

    @property
    def fewest(self) -> int:
        """The rows of the smaller side."""
        return min(len(self.before), len(self.now))

    def code(self, kinds: Mapping[str, str]) -> list[Coded]:
        """The columns as bins."""
        return [code(name, kind, self.before[name], self.now[name]) for name, kind in kinds.items()]

    def sides(self, most: int) -> Sides:
        """How many rows there are, and the reference's parts in time."""
        blocks = calibration.parts(self.times, len(self.now), most)
        return Sides(len(self.before), len(self.now), blocks)


class Measure(NamedTuple):
    """A measure of a column, and the limit that it must exceed to be drift."""

    name: str
    value: float
    chance: float
    usual: float
    limit: float

    @property
    def ratio(self) -> float:
        """The value in limits: drift above 1."""
        return self.value / self.limit if self.limit > 0 else float(self.value > 0) * 1e9

    @property
    def is_drift(self) -> bool:
        """Whether neither chance nor time explains it, and it is large enough to matter."""
        return self.value > self.limit


class Finding(NamedTuple):
    """What is known of a column: its measures, and its counts before and now (None: as a whole)."""

    name: str
    role: str
    measures: tuple[Measure, ...]
    coded: Coded | None = None
    before: np.ndarray | None = None
    now: np.ndarray | None = None

    @property
    def worst(self) -> Measure:
        """The measure that is furthest beyond its limit, or nearest to it."""
        return max(self.measures, key=lambda one: one.ratio)

    @property
    def is_drift(self) -> bool:
        """Whether any measure is drift."""
        return any(one.is_drift for one in self.measures)

    @property
    def missing(self) -> tuple[float, float] | None:
        """The share of missing values before and now."""
        if self.before is None or self.now is None:
            return None
        before, now = (float(one[-1] / max(one.sum(), 1)) for one in (self.before, self.now))
        return before, now

    @property
    def new(self) -> tuple[float, list[str]]:
        """The share of rows with a category that the reference lacks, and the most frequent."""
        if self.coded is None or not self.coded.names or self.before is None or self.now is None:
            return 0.0, []
        before, now = self.before[:-1], self.now[:-1]
        fresh = np.flatnonzero((before == 0) & (now > 0))
        order = fresh[np.argsort(-now[fresh], kind="stable")]
        share = effects.new_share(before, now) * (1 - (self.missing or (0, 0))[1])
        return share, [self.coded.names[k] for k in order[:5]]

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name,
            "role": self.role,
            "drift": self.is_drift,
            "ratio": round_number(self.worst.ratio),
            "measures": {
                one.name: {
                    key: round_number(getattr(one, key))
                    for key in ("value", "limit", "chance", "usual")
                }
                for one in self.measures
            },
            "missing": self.missing and [round_number(share) for share in self.missing],
            "new": {"share": round_number(self.new[0]), "values": self.new[1]},
        }


def compare(
    tables: Tables, kinds: Mapping[str, str], roles: Mapping[str, str], p: Monitor
) -> list[Finding]:
    """Each column of a type in `kinds`, judged together with the others of them; worst first."""
    if tables.fewest < p.min_rows or not kinds:
        return []
    coded = tables.code(kinds)
    sides = tables.sides(p.periods)
    rate = p.false_alarms / FAMILIES
    judged = calibration.judge(coded, sides, rate, p.permutations, p.seed)
    own: dict[str, list[Measure]] = {one.name: [] for one in coded}
    for (column, name), value in judged.items():
        own[column].append(measure(name, value, p))
    found = [
        Finding(
            one.name, roles.get(one.name, "feature"), tuple(own[one.name]), one,
            np.bincount(one.codes[: sides.before], minlength=one.size),
            np.bincount(one.codes[sides.before :], minlength=one.size),
        )
        for one in coded
    ]  # fmt: skip
    return worst_first(found)


def together(tables: Tables, kinds: Mapping[str, str], p: Monitor) -> list[Finding]:
    """All columns as a whole: nothing, or one finding."""
    if tables.fewest < p.min_rows or not kinds:
        return []
    coded = tables.code(kinds)
    sides = tables.sides(min(p.periods, domain_parts(tables)))
    rate = p.false_alarms / FAMILIES
    judged = domain.judge(coded, sides, rate, p.permutations, p.seed)
    return [Finding(TOGETHER, "whole", (measure("gini", judged, p),))]


def domain_parts(tables: Tables) -> int:
    """At most so many parts that each has rows enough for a classifier."""
    return max(len(tables.before) // 100, 2)


def measure(name: str, judged: Judged, p: Monitor) -> Measure:
    """A measure with its limit: beyond chance, beyond what is usual, and large enough to matter.

    The largest of a few parts is soon exceeded by another: half as much again is usual too.
    """
    usual = judged.usual * AGAIN
    if name in BOUNDED:  # by 1, from which it must keep a distance
        usual = min(usual, 1 - (1 - judged.usual) / AGAIN)
    limit = max(judged.chance, usual, p.min_effect)
    return Measure(NAMES[name], judged.value, judged.chance, usual, limit)


def worst_first(found: Iterable[Finding]) -> list[Finding]:
    """The findings in the order in which a person should look at them."""
    return sorted(found, key=lambda one: -one.worst.ratio)
