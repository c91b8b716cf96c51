"""`mlgitops ci verdict`: the gate's verdict that another job wrote, as an exit code."""

import json
from typing import Any

import typer

from mlgitops.core import job_output
from mlgitops.core.errors import UserError, join_names
from mlgitops.core.job_output import WAITS
from mlgitops.core.print_metrics import align
from mlgitops.github.client import escape_commands

# What the gate judges in every project; slices only where schema.yaml names some.
KINDS = ("minimum", "champion", "budget")
COLUMNS = ("kind", "name", "passed", "judged", "value", "limit", "reason")


def checks() -> list[dict[str, Any]]:
    """The checks of result/gate.json; a UserError if there is no whole verdict."""
    try:
        found = json.loads(job_output.VERDICT.read_bytes())
        parts: list[dict[str, Any]] = [dict(check) for check in found["checks"]]
        whole = parts and found["passed"] is all(check["passed"] is True for check in parts)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise UserError(f"{job_output.VERDICT} has no verdict: `make reproduce` writes it")
    return parts


def cell(value: Any) -> Any:
    """A number, or nothing, as it is; anything else as text that is only text in a log."""
    return value if value is None or isinstance(value, int | float) else escape_commands(value)


def verdict() -> None:
    """Print the verdict in result/; exit with 1 if it refuses.

    What needs an approval has it, where this runs: it was merged.
    """
    found = checks()
    print(align([{name: cell(check.get(name)) for name in COLUMNS} for check in found]))
    doubts = [check for check in found if check.get("needs_approval") is True]
    if broken := [check for check in found if not check["passed"] and check not in doubts]:
        print(f"\nrefused: {len(broken)} of {len(found)} checks")
        raise typer.Exit(1)
    kinds = [check.get("kind") for check in found]
    if lacking := [kind for kind in KINDS if kind not in kinds]:
        raise UserError(
            f"{job_output.VERDICT} says passed, but has no check of {join_names(lacking)}: "
            "`make reproduce` writes all of them; gate.yaml: gate.minimum must name a metric"
        )
    waits = [check for check in doubts if not check["passed"]]
    print(f"\n{WAITS}, which its merge gave: {len(waits)} checks" if waits else "\npassed")
