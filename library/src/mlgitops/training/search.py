"""Which values of `train` are tried next: Optuna, asked in batches that can be repeated."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pydantic import model_validator

from mlgitops.core import config
from mlgitops.core.config import Section

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

DIGITS = 4  # of a tried number: more say nothing, and are hard to read in params.yaml

Settings = dict[str, Any]


class Range(config.Strict):
    """The values to try: from low to high, evenly or by their logarithm; or choices."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: tuple[str | int | float | bool | None, ...] | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        ends = [end for end in (self.low, self.high) if end is not None]
        if (len(ends) == 2) == bool(self.choices) or (self.choices and (ends or self.log)):
            raise ValueError("a range has low and high (and log: true), or choices")
        if ends and not ends[0] < ends[1]:
            raise ValueError("low must be below high")
        if self.log and ends[0] <= 0:
            raise ValueError("a range with log: true must be above 0")
        return self


@dataclass(frozen=True)
class Search:
    """The present section `train`, the ranges by dotted name, and how they are searched."""

    present: Section
    ranges: Mapping[str, Range]
    maximize: bool
    seed: int
    batch: int

    def ask(self, known: Sequence[tuple[Settings, float | None]]) -> list[Settings]:
        """The values of the next batch, from the values tried so far and what each gave."""
        limits = {name: distribution(one) for name, one in self.ranges.items()}
        study = self._study(known, limits)
        return [round_values(study.ask(limits).params, limits) for _ in range(self.batch)]

    def _study(
        self,
        known: Sequence[tuple[Settings, float | None]],
        limits: "dict[str, BaseDistribution]",
    ) -> "Study":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # Seeded by what is known, not by what was asked before: a search that was stopped goes on
        # as one that was not.
        sampler = optuna.samplers.TPESampler(seed=self.seed + len(known), constant_liar=True)
        study = optuna.create_study(
            direction="maximize" if self.maximize else "minimize", sampler=sampler
        )
        for settings, value in known:
            if value is None:
                continue
            params = settings or values_of(self.present, limits)
            # The present values may lie outside of the ranges: then nothing is learned from them.
            with suppress(ValueError):
                study.add_trial(
                    optuna.trial.create_trial(params=params, distributions=limits, value=value)
                )
        return study


def distribution(one: Range) -> "BaseDistribution":
    """A range as Optuna knows it."""
    from optuna import distributions as of

    if one.choices:
        return of.CategoricalDistribution(one.choices)
    assert one.low is not None
    assert one.high is not None
    if isinstance(one.low, int) and isinstance(one.high, int):
        return of.IntDistribution(one.low, one.high, log=one.log)
    return of.FloatDistribution(one.low, one.high, log=one.log)


def round_values(values: Settings, limits: "Mapping[str, BaseDistribution]") -> Settings:
    """The values with few digits, within their ranges."""
    from optuna.distributions import FloatDistribution

    return {
        name: float(min(max(float(f"{value:.{DIGITS}g}"), one.low), one.high))
        if isinstance(one := limits[name], FloatDistribution)
        else value
        for name, value in values.items()
    }


def values_of(present: Section, names: Mapping[str, Any]) -> Settings:
    """What params.yaml has now for the names of the ranges, where it has something."""
    found = {}
    for name in names:
        value: Any = present.model_dump(by_alias=True)
        for key in name.split("."):
            value = value.get(key, ...) if isinstance(value, dict) else ...
        if value is not ...:
            found[name] = value
    return found


def replace_values(present: Section, values: Settings) -> Section:
    """The section `train` with other values."""
    plain = present.model_dump(by_alias=True)
    for name, value in values.items():
        *path, last = name.split(".")
        place = plain
        for key in path:
            place = place.setdefault(key, {})
        place[last] = value
    return config.parse(type(present), plain, "params.yaml: tune.ranges: train")
