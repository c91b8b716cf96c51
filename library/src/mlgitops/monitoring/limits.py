"""The section `monitor` of gate.yaml: when what production sees counts as drift."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from mlgitops.core import config

# The columns one by one, the predictions, all columns together: each may alarm.
FAMILIES = 3


class Monitor(config.Rule):
    """How much of the log is read, and what is drift.

    false_alarms: the share of runs that find drift where there is none, over all columns.
    min_effect: of each measure; what is smaller is no drift, however sure.
    periods: the most parts in time that the reference is cut into; 0 for none.
    """

    days: Annotated[int, Field(ge=1)] = 30
    min_rows: Annotated[int, Field(ge=20)] = 200
    max_rows: Annotated[int, Field(ge=1000, le=1_000_000)] = 20_000
    false_alarms: Annotated[float, Field(gt=0, le=0.2)] = 0.01
    min_effect: Annotated[float, Field(ge=0, le=1)] = 0.1
    periods: Annotated[int, Field(ge=0, le=50)] = 12
    permutations: Annotated[int, Field(ge=99, le=100_000)] = 999
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _permutations_suffice(self) -> Self:
        fewest = round(FAMILIES / self.false_alarms)
        if self.permutations + 1 < fewest:
            raise ValueError(f"false_alarms {self.false_alarms:g} needs permutations: {fewest}")
        return self


def load() -> Monitor:
    """The section `monitor`; the usual limits where an older project has none."""
    return config.load_optional(Monitor)
