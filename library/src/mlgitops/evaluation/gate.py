"""`make gate`: is this model good enough? A verdict with reasons."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import typer
from pydantic import BaseModel, ValidationError, computed_field, model_validator

from mlgitops.core import config, paths
from mlgitops.core.errors import UserError, join_names
from mlgitops.core.files import write_json
from mlgitops.core.job_output import WAITS
from mlgitops.core.print_metrics import WIDTH, align, cut, never_predicted
from mlgitops.evaluation import checks
from mlgitops.evaluation.checks import Check, read_metric
from mlgitops.evaluation.decision import State
from mlgitops.evaluation.evidence import gather
from mlgitops.evaluation.limits import Gate
from mlgitops.evaluation.subject import Subject
from mlgitops.git import repository
from mlgitops.releases import release_env

GATE = paths.GATE
NAME = 36  # characters of the name of a check in a line
INDENT = "    "
SHOWN = 2  # refused slices that are shown one by one; more are counted
EVIDENCE = "evidence"  # the check of a verdict on what cannot be judged


class Verdict(BaseModel):
    """gate.json: passed if every check is. `commit` is null for a tree that is not committed."""

    passed: bool = False
    commit: str | None
    champion: str | None
    never_predicted: list[str] = []
    checks: list[Check]

    @model_validator(mode="after")
    def _follow_the_checks(self) -> "Verdict":
        self.passed = self.state == "passed"
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def state(self) -> State:
        """One check that refuses is enough; an approval cannot change that."""
        if any(check.refuses for check in self.checks):
            return "refused"
        return "passed" if all(check.passed for check in self.checks) else WAITS

    @property
    def rests_on_evidence(self) -> bool:
        """Whether there was something to judge."""
        return all(check.name != EVIDENCE for check in self.checks)


class Judgement(NamedTuple):
    """A verdict and what it rests on: None where nothing could be gathered, or nothing had to."""

    verdict: Verdict
    subject: Subject | None = None


def load(path: Path = GATE) -> Verdict | None:
    """The verdict that was written last; None if there is none that can be read."""
    try:
        return Verdict.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def judge(subject: Subject) -> Verdict:
    """The verdict on the evidence."""
    read_metric(subject.here, subject.p.metric)  # also where no slice and no champion needs it
    commit = release_env.champion()
    found = [
        *checks.minimum(subject),
        *checks.slices(subject),
        checks.champion(subject, subject.other(commit) if commit else None),
        *checks.budget(subject),
    ]
    return Verdict(
        commit=repository.verdict_commit(),
        champion=commit,
        never_predicted=never_predicted(subject.here.classes),
        checks=found,
    )


def refusal(reason: str) -> Verdict:
    """The verdict on what cannot be judged."""
    check = Check(kind="minimum", name=EVIDENCE, passed=False, judged=False, reason=reason)
    return Verdict(commit=repository.verdict_commit(), champion=None, checks=[check])


def judge_tree() -> Judgement:
    """The verdict on the working tree, also written to gate.json."""
    GATE.unlink(missing_ok=True)
    subject = None
    try:
        subject = Subject(gather(), config.load(Gate))
        found = judge(subject)
    except UserError as error:
        found = refusal(str(error))
    write_json(found.model_dump(), GATE)
    return Judgement(found, subject)


def verdict() -> Verdict:
    """The verdict on the working tree, also written to gate.json."""
    return judge_tree().verdict


def current() -> Judgement:
    """The verdict that is written, if it is on this commit; else a new one."""
    found = load()
    clean = repository.verdict_commit()
    return Judgement(found) if found and clean and found.commit == clean else judge_tree()


def table(found: Sequence[Check]) -> str:
    """The checks in lines that fit a terminal: figures, below them the reason; slices as one."""
    slices = [check for check in found if check.kind == "slices"]
    refused = [check for check in slices if not check.passed]
    quiet = [check for check in slices if check.passed or len(refused) > SHOWN]
    shown = [check for check in found if check not in quiet]
    head, *lines = align([row(check) for check in shown]).splitlines()
    text = [head]
    for check, line in zip(shown, lines, strict=True):
        text += [line, fill(check.reason, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)]
    if quiet:
        text.append(f"slices    {count_slices(quiet)}")
    return "\n".join(text)


def row(check: Check) -> dict[str, object]:
    """A check as a row of text, without its reason."""
    return {
        "gate": check.kind,
        "check": cut(check.name, NAME),
        "verdict": word(check),
        "value": check.value,
        "limit": check.limit,
        "low": check.low,
        "high": check.high,
    }


def count_slices(found: Sequence[Check]) -> str:
    """How many slices are refused, passed, and have too few rows to be judged, as a line."""
    few = sum(not check.judged for check in found)
    judged = len(found) - few
    refused = sum(not check.passed for check in found)
    passed = judged - refused
    parts = [f"{refused} of {judged} judged slices refused"] * bool(refused)
    parts += [f"{passed} slice{'s' * (passed != 1)} passed"] * bool(passed)
    parts += [f"{few} with too few rows to judge, only shown"] * bool(few)
    return "; ".join(parts)


def word(check: Check) -> str:
    """passed, refused, needs approval, or not judged."""
    if check.passed:
        return "passed" if check.judged else "not judged"
    return WAITS if check.needs_approval else "refused"


def gate() -> None:
    """Judge the model of the last run; exit with 1 if it is refused or needs an approval."""
    found = verdict()
    print(table(found.checks))
    print(f"\n{conclusion(found)}")
    if found.state != "passed":
        raise typer.Exit(1)


def conclusion(found: Verdict) -> str:
    """The last lines: what an approver would have to decide, or how many checks refuse."""
    undecided = [check for check in found.checks if check.needs_approval]
    lines = [f"{WAITS}: {check.kind}: {check.reason}" for check in undecided]
    refused = [check for check in found.checks if check.refuses]
    if refused:
        count = f"refused: {len(refused)} of {len(found.checks)} checks"
        lines.append(f"{count}. {GATE} has them all")
    lines = lines or ["passed"]
    if found.never_predicted:
        lines.insert(0, f"never predicted: {join_names(found.never_predicted)}")
    return "\n".join(fill(line, WIDTH) for line in lines)
