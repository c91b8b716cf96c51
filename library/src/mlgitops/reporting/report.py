"""`make report`: what this commit changes, as the Markdown of a pull request."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args

import typer

from mlgitops.core import job_output, paths
from mlgitops.core.errors import join_names
from mlgitops.core.files import replacing
from mlgitops.evaluation import bootstrap, gate
from mlgitops.evaluation.champion import OtherModel
from mlgitops.evaluation.checks import TOO_FEW, Check, Kind, difference
from mlgitops.evaluation.decision import BY_BASE, Decision, decide
from mlgitops.evaluation.evidence import METRICS, SLICES, TEST, Evidence
from mlgitops.evaluation.limits import Gate
from mlgitops.evaluation.subject import Subject
from mlgitops.git import repository
from mlgitops.releases import release_env
from mlgitops.reporting import diff
from mlgitops.reporting.markdown import code, plain, render
from mlgitops.reporting.rules import rule_changes
from mlgitops.training.losses import is_mean, metric_of, row_losses
from mlgitops.training.metrics import HIGHER_IS_BETTER

LIMIT = 60_000  # characters; GitHub takes 65,536 in a comment
ROWS = (30, 15, 8, 4, 2)  # rows of a table: the first with which the report is short enough
BARS = 8  # of a chart
RULES = 60  # altered rules that are named one by one, the worst first
TOO_LONG = (
    f"{job_output.MARKER}\nThe report is too long. "
    "Read the diff of params.yaml, gate.yaml and schema.yaml.\n"
)


class Since(NamedTuple):
    """The commit from which changes are told, if there is one, and its name in the report."""

    commit: str | None
    name: str


def since(base: str) -> Since:
    """Where HEAD left the base; where HEAD is the base itself, what runs."""
    fork = repository.fork(base)
    runs = release_env.release_in_use() if fork == repository.head() else None
    if runs is None:
        return Since(fork, code(base))
    environment, commit = runs
    return Since(commit, f"{code(commit[:7])} (what {environment} runs)")


def comparison(subject: Subject, other: OtherModel) -> list[dict[str, Any]]:
    """Each metric now and of the other model, and how much better this one is, with interval."""
    recorded = diff.load(repository.text(other.commit, METRICS.as_posix()))
    same = same_test(subject.here, repository.lock(other.commit))
    return [
        compare_metric(subject, other, name, recorded.get(name) if same else None)
        for name in subject.here.metrics
        if name != "rows"
    ]


def compare_metric(
    subject: Subject, other: OtherModel, name: str, before: float | None
) -> dict[str, Any]:
    """One metric now and of the other model; `before` is what that one's commit recorded."""
    here, now = subject.here, subject.here.metrics[name]
    row = {"name": name, "now": now, "before": before, "better": None, "low": None, "high": None}
    if is_mean(name) and other.answer is not None:
        worse, drawn = difference(here, other, name, subject.p)
        apart = subject.interval(drawn, len(other.rows))
        actual = here.actual[other.rows]
        theirs = row_losses(name, actual, other.answer, other.labels)
        row |= {"before": metric_of(name, theirs)}
        row |= {"better": -worse, "low": -apart.high, "high": -apart.low}
    elif before is not None and now is not None:
        row["better"] = -bootstrap.worse(name, now, before)
    return row


def same_test(here: Evidence, there: repository.Lock | None) -> bool:
    """Whether another commit was measured on the same test rows."""
    return there is not None and there.hash(TEST) == here.lock.hash(TEST)


def other_model_facts(commit: str | None, subject: Subject) -> dict[str, Any] | None:
    """The comparison with the model of a commit; None without a commit."""
    if commit is None:
        return None
    other, there = subject.other(commit), repository.lock(commit)
    metrics = comparison(subject, other)
    judged = next(one for one in metrics if one["name"] == subject.p.metric)
    return {
        "judged": judged,
        "words": words(judged),
        "commit": commit,
        "model": there.model if there else None,
        "same": other.same,
        "reason": other.reason,
        "comparable": other.answer is not None,
        "rows": len(other.rows),
        "metrics": metrics,
    }


def words(judged: dict[str, Any]) -> str:
    """What a difference and its interval say."""
    if judged["better"] is None or judged["low"] is None:
        return "the difference is not known"
    if judged["low"] > 0 or judged["high"] < 0:
        return "this commit is clearly " + ("better" if judged["low"] > 0 else "worse")
    kind = "better" if judged["better"] > 0 else "worse" if judged["better"] < 0 else ""
    return f"{kind} now, but that may be chance" if kind else "no difference"


