"""Check the data against schema.yaml."""

from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field, PositiveInt

from mlgitops.core import config, paths, pipeline_version
from mlgitops.core.errors import UserError
from mlgitops.core.files import write_json
from mlgitops.data import contract, schema
from mlgitops.data.profile import profile, round_number


class Validate(config.Rule):
    """The fewest rows, and the largest shares of rows that repeat another or have no target."""

    min_rows: PositiveInt
    max_duplicates: Annotated[float, Field(ge=0, le=1)]
    max_missing: Annotated[float, Field(ge=0, lt=1)] = 0.5


def problems(
    table: pd.DataFrame, duplicates: float, rules: schema.Schema, p: Validate
) -> list[str]:
    """What is wrong with the table as a whole, one line each."""
    found = []
    if len(table) < p.min_rows:
        found.append(f"{len(table)} rows: fewer than validate.min_rows, {p.min_rows}")
    if duplicates > p.max_duplicates:
        found.append(
            f"{duplicates:.1%} of the rows repeat another row: more than "
            f"validate.max_duplicates, {p.max_duplicates:.1%}"
        )
    if rules.target in table:
        target = table[rules.target].value_counts()
        if len(target) < 2:
            found.append(f"{rules.target}: the target has one value only, nothing to learn")
        elif rules.task != "regression" and target.min() < 2:
            found.append(f"{rules.target}: class {target.idxmin()} has one row only")
    return found


def validate(raw: Path = paths.RAW, data: Path = paths.DATA) -> None:
    """Check the data against schema.yaml; write its profile."""
    pipeline_version.check()
    rules, p = schema.load(), config.load(Validate)
    table, broken = contract.check(pd.read_parquet(raw), rules.columns)
    duplicates = float(table.duplicated().mean())
    found = contract.summary(broken) + problems(table, duplicates, rules, p)
    if found:
        lines = "\n  ".join(found)
        raise UserError(
            f"{raw} violates {len(found)} rules of schema.yaml and gate.yaml:\n  {lines}"
        )
    write_json(profile(table, rules.columns) | {"duplicates": round_number(duplicates)}, data)
    print(f"{len(table)} rows pass every rule of schema.yaml")
