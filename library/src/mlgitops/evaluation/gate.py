"""`make gate`: is this model good enough? A verdict with reasons."""

from collections.abc import Iterable
from pathlib import Path

import typer
from pydantic import BaseModel, ValidationError

from mlgitops.core import config
from mlgitops.core.errors import UserError
from mlgitops.core.files import write_json
from mlgitops.core.print_metrics import align
from mlgitops.evaluation.champion import other_model
from mlgitops.evaluation.checks import Check, Judge, read_metric
from mlgitops.evaluation.evidence import Evidence, gather
from mlgitops.evaluation.limits import Gate
from mlgitops.git import repository
from mlgitops.releases import release_env

GATE = Path("artifacts/gate.json")
EVIDENCE = "evidence"  # the check of a verdict on what cannot be judged


class Verdict(BaseModel):
    """gate.json: passed if every check is. `commit` is null for a tree that is not committed."""

    passed: bool
    commit: str | None
    champion: str | None
    checks: list[Check]


def load(path: Path = GATE) -> Verdict | None:
    """The verdict that was written last; None if there is none that can be read."""
    try:
        return Verdict.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def judge(here: Evidence, p: Gate) -> Verdict:
    """The verdict on the evidence."""
    read_metric(here, p.metric)  # also where no slice and no champion needs it
    checker, commit = Judge(here, p), release_env.champion()
    checks = [
        *checker.minimum(),
        *checker.slices(),
        checker.champion(other_model(commit, here) if commit else None),
        *checker.budget(),
    ]
    return Verdict(
        passed=all(check.passed for check in checks),
        commit=repository.verdict_commit(),
        champion=commit,
        checks=checks,
    )


def refusal(reason: str) -> Verdict:
    """The verdict on what cannot be judged."""
    check = Check(kind="minimum", name=EVIDENCE, passed=False, judged=False, reason=reason)
    return Verdict(passed=False, commit=repository.verdict_commit(), champion=None, checks=[check])


def verdict() -> Verdict:
    """The verdict on the working tree, also written to gate.json."""
    GATE.unlink(missing_ok=True)
    try:
        found = judge(gather(), config.load(Gate))
    except UserError as error:
        found = refusal(str(error))
    write_json(found.model_dump(), GATE)
    return found


def current() -> Verdict:
    """The verdict that is written, if it is on this commit; else a new one."""
    found = load()
    clean = repository.verdict_commit()
    return found if found and clean and found.commit == clean else verdict()


def rows(checks: Iterable[Check]) -> list[dict[str, object]]:
    """The checks as rows of text."""
    return [
        {
            "gate": check.kind,
            "check": check.name[:60],
            "verdict": word(check),
            "value": check.value,
            "limit": check.limit,
            "low": check.low,
            "high": check.high,
            "reason": check.reason,
        }
        for check in checks
    ]


def word(check: Check) -> str:
    """passed, refused, or not judged."""
    return "refused" if not check.passed else "passed" if check.judged else "not judged"


def gate() -> None:
    """Judge the model of the last run; exit with 1 if it is refused."""
    found = verdict()
    print(align(rows(found.checks)))
    if found.passed:
        print("\npassed")
        return
    broken = [check for check in found.checks if not check.passed]
    print(f"\nrefused: {len(broken)} of {len(found.checks)} checks. {GATE} has them all")
    raise typer.Exit(1)