def slice_facts(subject: Subject, verdict: gate.Verdict, base: str | None) -> list[dict[str, Any]]:
    """The slices with their check, the worst first; `before` if the test rows are the same."""
    here, metric = subject.here, subject.p.metric
    checks = [check for check in verdict.checks if check.kind == "slices"]
    before: dict[tuple[str, str], Any] = {}
    if base and same_test(here, repository.lock(base)):
        parts = diff.load(repository.text(base, SLICES.as_posix()))
        before = {(part["column"], part["value"]): part for part in parts}
    found = [
        {"column": part["column"], "value": part["value"], "rows": part["rows"], "check": check,
         "before": before.get((part["column"], part["value"]), {}).get(metric)}
        for part, check in zip(here.slices, checks, strict=False)
    ]  # fmt: skip
    return sorted(found, key=lambda one: -bootstrap.worse(metric, one["check"].value, 0.0))


def bars(subject: Subject, others: dict[str, dict[str, Any] | None]) -> list[dict[str, Any]]:
    """The metric of the dummy baseline, the champion, the base and this commit, for a chart."""
    metric = subject.p.metric
    dummy = metric_of(metric, subject.losses(metric)[:, 1])
    found = [{"name": "dummy", "value": dummy}]
    for name, other in others.items():
        if other and other["comparable"] and other["judged"]["before"] is not None:
            found.append({"name": name, "value": other["judged"]["before"]})
    return [*found, {"name": "this commit", "value": subject.here.metrics[metric]}]


def data_facts(here: Evidence, base: str | None) -> dict[str, Any]:
    """Rows and hash of the data before and now; what the schema and the columns changed."""
    before, now = diff.profiles(base) if base else ({}, diff.profiles("HEAD")[1])
    there = repository.lock(base) if base else None
    return {
        "rows": (before.get("rows"), now["rows"]),
        "hash": (there.data if there else None, here.lock.data),
        "schema": diff.contract(base) if base else [],
        "moved": diff.column_moves(before, now),
    }


@dataclass(frozen=True)
class Changes:
    """What differs since a commit: parameters, the data, the schema, files."""

    params: list[diff.Change]
    data: dict[str, Any]
    code: list[tuple[str, int, int]]


@dataclass(frozen=True)
class ModelFacts:
    """What a report shows of a model that could be judged."""

    here: Evidence
    p: Gate
    since: Since
    base: dict[str, Any] | None
    champion: dict[str, Any] | None
    slices: list[dict[str, Any]]
    lost: list[str]
    bars: list[dict[str, Any]]
    changes: Changes


@dataclass(frozen=True)
class Facts:
    """Everything that a report shows; `model` is None where nothing could be judged."""

    verdict: gate.Verdict
    decision: Decision
    rules: list[str]
    base_name: str
    checkout: str
    model: ModelFacts | None = None
    refusal: str = ""

    @property
    def refusals(self) -> list[Check]:
        """The checks that refuse, without slices that are counted."""
        return [check for check in self.failures if check not in self.slice_refusals]

    @property
    def slice_refusals(self) -> list[Check]:
        """Refused slices, where they are too many to name one by one."""
        found = [check for check in self.failures if check.kind == "slices"]
        return found if len(found) > gate.SHOWN else []

    @property
    def more_rules(self) -> str:
        """How many altered rules are not named one by one, by their files; "" if all are."""
        found = Counter(line.replace(":", " ").split()[0] for line in self.rules[RULES:])
        return join_names(f"{count} of {name}" for name, count in found.most_common())

    @property
    def base_refuses(self) -> bool:
        """Whether only the changed rules let it pass."""
        return BY_BASE in self.decision.reasons

    @property
    def failures(self) -> list[Check]:
        """All checks that refuse."""
        return [check for check in self.verdict.checks if check.refuses]

    @property
    def open_question(self) -> str:
        """What a person decides, in a few words."""
        if any(check.reason.startswith(TOO_FEW) for check in self.open_checks):
            return TOO_FEW
        unlike = any(check.reason.startswith("not comparable") for check in self.open_checks)
        return "the champion cannot be compared" if unlike else ""

    @property
    def classes(self) -> list[dict[str, Any]]:
        """Recall, precision and confusion of each class."""
        return self.model.here.classes if self.model else []

    @cached_property
    def importance(self) -> list[dict[str, Any]]:
        """The columns that the model relies on, the most important first."""
        return diff.importance()

    @property
    def open_checks(self) -> list[Check]:
        """The checks that a person decides."""
        return [check for check in self.verdict.checks if check.needs_approval]

    @property
    def counts(self) -> dict[str, int]:
        """How many slices there are, were judged, were refused."""
        return counts(self.verdict.checks)


