"""`make report`: what this commit changes, as the Markdown of a pull request."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args

import typer

from mlgitops.core import config, job_output
from mlgitops.core.files import replacing
from mlgitops.evaluation import bootstrap, gate
from mlgitops.evaluation.champion import OtherModel, other_model
from mlgitops.evaluation.checks import Check, Kind, difference, metric_of
from mlgitops.evaluation.evidence import METRICS, SLICES, TEST, Evidence, gather
from mlgitops.evaluation.limits import Gate
from mlgitops.git import repository
from mlgitops.releases import release_env
from mlgitops.reporting import diff
from mlgitops.reporting.markdown import code, plain, render
from mlgitops.training.metrics import HIGHER_IS_BETTER

LIMIT = 60_000  # characters; GitHub takes 65,536 in a comment
ROWS = (30, 15, 8, 4, 2)  # rows of a table: the first with which the report is short enough
BARS = 8  # of a chart
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


def comparison(here: Evidence, other: OtherModel, p: Gate) -> list[dict[str, Any]]:
    """Each metric now and of the other model, and how much better this one is, with interval."""
    recorded = diff.load(repository.text(other.commit, METRICS.as_posix()))
    same = same_test(here, repository.lock(other.commit))
    found = []
    for name, now in here.metrics.items():
        if name == "rows":
            continue
        row: dict[str, Any] = {
            "name": name,
            "now": now,
            "before": recorded.get(name) if same else None,
        }
        if bootstrap.is_mean(name) and other.answer is not None:
            worse, drawn = difference(here, other, name, p)
            apart = bootstrap.interval(drawn, p.confidence, len(other.rows))
            actual = here.actual[other.rows]
            theirs = bootstrap.losses(name, actual, other.answer, other.labels)
            row |= {"before": metric_of(name, theirs)}
            row |= {"better": -worse, "low": -apart.high, "high": -apart.low}
        elif row["before"] is not None and now is not None:
            row["better"] = -bootstrap.worse(name, now, row["before"])
        found.append({"better": None, "low": None, "high": None, **row})
    return found


def same_test(here: Evidence, there: repository.Lock | None) -> bool:
    """Whether another commit was measured on the same test rows."""
    return there is not None and there.hash(TEST) == here.lock.hash(TEST)


def other_model_facts(commit: str | None, here: Evidence, p: Gate) -> dict[str, Any] | None:
    """The comparison with the model of a commit; None without a commit."""
    if commit is None:
        return None
    other, there = other_model(commit, here), repository.lock(commit)
    metrics = comparison(here, other, p)
    judged = next(one for one in metrics if one["name"] == p.metric)
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


def slice_facts(here: Evidence, verdict: gate.Verdict, base: str | None) -> list[dict[str, Any]]:
    """The slices with their check, the worst first; `before` if the test rows are the same."""
    checks = [check for check in verdict.checks if check.kind == "slices"]
    before: dict[tuple[str, str], Any] = {}
    if base and same_test(here, repository.lock(base)):
        parts = diff.load(repository.text(base, SLICES.as_posix()))
        before = {(part["column"], part["value"]): part for part in parts}
    metric = config.load(Gate).metric
    found = [
        {"column": part["column"], "value": part["value"], "rows": part["rows"], "check": check,
         "before": before.get((part["column"], part["value"]), {}).get(metric)}
        for part, check in zip(here.slices, checks, strict=False)
    ]  # fmt: skip
    return sorted(found, key=lambda one: -bootstrap.worse(metric, one["check"].value, 0.0))


def bars(here: Evidence, p: Gate, others: dict[str, dict[str, Any] | None]) -> list[dict[str, Any]]:
    """The metric of the dummy baseline, the champion, the base and this commit, for a chart."""
    plain = bootstrap.dummy(p.metric, here.known, len(here.actual), here.labels)
    dummy = metric_of(p.metric, bootstrap.losses(p.metric, here.actual, plain, here.labels))
    found = [{"name": "dummy", "value": dummy}]
    for name, other in others.items():
        value = next(
            (one["before"] for one in (other or {}).get("metrics", ()) if one["name"] == p.metric),
            None,
        )
        if other and other["comparable"] and value is not None:
            found.append({"name": name, "value": value})
    return [*found, {"name": "this commit", "value": here.metrics[p.metric]}]


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


def facts(base: str) -> dict[str, Any]:
    """Everything that the template shows."""
    verdict = gate.current()
    refused = [check for check in verdict.checks if not check.passed]
    found = {"verdict": verdict, "refused": refused, "head": repository.head(), "base_name": base}
    if any(check.name == gate.EVIDENCE for check in refused):
        return found | {"here": None}
    here, p = gather(), config.load(Gate)
    start = since(base)
    others = {
        base: other_model_facts(repository.fork(base), here, p),
        "champion": other_model_facts(verdict.champion, here, p),
    }
    slices = slice_facts(here, verdict, start.commit)
    return found | {
        "here": here,
        "p": p,
        "gate": p.metric,
        "since": start,
        "base": others[base],
        "champion": others["champion"],
        "higher": HIGHER_IS_BETTER,
        "slices": slices,
        "lost": missing_kinds(start.commit, verdict) if start.commit else [],
        "counts": counts(verdict.checks),
        "bars": bars(here, p, others),
        "slice_bars": slices[:BARS],
        "kept": diff.select,
        "params": diff.parameters(start.commit) if start.commit else [],
        "data": data_facts(here, start.commit),
        "code": diff.folders(start.commit) if start.commit else [],
    }


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


def page(found: dict[str, Any]) -> str:
    """The report, with tables as long as fit below the limit."""
    texts = (render("report.md.j2", most=most, **found) for most in ROWS)
    return next((text for text in texts if len(text) < LIMIT), TOO_LONG)


def failure(reason: str) -> str:
    """The page where there is nothing to judge."""
    return f"{job_output.MARKER}\n## ❌ Refused\n\n{plain(reason, 4000)}\n"


def report(
    base: Annotated[str, typer.Option(help="The branch to merge into.")] = "main",
    output: Annotated[str, typer.Option(help="The file to write, or stdout.")] = "stdout",
) -> None:
    """Write what this commit changes, as the Markdown of a pull request."""
    text = page(facts(base))
    if output == "stdout":
        print(text, end="")
        return
    with replacing(Path(output)) as part:
        part.write_text(text, encoding="utf-8")
    print(f"{output}: {len(text)} characters")
