"""What the repository's settings on the Git host should be, and how they are fixed."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import yaml

from mlgitops.core.errors import UserError, join_names
from mlgitops.github import approvals
from mlgitops.github.client import GitHost, quote_name
from mlgitops.github.environment_protection import MAIN, EnvironmentProtection
from mlgitops.github.waiting import Refused
from mlgitops.github.workflow_rules import ruleset_faults

WORKFLOWS = Path(".github/workflows")
RULESET = Path(".github/rulesets/main.json")
HIDDEN = "bypass_actors"
GREY = "ededed"
FIX = "make doctor FIX=1"
NAMED = {
    "variables": re.compile(r"\bvars\.(\w+)"),
    "secrets": re.compile(r"\bsecrets\.(?!GITHUB_TOKEN\b)(\w+)"),
    "labels": re.compile(r"\bLABELS(?:=|: *)[\"']?([\w-]+(?:, ?[\w-]+)*)"),
}

# Where Argo CD and Flux are told what to follow; an address by SSH is a person's choice.
FOLLOWS = re.compile(r"^ *(?:repoURL|url|sourceRepos): *(.*)$", re.M)
ADDRESS = re.compile(r'"(https?://[^"]+)"')

State = Literal["ok", "missing", "unknown"]


class Finding(NamedTuple):
    """One thing that was looked at."""

    state: State
    name: str
    words: str


class Workflow(TypedDict):
    """A workflow as the Git host lists it."""

    id: int
    path: str
    state: str


@dataclass(frozen=True)
class Settings:
    """A repository on the Git host, its workflows' files, and whether what is missing is fixed.

    `needed` says of a variable or secret whether it must be set.
    """

    there: GitHost
    needed: Callable[[str], bool]
    fix: bool

    @cached_property
    def files(self) -> list[Path]:
        """The files of the workflows."""
        return sorted([*WORKFLOWS.glob("*.yml"), *WORKFLOWS.glob("*.yaml")])

    @cached_property
    def text(self) -> str:
        """All of their text."""
        return "\n".join(path.read_text("utf-8") for path in self.files)

    def names(self, kind: str) -> list[str]:
        """The variables, secrets or labels that the workflows name."""
        found = ",".join(NAMED[kind].findall(self.text)).split(",")
        return sorted({name.strip() for name in found} - {""})

    def names_there(self, kind: str) -> Iterator[str]:
        """The names that are set in the repository, its environments and its organisation."""
        for one in self.there.pages(f"/actions/{kind}", key=kind):
            yield one["name"]
        for name in environment_names(self.files):
            yield from self.optional(f"/environments/{quote_name(name)}/{kind}", kind)
        yield from self.optional(f"/actions/organization-{kind}", kind)

    def optional(self, path: str, key: str) -> Iterator[str]:
        """The names in a list that a Git host may not have."""
        try:
            yield from [one["name"] for one in self.there.pages(path, key=key)]
        except Refused:
            return

    def by_hand(self, page: str) -> str:
        """The address of a page of the repository."""
        return f"{self.there.facts['html_url']}/{page}"

    def fix_or_report(
        self, name: str, what: str, action: Callable[[], object], page: str
    ) -> Finding:
        """Something that is missing: fixed, or with the command and the page that fix it."""
        if not self.fix:
            return Finding("missing", name, f"{what}: {FIX}, or {self.by_hand(page)}")
        try:
            action()
        except Refused as error:
            return Finding("missing", name, f"{what}, and {error.words!r}: {self.by_hand(page)}")
        return Finding("ok", name, f"fixed: {what}")


def check_all(settings: Settings) -> Iterator[Finding]:
    """Every check in turn; the others are not asked where the token is not usable."""
    first = attempt(token, settings)
    yield first
    for check in CHECKS:
        if first.state == "unknown":
            yield Finding("unknown", check.__name__, "checked once the token works")
        else:
            yield attempt(check, settings)


def token(settings: Settings) -> Finding:
    """Whether the token may write here."""
    may = settings.there.facts.get("permissions") or {}
    if not may.get("push"):
        words = f"it may only read {settings.there.repository}: docs/github.md"
        return Finding("missing", "token", words)
    words = f"may write to {settings.there.repository}"
    more = "" if may.get("admin") else ", not administer it: settings may stay unknown"
    return Finding("ok", "token", words + more)


def branch(settings: Settings) -> Finding:
    """Whether the default branch has the name that workflows and commands know."""
    name = settings.there.facts["default_branch"]
    if name == MAIN:
        return Finding("ok", "branch", f"{MAIN} is the default branch")
    path, wanted = f"/branches/{quote_name(name)}/rename", {"new_name": MAIN}
    what = f"the default branch is {name}, not {MAIN} (here: git branch --move {name} {MAIN})"
    return settings.fix_or_report(
        "branch", what, lambda: settings.there.post(path, wanted), "settings"
    )  # fmt: skip


def workflows(settings: Settings) -> Finding:
    """Whether the workflows are there and switched on."""
    known = {
        one["path"]: one for one in settings.there.pages("/actions/workflows", key="workflows")
    }
    paths = [path.as_posix() for path in settings.files]
    absent = [path for path in paths if path not in known]
    if absent:
        return Finding(
            "missing", "workflows", f"not on the Git host: {join_names(absent)}: git push"
        )
    off = [known[path] for path in paths if known[path]["state"] != "active"]
    slept = [one for one in off if one["state"] == "disabled_inactivity"]
    if slept:
        what = f"switched off after 60 days without activity: {names_of(slept)}"
        return settings.fix_or_report("workflows", what, lambda: enable(settings, slept), "actions")
    if off:
        words = f"switched off by a person: {names_of(off)}: gh workflow enable NAME"
        return Finding("missing", "workflows", words)
    return Finding("ok", "workflows", f"{len(paths)} switched on")


def enable(settings: Settings, workflows: list[Workflow]) -> None:
    """Switch workflows on."""
    for one in workflows:
        settings.there.put(f"/actions/workflows/{one['id']}/enable", None)


def pulls(settings: Settings) -> Finding:
    """Whether workflows may open pull requests."""
    path = "/actions/permissions/workflow"
    found = settings.there.get(path)
    if found["can_approve_pull_request_reviews"]:
        return Finding("ok", "pulls", "workflows may open pull requests")
    present = {"default_workflow_permissions": found["default_workflow_permissions"]}
    wanted = {**present, "can_approve_pull_request_reviews": True}
    what = "workflows may not open pull requests"
    return settings.fix_or_report(
        "pulls", what, lambda: settings.there.put(path, wanted), "settings/actions"
    )  # fmt: skip


def ruleset(settings: Settings) -> Finding:
    """Whether main is protected as the file says."""
    wanted = read(RULESET)
    if lacking := list(ruleset_faults(wanted, approvals.load().by)):
        return Finding("missing", "ruleset", f"{RULESET}: {join_names(lacking)}: make workflows")
    pages = settings.there.pages("/rulesets", includes_parents="false")
    found = next((one for one in pages if one["name"] == wanted["name"]), None)
    if found is None:
        what = f"{wanted['name']} is not protected"
        return settings.fix_or_report(
            "ruleset", what, lambda: settings.there.post("/rulesets", wanted), "settings/rules"
        )
    path = f"/rulesets/{found['id']}"
    there = settings.there.get(path)
    # Who may bypass is shown to those who may change the rules.
    if holds(there, {key: wanted[key] for key in wanted if key in there or key != HIDDEN}):
        return Finding("ok", "ruleset", f"{wanted['name']} is protected as {RULESET} says")
    what = f"{wanted['name']} is not protected as {RULESET} says"
    return settings.fix_or_report(
        "ruleset", what, lambda: settings.there.put(path, wanted), "settings/rules"
    )  # fmt: skip


def owners(settings: Settings) -> Finding:
    """Whether the Git host understands CODEOWNERS."""
    errors = settings.there.get("/codeowners/errors")["errors"]
    if errors:
        words = f"line {errors[0].get('line')}: {one_line(errors[0]['message'])}"
        return Finding("missing", "owners", f"{words}: edit .github/CODEOWNERS")
    return Finding("ok", "owners", "every owner in .github/CODEOWNERS is known")


def environments(settings: Settings) -> Finding:
    """Whether the environments that jobs name keep their secrets for main."""
    names = environment_names(settings.files)
    if not names:
        return Finding("ok", "environments", "no job names one")
    protections = [EnvironmentProtection(settings.there, name) for name in names]
    lacking = {one: why for one in protections if (why := one.lacks())}
    if not lacking:
        return Finding("ok", "environments", f"{join_names(names)}: for jobs of {MAIN} only")

    def limit() -> None:
        for one in lacking:
            one.limit()

    what = join_names(f"{one.name} {why}" for one, why in lacking.items())
    return by_plan(
        settings, settings.fix_or_report("environments", what, limit, "settings/environments")
    )


def by_plan(settings: Settings, found: Finding) -> Finding:
    """What is missing is no failure where a plan may not have it."""
    if found.state == "missing" and settings.there.facts.get("private"):
        note = "(a private repository has environments with a paid plan only)"
        return Finding("unknown", found.name, f"{found.words} {note}")
    return found


def labels(settings: Settings) -> Finding:
    """Whether the labels that workflows give exist."""
    wanted = settings.names("labels")
    known = {one["name"] for one in settings.there.pages("/labels")}
    absent = [name for name in wanted if name not in known]
    if not absent:
        return Finding("ok", "labels", join_names(wanted) or "no workflow gives one")

    def make() -> None:
        for name in absent:
            settings.there.post("/labels", {"name": name, "color": GREY})

    return settings.fix_or_report("labels", join_names(absent), make, "labels")


def variables(settings: Settings) -> Finding:
    """Whether the variables that are needed are set."""
    return check_names(settings, "variables", "gh variable set NAME", "settings/variables/actions")


def secrets(settings: Settings) -> Finding:
    """Whether those that are needed are set, in the environment of the jobs that read them.

    Their values are nobody's business.
    """
    homes = {name: home_of(settings, name) for name in settings.names("secrets")}
    home = max(homes.values(), default="")
    command = "gh secret set NAME" + (f" --env {home}" if home else "")
    pages = settings.there.pages("/actions/secrets", key="secrets")
    if astray := sorted(one["name"] for one in pages if homes.get(one["name"])):
        words = (
            f"{join_names(astray)}: a workflow of any branch may read it where it stands: "
            f"{command}, then gh secret delete NAME"
        )
        return by_plan(settings, Finding("missing", "secrets", words))
    return check_names(settings, "secrets", command, "settings/environments")


def home_of(settings: Settings, secret: str) -> str:
    """The one environment of all jobs that read a secret; "" if there is none."""
    reads = re.compile(rf"\bsecrets\.{secret}\b")
    homes = {name for name, job in jobs(settings.files) if reads.search(job)}
    return homes.pop() if len(homes) == 1 else ""


def check_names(settings: Settings, kind: str, command: str, page: str) -> Finding:
    """Which of the names that workflows use are set."""
    names = settings.names(kind)
    if not names:
        return Finding("ok", kind, "no workflow needs one")
    known = set(settings.names_there(kind))
    needed = [name for name in names if name not in known and settings.needed(name)]
    if needed:
        by_hand = settings.by_hand(page)
        return Finding("missing", kind, f"{join_names(needed)}: {command}, or {by_hand}")
    rest = [name for name in names if name not in known]
    more = f"not set, and not needed: {join_names(rest)}" if rest else "all are set"
    return Finding("ok", kind, more)


def deploy(settings: Settings) -> Finding:
    """Whether what a controller in the cluster follows, by the files of deploy/, is this one."""
    wanted = str(settings.there.facts["html_url"])
    texts = {path: path.read_text("utf-8") for path in sorted(Path("deploy").rglob("*.yaml"))}
    others = {path: other_addresses(text, wanted) for path, text in texts.items()}
    names = join_names(path for path, found in others.items() if found)
    if not names:
        return Finding("ok", "deploy", f"what follows deploy/ follows {wanted}")
    what = f"{names}: another repository than {wanted}"
    if not settings.fix:
        return Finding("missing", "deploy", f"{what}: {FIX}, then commit")
    for path, found in others.items():
        for address in found:
            texts[path] = texts[path].replace(f'"{address}"', f'"{wanted}"')
            path.write_text(texts[path], "utf-8")
    return Finding("ok", "deploy", f"fixed: {what}: commit these files")


def other_addresses(text: str, wanted: str) -> set[str]:
    """The addresses in a file of a repository of this name elsewhere; none of a chart or a module.

    The answers to the template's questions made them, before it was known where the project lives.
    """
    found = {one for line in FOLLOWS.findall(text) for one in ADDRESS.findall(line)}
    here, name = wanted.lower(), f"/{wanted.lower().rpartition('/')[2]}"
    plain = {one: one.removesuffix(".git").lower() for one in found}
    return {one for one, address in plain.items() if address.endswith(name) and address != here}


CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    branch, workflows, pulls, ruleset, owners, environments, labels, variables, secrets, deploy,
)  # fmt: skip


def attempt(check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    """What a check finds; unknown, with the reason, if the Git host does not tell."""
    try:
        return check(settings)
    except UserError as error:
        return Finding("unknown", check.__name__, one_line(error))
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        words = f"the Git host answers in another form: {type(error).__name__} {one_line(error)}"
        return Finding("unknown", check.__name__, words[:200])


def one_line(words: object) -> str:
    """What a program or a person said, without its line breaks."""
    return " ".join(str(words).split())


def names_of(workflows: list[Workflow]) -> str:
    """The file names of workflows."""
    return join_names(Path(one["path"]).name for one in workflows)


def read(path: Path) -> Any:
    """The contents of a JSON file."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def jobs(files: list[Path]) -> Iterator[tuple[str, str]]:
    """Of each job of the workflows: the environment that it names, "" if none, and its text."""
    for path in files:
        try:
            found = yaml.safe_load(path.read_text("utf-8"))["jobs"]
        except (yaml.YAMLError, TypeError, KeyError):
            raise UserError(f"{path} cannot be read: make workflows says why") from None
        for job in found.values():
            named = job.get("environment") or ""
            name = str(named["name"] if isinstance(named, dict) else named)
            yield "" if "${{" in name else name, str(job)


def environment_names(files: list[Path]) -> list[str]:
    """The environments that the jobs of workflows name."""
    return sorted({name for name, _ in jobs(files)} - {""})


def holds(found: Any, wanted: Any) -> bool:
    """Whether everything that is wanted was found; a Git host adds keys of its own."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and holds(found[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(any(holds(one, value) for one in found) for value in wanted)
        )
    return bool(found == wanted)