def facts(
    base: str,
    judgement: gate.Judgement | None = None,
    by_base: Mapping[str, Any] | None = None,
    refusal: str = "",
    doubts: Sequence[str] = (),
) -> Facts:
    """Everything that the template shows, of a judgement or of the one that is current.

    `by_base` is the verdict by the base's own rules, where this change has others; `refusal` is a
    reason to refuse it that no check has, `doubts` are what an owner looks at as at rules.
    """
    verdict, subject = judgement or gate.current()
    rules = [*rule_changes(base), *doubts]
    own = verdict.model_dump()
    decision = decide(own, by_base or own, rules)
    decision = decision.refuse(refusal) if refusal else decision
    found = Facts(verdict, decision, rules, base, how_to_check_out(), refusal=refusal)
    if not verdict.rests_on_evidence:
        return found
    return replace(found, model=model_facts(base, verdict, subject or Subject.gather()))


def model_facts(base: str, verdict: gate.Verdict, subject: Subject) -> ModelFacts:
    """What is shown of a model and of what it is compared with."""
    start = since(base)
    others = {
        base: other_model_facts(repository.fork(base), subject),
        "champion": other_model_facts(verdict.champion, subject),
    }
    return ModelFacts(
        here=subject.here,
        p=subject.p,
        since=start,
        base=others[base],
        champion=others["champion"],
        slices=slice_facts(subject, verdict, start.commit),
        lost=missing_kinds(start.commit, verdict) if start.commit else [],
        bars=bars(subject, others),
        changes=changes(start.commit, subject.here),
    )


def changes(base: str | None, here: Evidence) -> Changes:
    """What differs since a commit; nothing is known without one."""
    if base is None:
        return Changes([], data_facts(here, None), [])
    return Changes(diff.parameters(base), data_facts(here, base), diff.folders(base))


def how_to_check_out() -> str:
    """The command that brings back what is reported; a remark where no commit has it yet."""
    found = repository.changes(*repository.JUDGED)
    if people := [path for path in found if not paths.is_made(path)]:
        return f"# no commit has {join_names(people)} as reported: git add --all && git commit"
    return f"git checkout {repository.head()}"


def missing_kinds(base: str, verdict: gate.Verdict) -> list[str]:
    """Kinds of checks that the base had, by what it left in Git, and this commit lacks."""
    limits = diff.settings(base).get("gate") or {}
    parts = {"slices": diff.load(repository.text(base, SLICES.as_posix()))}
    now = {check.kind for check in verdict.checks}
    return [kind for kind in get_args(Kind) if (limits | parts).get(kind) and kind not in now]


def counts(checks: list[Check]) -> dict[str, int]:
    """How many slices there are, were judged, were refused."""
    slices = [check for check in checks if check.kind == "slices"]
    return {
        "all": len(slices),
        "judged": sum(check.judged for check in slices),
        "refused": sum(not check.passed for check in slices),
    }


def page(found: Facts) -> str:
    """The report, with tables as long as fit below the limit."""
    shown = {"facts": found, "higher": HIGHER_IS_BETTER, "select": diff.select}
    shown |= {"chart": BARS, "told": RULES}
    texts = (render("report.md.j2", most=most, **shown) for most in ROWS)
    return next((text for text in texts if len(text) < LIMIT), TOO_LONG)


def failure(reason: str) -> str:
    """The page where there is nothing to judge."""
    return f"{job_output.MARKER}\n## ❌ Refused\n\n{plain(reason, 4000)}\n"


def obstacle(output: Path) -> str:
    """Why HEAD gets no report; "" if it gets one. What it rests on comes from the store."""
    head = repository.verdict_commit()
    if head is None:
        return "what is not committed has none"
    written, verdict = output.is_file() and output.read_text("utf-8"), gate.load()
    if written and head in written and verdict and verdict.commit == head:
        return f"{output} is there"
    for path in (paths.MODEL, paths.TEST, paths.TRAIN):
        if not path.exists() and repository.fetch(head, path.as_posix(), path.parent) is None:
            return f"{path} is not in the store"
    return ""


def report(
    base: Annotated[str, typer.Option(help="The branch to merge into.")] = "main",
    output: Annotated[str, typer.Option(help="The file to write, or stdout.")] = "stdout",
    new: Annotated[
        bool, typer.Option("--new", help="Only of a commit without one, whose model is there.")
    ] = False,
) -> None:
    """Write what this commit changes, as the Markdown of a pull request."""
    if new and (reason := obstacle(Path(output))):
        print(f"no new report: {reason}")
        return
    text = page(facts(base))
    if output == "stdout":
        print(text, end="")
        return
    with replacing(Path(output)) as part:
        part.write_text(text, encoding="utf-8")
    print(f"{output}: {len(text)} characters")
