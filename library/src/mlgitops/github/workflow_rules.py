"""What the workflows of a project keep, so that a change cannot choose its judge.

Each function takes what a file says, and yields in words what breaks a rule. People may add jobs
and workflows of their own; only judge.yml must do what it did when it was released.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlgitops.core.rule_files import FILES, covers, place

Part = Mapping[str, Any]  # of a YAML file

REQUIRED = ("check", "pipeline", "gate")  # statuses without which nothing is merged
DEFAULT = "${{ github.event.repository.default_branch }}"
ENVIRONMENT = "release"  # only jobs of main get its secrets
READ = {"contents": "read"}
PROPOSE = dict.fromkeys(("contents", "pull-requests", "actions"), "write")
# What the jobs of a workflow may do at most.
PERMISSIONS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "check": {"check": READ, "pipeline": READ},
    "judge": {
        "judge": {"contents": "read", "actions": "read", "packages": "read"},
        "publish": PROPOSE | {"statuses": "write"},
        "approve": {
            "contents": "write", "pull-requests": "read", "issues": "read", "statuses": "write",
        },
    },
    "review": {"review": {}},
    "release": {
        "image": {
            "contents": "read", "packages": "write", "id-token": "write", "attestations": "write",
        },
        "propose": PROPOSE | {"packages": "read"},
    },
    "promote": {"summary": READ, "propose": PROPOSE},
    "monitor": {
        "monitor": READ,
        "start": {"contents": "read", "pull-requests": "read", "actions": "write"},
    },
    "retrain": {"retrain": READ, "propose": PROPOSE},
    "track": {"track": READ},
}  # fmt: skip
# The jobs that need the store: where that is a cloud's, each may log in by a token of its own.
STORE: Mapping[str, tuple[str, ...]] = {
    "check": ("pipeline",), "judge": ("judge", "publish"), "promote": ("summary",),
    "release": ("image",), "retrain": ("retrain", "propose"), "track": ("track",),
    "monitor": ("monitor",),
}  # fmt: skip
NEEDED = ("check", "judge", "review")
FORGES_A_VERDICT = ("statuses", "checks")  # rights with which a job could write `gate` itself
RANKS = {"none": 0, "read": 1, "write": 2}
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v?\d[\w.-]*|\./.*")
HIDES = re.compile(r"\|\|\s*(true\b|:|exit 0)")
SECRET = re.compile(r"\bsecrets\b(?!\.GITHUB_TOKEN\b)")
FROM_JOB = re.compile(r"\bneeds\.([\w-]+)\.(?:outputs\.([\w-]+)|result)")
FROM_STEP = re.compile(r"\bsteps\.([\w-]+)\.(?:outputs|outcome|conclusion)")
CI = re.compile(
    r"uv run --locked --no-default-groups (?P<groups>--group [a-z-]+( --group [a-z-]+)*)"
    r" mlgitops ci (?P<name>[a-z]+)"
)
# What judge.yml starts on, when each of its jobs runs, what that runs, with which actions.
STARTS = {
    "workflow_run": {"workflows": ["check", "review"], "types": ["completed"]},
    "issue_comment": {"types": ["created"]},
}
CONDITIONS = {
    "judge": (
        "github.event_name == 'workflow_dispatch' || (github.event.workflow.name == 'check' && "
        "github.event.workflow_run.conclusion != 'cancelled')"
    ),
    "publish": "always() && needs.judge.result != 'skipped'",
    "approve": (
        "github.event.workflow.name == 'review' || (github.event.issue.pull_request && "
        "startsWith(github.event.comment.body, '/approve'))"
    ),
}
RUNS = {
    "judge": ["checkrun", "images", "judge"],
    "publish": ["comment", "statuses", "save"],
    "approve": ["approve"],
}
ASKING = ("checkrun", "images")  # the Git host, the registry; neither looks at a model
ACTIONS = (
    "actions/checkout", "actions/download-artifact", "actions/upload-artifact",
    "astral-sh/setup-uv", "azure/login", "aws-actions/configure-aws-credentials",
    "google-github-actions/auth",
)  # fmt: skip


def workflow_faults(name: str, text: str, document: Any) -> Iterator[str]:
    """What is wrong in the workflow NAME.yml, by its text and what that says."""
    jobs = jobs_of(document)
    if not jobs:
        yield "it has no jobs"
        return
    if document.get("permissions") != {}:
        yield "`permissions: {}` does not stand on top"
    if triggers(document) & {"pull_request_target", "workflow_run" * (name != "judge")}:
        yield "it runs with rights what others wrote"
    for line in re.findall(r"\buses: *(.*)", text):
        if not PINNED.fullmatch(line.strip()):
            yield f"not pinned by commit, with the version in a comment: {line}"
    for key, job in jobs.items():
        yield from (f"{key}: {what}" for what in job_faults(job, rights_of(name, key)))
        yield from (f"{key}: {what}" for what in absent_outputs(job, jobs))
    yield from OWN.get(name, lambda _: iter(()))(document)


def jobs_of(document: Any) -> dict[str, Part]:
    """The jobs of a workflow; empty if there is none."""
    found = document.get("jobs") if isinstance(document, Mapping) else None
    jobs = found.items() if isinstance(found, Mapping) else ()
    return {str(name): job for name, job in jobs if isinstance(job, Mapping)}


def triggers(document: Part) -> set[str]:
    """The events on which a workflow starts."""
    found = document.get("on")
    return {found} if isinstance(found, str) else set(map(str, found or ()))


def steps_of(job: Part) -> list[Part]:
    """The steps of a job; none where it calls another workflow."""
    return [step for step in job.get("steps") or () if isinstance(step, Mapping)]


def commands(job: Part) -> list[str]:
    """What a job runs, in short: `make check`, or the name of a command of CI."""
    return [command(str(step["run"]).strip()) for step in steps_of(job) if "run" in step]


def command(line: str) -> str:
    """What a step runs, in short."""
    found = CI.fullmatch(line)
    return found["name"] if found else line


def uses(job: Part, action: str) -> list[Part]:
    """What the steps of a job that an action does are given."""
    found = [one for one in steps_of(job) if str(one.get("uses", "")).startswith(f"{action}@")]
    return [one.get("with") or {} for one in found]


def job_faults(job: Part, most: Mapping[str, str] | None) -> Iterator[str]:
    """What is wrong in any job; `most` is what a released one may do."""
    given = job.get("permissions")
    if not isinstance(given, Mapping):
        yield "its permissions are not named one by one"
        given = {}
    yield from too_many_rights(given, most)
    if SECRET.search(str(job)) and job.get("environment") != ENVIRONMENT:
        yield f"a secret without `environment: {ENVIRONMENT}`"
    if "continue-on-error" in str(job):
        yield "continue-on-error hides a failure"
    for line in commands(job):
        if HIDES.search(line):
            yield f"it hides a failure: {line}"
        if "${{" in line:
            yield f"text of others inside run: {line}"
    if writes(job, given) and has_cache(job):
        yield "a cache in a job that writes: another job may have filled it"


def rights_of(workflow: str, job: str) -> Mapping[str, str] | None:
    """What a job may do at most; None if it is none of those that were released."""
    found = PERMISSIONS.get(workflow, {}).get(job)
    logs_in = found is not None and job in STORE.get(workflow, ())
    return {**(found or {}), "id-token": "write"} if logs_in else found


def too_many_rights(given: Part, most: Mapping[str, str] | None) -> Iterator[str]:
    """The rights that a job has beyond its own; one that was added may not write a verdict."""
    for right, level in given.items():
        allowed = "read" if right in FORGES_A_VERDICT else "write"
        if most is not None:
            allowed = most.get(right, "none")
        if RANKS.get(str(level), 2) > RANKS[allowed]:
            yield f"`{right}: {level}` is more than it may have ({allowed})"


def writes(job: Part, given: Part) -> bool:
    """Whether a job may write: here, or as main's environment where a token lets it."""
    rights = {right for right, level in given.items() if level == "write"}
    return bool(rights - {"id-token"}) or (
        "id-token" in rights and job.get("environment") == ENVIRONMENT
    )


