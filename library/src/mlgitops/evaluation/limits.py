"""The section `gate` of gate.yaml: what a model must keep to pass."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from mlgitops.core import config
from mlgitops.evaluation import bootstrap
from mlgitops.evaluation.bootstrap import Mean, Name

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Limit = FiniteFloat | Literal["naive"]


class SliceLimit(config.Strict):
    """The fewest rows that are judged, and the limit."""

    min_rows: PositiveInt
    limit: Limit


class Tolerance(config.Strict):
    """How much worse than the champion is accepted, as a share of the naive predictor's metric."""

    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Budget(config.Strict):
    """Megabytes of artifacts/model; milliseconds of a prediction of one row."""

    model_mb: Positive
    p50_ms: Positive
    p99_ms: Positive


class Gate(config.Rule):
    """What a model must keep to pass."""

    metric: Mean
    minimum: dict[Name, Limit]
    slices: SliceLimit
    champion: Tolerance
    budget: Budget
    confidence: Annotated[float, Field(gt=0, lt=1)]
    draws: PositiveInt
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _naive_needs_a_loss(self) -> "Gate":
        for name, limit in self.minimum.items():
            if limit == "naive" and not bootstrap.is_mean(name):
                known = ", ".join(bootstrap.MEANS)
                raise ValueError(f"minimum: {name}: naive is known for {known}; give a number")
        return self
