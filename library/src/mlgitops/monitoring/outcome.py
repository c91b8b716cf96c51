"""What a run of `make monitor` found out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mlgitops.core.errors import join_names
from mlgitops.data.profile import round_number
from mlgitops.monitoring.drift import Finding
from mlgitops.monitoring.estimate import Estimate


class Coverage(NamedTuple):
    """What was compared: the rows that there are now and in the reference, samples of them.

    `others`: rows of another release; `skipped`: columns that the log does not show, with reasons.
    """

    rows: int
    sample: int
    reference_rows: int
    reference_sample: int
    others: int = 0
    skipped: tuple[str, ...] = ()
    first: str = ""
    last: str = ""
    periods: int = 0


class Outcome(NamedTuple):
    """Findings about columns, predictions and the whole, worst first; rules that are broken.

    `days`: the day of each row of a log, as text.
    """

    commit: str
    coverage: Coverage
    columns: Sequence[Finding]
    predictions: Sequence[Finding]
    whole: Sequence[Finding]
    quality: Sequence[str]
    min_rows: int
    days: np.ndarray | None = None
    estimate: Estimate = Estimate()

    @property
    def findings(self) -> list[Finding]:
        """All of them."""
        return [*self.columns, *self.predictions, *self.whole]

    @property
    def is_enough(self) -> bool:
        """Whether there were rows enough to tell."""
        return bool(self.findings)

    @property
    def drifts(self) -> list[Finding]:
        """Those that drifted."""
        return [one for one in self.findings if one.is_drift]

    @property
    def reason(self) -> str:
        """The outcome in one sentence."""
        have = f"{self.coverage.sample} rows"
        if not self.is_enough:
            return (
                f"Not enough data: {have} to compare, and fewer than {self.min_rows} on "
                "either side say nothing"
            )
        if not self.drifts:
            return f"No drift in {self.coverage.rows} rows: nothing moved beyond its limit"
        columns = [one for one in self.columns if one.is_drift]
        parts = [f"{len(columns)} of {len(self.columns)} columns drifted"] if columns else []
        if columns:
            parts[0] += f" ({join_names(describe(one) for one in columns[:3])})"
        if any(one.is_drift for one in self.predictions):
            parts.append("the predictions drifted")
        if any(one.is_drift for one in self.whole):
            parts.append("all columns together can be told from the reference")
        return "; ".join(parts)[:1].upper() + "; ".join(parts)[1:]

    def plain(self) -> dict[str, Any]:
        """As JSON has it, for a workflow."""
        return {
            "drift": bool(self.drifts),
            "enough": self.is_enough,
            "reason": self.reason,
            "columns": [one.name for one in self.drifts],
            "rows": self.coverage.rows,
            "commit": self.commit,
            "coverage": self.coverage._asdict(),
            "findings": [one.plain() for one in self.findings],
            "quality": list(self.quality),
            "estimate": {
                "reason": self.estimate.reason,
                "metrics": {
                    one.name: {
                        key: round_number(value)
                        for key, value in one._asdict().items()
                        if not isinstance(value, str)
                    }
                    for one in self.estimate.figures
                },
            },
        }


def describe(finding: Finding) -> str:
    """A column with the measure that is furthest beyond its limit."""
    worst = finding.worst
    return f"{finding.name}: {worst.name} {worst.value:.3g}, limit {worst.limit:.3g}"