def has_cache(job: Part) -> bool:
    """Whether a job restores what another may have left."""
    told = [given.get("enable-cache") is not False for given in uses(job, "astral-sh/setup-uv")]
    return any(told) or any(
        str(step.get("uses", "")).startswith("actions/cache") for step in steps_of(job)
    )


def absent_outputs(job: Part, jobs: Mapping[str, Part]) -> Iterator[str]:
    """What a job reads of a job or a step that does not give it: it would be empty."""
    needs = job.get("needs") or ()
    known = {needs} if isinstance(needs, str) else set(needs)
    for name, output in FROM_JOB.findall(str(job)):
        if name not in known or name not in jobs:
            yield f"it reads needs.{name}, but does not need that job"
        elif (
            output and "uses" not in jobs[name] and output not in (jobs[name].get("outputs") or {})
        ):
            yield f"it reads needs.{name}.outputs.{output}, which that job does not give"
    ids = {step.get("id") for step in steps_of(job)}
    for name in FROM_STEP.findall(str(job)):
        if name not in ids:
            yield f"it reads steps.{name}, but no step has that id"


def check_faults(document: Part) -> Iterator[str]:
    """Where a change could write, or choose what it is checked against, in its own check.yml."""
    jobs = jobs_of(document)
    if document.get("name") != "check" or "pull_request" not in triggers(document):
        yield "it is not called check, or does not start on a pull request"
    for name, needed in {"check": ["make check", "make manifests", "make workflows"],
                         "pipeline": ["reproduce"]}.items():  # fmt: skip
        absent = [one for one in needed if one not in commands(jobs.get(name, {}))]
        yield from (f"{name}: it does not run {one}" for one in absent)
    for name, job in jobs.items():
        if (job.get("env") or {}).get("BASE", DEFAULT) != DEFAULT:
            yield f"{name}: BASE is not the default branch"
        if "secrets." in str(job):
            yield f"{name}: a secret where a change is checked"
        if name in REQUIRED and ("needs" in job or "if" in job):
            yield f"{name}: a required check with a condition: skipped, it counts as passed"


