"""The section `gate` of gate.yaml: what a model must keep to pass."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    FiniteFloat,
    ValidationError,
    field_validator,
    model_validator,
)

from mlgitops.core import config
from mlgitops.training.losses import MEANS, NAMES, Mean, is_mean

# The bounds here keep a limit one: what lies beyond them would judge nothing.
Megabytes = Annotated[float, Field(gt=0, le=5000)]
Milliseconds = Annotated[float, Field(gt=0, le=60_000)]
Limit = FiniteFloat | Literal["dummy"]
# The share that a class must reach, by its name: `recall: {serious: 0.5}`.
ClassLimits = dict[int | str, Annotated[float, Field(ge=0, le=1)]]
BY_CLASS = ("recall", "precision")
SIDES = {"at_least", "at_most"}


class Bound(config.Strict):
    """A limit of a metric of the project's own, with the side that is good: one of both."""

    at_least: FiniteFloat | None = None
    at_most: FiniteFloat | None = None

    @model_validator(mode="after")
    def _one_side(self) -> "Bound":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give either at_least or at_most")
        return self


class SliceLimit(config.Strict):
    """The fewest rows that are judged, and the limit."""

    min_rows: Annotated[int, Field(ge=1, le=1000)]
    limit: Limit


class Tolerance(config.Strict):
    """How much worse than the champion is accepted, as a share of the dummy baseline's metric."""

    tolerance: Annotated[float, Field(ge=0, le=1)]


class Budget(config.Strict):
    """Megabytes of artifacts/model; milliseconds of a prediction of one row."""

    model_mb: Megabytes
    p50_ms: Milliseconds
    p99_ms: Milliseconds


class Gate(config.Rule):
    """What a model must keep to pass."""

    metric: Mean
    minimum: dict[str, Limit | Bound | ClassLimits]
    slices: SliceLimit
    champion: Tolerance
    budget: Budget
    confidence: Annotated[float, Field(ge=0.8, lt=1)]
    bootstrap_samples: Annotated[int, Field(ge=200, le=100_000)]
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="before")
    @classmethod
    def _read_older_words(cls, values: Any) -> Any:
        """What gate.yaml said before: `draws` for bootstrap_samples, `naive` for dummy."""
        if not isinstance(values, Mapping):
            return values
        renamed = {
            {"draws": "bootstrap_samples"}.get(key, key): replace_naive(value)
            for key, value in values.items()
        }
        if renamed != values:
            config.hint("gate.yaml: write bootstrap_samples for draws, and dummy for naive")
        return renamed

    @field_validator("minimum", mode="before")
    @classmethod
    def _read_bounds(cls, values: Any) -> Any:
        """A mapping is a bound: an error of it would be hidden among those of numbers and words."""
        if not isinstance(values, Mapping):
            return values
        return {
            name: read_bound(name, one) if is_bound(name, one) else one
            for name, one in values.items()
        }

    @model_validator(mode="after")
    def _limits_suit_metrics(self) -> "Gate":
        for name, limit in self.minimum.items():
            if isinstance(limit, dict):
                continue
            if isinstance(limit, Bound) is (name in NAMES):
                form = "a number" if name in NAMES else "{at_least: …} or {at_most: …}"
                whose = "a standard metric" if name in NAMES else "not a standard metric"
                raise ValueError(f"minimum: {name} is {whose}: give {form}")
            if limit == "dummy" and not is_mean(name):
                known = ", ".join(MEANS)
                raise ValueError(f"minimum: {name}: dummy is known for {known}; give a number")
        return self


def is_bound(name: object, limit: Any) -> bool:
    """Whether a limit of `minimum` is one of an own metric, and not of classes."""
    return isinstance(limit, Mapping) and (name not in BY_CLASS or not limit.keys() - SIDES)


def read_bound(name: object, values: Mapping[str, Any]) -> Bound:
    """The bound of an own metric; a ValueError that names the metric."""
    try:
        return Bound.model_validate(values)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"{name}: {message}") from None


def replace_naive(value: Any) -> Any:
    """A value of the section, at any depth, with the word of today for the dummy baseline."""
    if isinstance(value, Mapping):
        return {key: replace_naive(inner) for key, inner in value.items()}
    return "dummy" if value == "naive" else value
