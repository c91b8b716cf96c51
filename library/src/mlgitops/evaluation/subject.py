"""What is judged: gathered once, and handed from the gate to the report and to the card."""

from dataclasses import dataclass, field

import numpy as np

from mlgitops.core import config
from mlgitops.evaluation import bootstrap
from mlgitops.evaluation.champion import OtherModel, other_model
from mlgitops.evaluation.evidence import Evidence, gather
from mlgitops.evaluation.limits import Gate
from mlgitops.git import repository
from mlgitops.training.losses import Mean, cost, row_losses


@dataclass(frozen=True)
class Subject:
    """The evidence of this commit, the limits, and the models that were asked, by their lock."""

    here: Evidence
    p: Gate
    others: dict[str, OtherModel] = field(default_factory=dict)

    @classmethod
    def gather(cls) -> "Subject":
        """What lies in the working tree; a UserError if it is missing, empty or out of date."""
        return cls(gather(), config.load(Gate))

    def other(self, commit: str) -> OtherModel:
        """The model of a commit on this test set; one of the same dvc.lock is asked once."""
        lock = repository.lock(commit)
        key = lock.digest if lock else commit
        if key not in self.others:
            self.others[key] = other_model(commit, self.here)
        return self.others[key]._replace(commit=commit)

    def losses(self, metric: Mean, rows: np.ndarray | None = None) -> np.ndarray:
        """The losses of the model and of the dummy baseline, of some rows: shape (rows, 2)."""
        here = self.here
        rows = np.arange(len(here.actual)) if rows is None else rows
        actual = here.actual[rows]
        plain = bootstrap.dummy(metric, here.known, len(rows), here.labels)
        return np.column_stack(
            [
                row_losses(metric, actual, answer, here.labels)
                for answer in (here.answer.take(rows), plain)
            ]
        )

    def resample(self, metric: Mean, losses: np.ndarray) -> np.ndarray:
        """The costs of resampled rows: shape (bootstrap_samples, models)."""
        means = bootstrap.resample(losses, self.p.bootstrap_samples, self.p.seed)
        return np.asarray(cost(metric, means))

    def interval(
        self, values: np.ndarray, rows: int, confidence: float | None = None
    ) -> bootstrap.Interval:
        """Where values of resampled rows lie, with the gate's confidence or another."""
        return bootstrap.interval(values, confidence or self.p.confidence, rows)