def judge_faults(document: Part) -> Iterator[str]:
    """Where judge.yml would run, trust or hand a right to what the change brings."""
    starts, jobs = document.get("on"), jobs_of(document)
    wanted = {name: (starts or {}).get(name) for name in STARTS} if isinstance(starts, dict) else {}
    if wanted != STARTS or triggers(document) - {*STARTS, "workflow_dispatch"}:
        yield "it does not start when check or review has ended, and on a comment, alone"
    if document.get("name") != "judge" or set(jobs) != set(RUNS):
        yield f"it is not called judge, or has other jobs than {', '.join(RUNS)}"
        return
    for name, job in jobs.items():
        if " ".join(str(job.get("if")).split()) != CONDITIONS[name]:
            yield f"{name}: another condition: it must always run"
        if commands(job) != RUNS[name]:
            yield f"{name}: it runs something else than mlgitops ci {', '.join(RUNS[name])}"
        if "secrets." in str(job):
            yield f"{name}: a secret where a change is judged"
        yield from (f"{name}: {what}" for what in foreign_parts(job))
    late = [one for one in steps_of(jobs["judge"]) if "run" in one]
    if any("GITHUB_TOKEN" in str(one) for one in late if command(one["run"]) not in ASKING):
        yield "judge: a token where the change's model is loaded"


def foreign_parts(job: Part) -> Iterator[str]:
    """Where a job of judge.yml takes code from the change."""
    first, *rest = uses(job, "actions/checkout") or [{}]
    if first.get("ref") != DEFAULT:
        yield "runs other code than the default branch's"
    if any(given.get("path") != "change" for given in rest):
        yield "the change's files lie where code is run from"
    if has_cache(job):
        yield "a cache that the change's own jobs may have filled"
    names = {str(step["uses"]).partition("@")[0] for step in steps_of(job) if "uses" in step}
    yield from (f"it uses {name}" for name in sorted(names - set(ACTIONS)))


def review_faults(document: Part) -> Iterator[str]:
    """Whether an approval starts the judge again."""
    if document.get("name") != "review" or triggers(document) != {"pull_request_review"}:
        yield "it is not called review, or does not start on a review alone"


OWN = {"check": check_faults, "judge": judge_faults, "review": review_faults}


def owner_faults(text: str) -> Iterator[str]:
    """The rules for which CODEOWNERS has no owner; the last line that fits decides."""
    lines = [words for line in text.splitlines() if (words := line.partition("#")[0].split())]
    for rule in FILES:
        path = rule.strip("/") + "/x" * rule.endswith("/")
        fits = [names for pattern, *names in lines if pattern == "*" or covers(pattern, path)]
        if not fits or not any("@" in name for name in fits[-1]):
            yield f"no owner for {rule}"
    for pattern, *names in lines:
        if not names and place(pattern.strip("/")) is not None and pattern not in FILES:
            yield f"it takes the owner of {pattern} away"


def ruleset_faults(ruleset: Any, by: str) -> Iterator[str]:
    """What main's ruleset lacks; `by` is how an owner approves, as gate.yaml says."""
    found = ruleset if isinstance(ruleset, Mapping) else {}
    rules = {one.get("type"): one.get("parameters") or {} for one in found.get("rules") or ()}
    if found.get("enforcement") != "active":
        yield "it is not active"
    checks = rules.get("required_status_checks", {}).get("required_status_checks") or ()
    contexts = {one.get("context") for one in checks}
    yield from (f"it does not require {name}" for name in REQUIRED if name not in contexts)
    reviews = rules.get("pull_request")
    if reviews is None:
        yield "it requires no pull request"
    elif by == "review" and not (reviews.get("required_approving_review_count") or 0) > 0:
        yield "it requires no approval: gate.yaml says `approve: {by: review}`"
    elif by == "review" and not reviews.get("require_code_owner_review"):
        yield "it requires no review by the owners"
