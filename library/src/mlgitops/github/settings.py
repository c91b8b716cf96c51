"""What the repository's settings on the Git host should be, and how they are fixed."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from mlgitops.core.errors import UserError, join_names
from mlgitops.github.client import GitHost, Refused, quote_name
from mlgitops.github.environment_protection import MAIN, EnvironmentProtection

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

State = Literal["ok", "missing", "unknown"]


class Finding(NamedTuple):
    """One thing that was looked at."""

    state: State
    name: str
    words: str


class Settings:
    """The settings of a repository against what its files ask for; with `fix` they are fixed."""

    def __init__(self, there: GitHost, needed: Callable[[str], bool], fix: bool) -> None:
        """Read what the workflows name; `needed` says of a variable whether it must be set."""
        self.there, self.needed, self.fix = there, needed, fix
        self.files = sorted([*WORKFLOWS.glob("*.yml"), *WORKFLOWS.glob("*.yaml")])
        self.text = "\n".join(path.read_text("utf-8") for path in self.files)

    def findings(self) -> Iterator[Finding]:
        """Every check in turn; the others are not asked where the token is not usable."""
        checks: list[Callable[[], Finding]] = [
            self.branch, self.workflows, self.pulls, self.ruleset, self.owners,
            self.environments, self.labels, self.variables, self.secrets,
        ]  # fmt: skip
        first = attempt(self.token)
        yield first
        for check in checks:
            if first.state == "unknown":
                yield Finding("unknown", check.__name__, "checked once the token works")
            else:
                yield attempt(check)

    def fix_or_report(
        self, name: str, what: str, action: Callable[[], object], page: str
    ) -> Finding:
        """Something that is missing: fixed, or with the command and the page that fix it."""
        by_hand = f"{self.there.facts['html_url']}/{page}"
        if not self.fix:
            return Finding("missing", name, f"{what}: {FIX}, or {by_hand}")
        try:
            action()
        except Refused as error:
            return Finding("missing", name, f"{what}, and {error.words!r}: {by_hand}")
        return Finding("ok", name, f"fixed: {what}")

    def names(self, kind: str) -> list[str]:
        """The variables, secrets or labels that the workflows name."""
        found = ",".join(NAMED[kind].findall(self.text)).split(",")
        return sorted({name.strip() for name in found} - {""})

    def token(self) -> Finding:
        """Whether the token may write here."""
        may = self.there.facts.get("permissions") or {}
        if not may.get("push"):
            words = f"it may only read {self.there.repository}: docs/github.md"
            return Finding("missing", "token", words)
        words = f"may write to {self.there.repository}"
        more = "" if may.get("admin") else ", not administer it: settings may stay unknown"
        return Finding("ok", "token", words + more)

    def branch(self) -> Finding:
        """Whether the default branch has the name that workflows and commands know."""
        name = self.there.facts["default_branch"]
        if name == MAIN:
            return Finding("ok", "branch", f"{MAIN} is the default branch")
        path, wanted = f"/branches/{quote_name(name)}/rename", {"new_name": MAIN}
        what = f"the default branch is {name}, not {MAIN} (here: git branch --move {name} {MAIN})"
        return self.fix_or_report(
            "branch", what, lambda: self.there.post(path, wanted), "settings"
        )  # fmt: skip

    def workflows(self) -> Finding:
        """Whether the workflows are there and switched on."""
        known = {
            one["path"]: one for one in self.there.pages("/actions/workflows", key="workflows")
        }
        paths = [path.as_posix() for path in self.files]
        absent = [path for path in paths if path not in known]
        if absent:
            return Finding(
                "missing", "workflows", f"not on the Git host: {join_names(absent)}: git push"
            )
        off = [known[path] for path in paths if known[path]["state"] != "active"]
        slept = [one for one in off if one["state"] == "disabled_inactivity"]
        if slept:
            what = f"switched off after 60 days without activity: {names_of(slept)}"
            return self.fix_or_report("workflows", what, lambda: self.enable(slept), "actions")
        if off:
            words = f"switched off by a person: {names_of(off)}: gh workflow enable NAME"
            return Finding("missing", "workflows", words)
        return Finding("ok", "workflows", f"{len(paths)} switched on")

    def enable(self, workflows: list[Any]) -> None:
        """Switch workflows on."""
        for one in workflows:
            self.there.put(f"/actions/workflows/{one['id']}/enable", None)

    def pulls(self) -> Finding:
        """Whether workflows may open pull requests."""
        path = "/actions/permissions/workflow"
        found = self.there.get(path)
        if found["can_approve_pull_request_reviews"]:
            return Finding("ok", "pulls", "workflows may open pull requests")
        kept = {"default_workflow_permissions": found["default_workflow_permissions"]}
        wanted = {**kept, "can_approve_pull_request_reviews": True}
        what = "workflows may not open pull requests"
        return self.fix_or_report(
            "pulls", what, lambda: self.there.put(path, wanted), "settings/actions"
        )  # fmt: skip

    def ruleset(self) -> Finding:
        """Whether main is protected as the file says."""
        wanted = read(RULESET)
        pages = self.there.pages("/rulesets", includes_parents="false")
        found = next((one for one in pages if one["name"] == wanted["name"]), None)
        if found is None:
            what = f"{wanted['name']} is not protected"
            return self.fix_or_report(
                "ruleset", what, lambda: self.there.post("/rulesets", wanted), "settings/rules"
            )
        path = f"/rulesets/{found['id']}"
        there = self.there.get(path)
        # Who may bypass is shown to those who may change the rules.
        if holds(there, {key: wanted[key] for key in wanted if key in there or key != HIDDEN}):
            return Finding("ok", "ruleset", f"{wanted['name']} is protected as {RULESET} says")
        what = f"{wanted['name']} is not protected as {RULESET} says"
        return self.fix_or_report(
            "ruleset", what, lambda: self.there.put(path, wanted), "settings/rules"
        )  # fmt: skip

    def owners(self) -> Finding:
        """Whether the Git host understands CODEOWNERS."""
        errors = self.there.get("/codeowners/errors")["errors"]
        if errors:
            words = f"line {errors[0].get('line')}: {one_line(errors[0]['message'])}"
            return Finding("missing", "owners", f"{words}: edit .github/CODEOWNERS")
        return Finding("ok", "owners", "every owner in .github/CODEOWNERS is known")

    def environments(self) -> Finding:
        """Whether the environments that jobs name keep their secrets for main."""
        names = environments(self.files)
        if not names:
            return Finding("ok", "environments", "no job names one")
        protections = [EnvironmentProtection(self.there, name) for name in names]
        lacking = {one: why for one in protections if (why := one.lacks())}
        if not lacking:
            return Finding("ok", "environments", f"{join_names(names)}: for jobs of {MAIN} only")

        def limit() -> None:
            for one in lacking:
                one.limit()

        what = join_names(f"{one.name} {why}" for one, why in lacking.items())
        return self.by_plan(
            self.fix_or_report("environments", what, limit, "settings/environments")
        )

    def by_plan(self, found: Finding) -> Finding:
        """What is missing is no failure where a plan may not have it."""
        if found.state == "missing" and self.there.facts.get("private"):
            note = "(a private repository has environments with a paid plan only)"
            return Finding("unknown", found.name, f"{found.words} {note}")
        return found

    def labels(self) -> Finding:
        """Whether the labels that workflows give exist."""
        wanted = self.names("labels")
        known = {one["name"] for one in self.there.pages("/labels")}
        absent = [name for name in wanted if name not in known]
        if not absent:
            return Finding("ok", "labels", join_names(wanted) or "no workflow gives one")

        def make() -> None:
            for name in absent:
                self.there.post("/labels", {"name": name, "color": GREY})

        return self.fix_or_report("labels", join_names(absent), make, "labels")

    def variables(self) -> Finding:
        """Whether the variables that are needed are set."""
        return self.check_names("variables", "gh variable set NAME", "settings/variables/actions")

    def secrets(self) -> Finding:
        """Whether those that are needed are set, in the environment of the jobs that read them.

        Their values are nobody's business.
        """
        homes = {name: self.home(name) for name in self.names("secrets")}
        home = max(homes.values(), default="")
        command = "gh secret set NAME" + (f" --env {home}" if home else "")
        pages = self.there.pages("/actions/secrets", key="secrets")
        if astray := sorted(one["name"] for one in pages if homes.get(one["name"])):
            words = (
                f"{join_names(astray)}: a workflow of any branch may read it where it stands: "
                f"{command}, then gh secret delete NAME"
            )
            return self.by_plan(Finding("missing", "secrets", words))
        return self.check_names("secrets", command, "settings/environments")

    def home(self, secret: str) -> str:
        """The one environment of all jobs that read a secret; "" if there is none."""
        reads = re.compile(rf"\bsecrets\.{secret}\b")
        homes = {name for name, job in jobs(self.files) if reads.search(job)}
        return homes.pop() if len(homes) == 1 else ""

    def check_names(self, kind: str, command: str, page: str) -> Finding:
        """Which of the names that workflows use are set."""
        names = self.names(kind)
        if not names:
            return Finding("ok", kind, "no workflow needs one")
        known = set(self.names_there(kind))
        needed = [name for name in names if name not in known and self.needed(name)]
        if needed:
            by_hand = f"{self.there.facts['html_url']}/{page}"
            return Finding("missing", kind, f"{join_names(needed)}: {command}, or {by_hand}")
        rest = [name for name in names if name not in known]
        more = f"not set, and not needed: {join_names(rest)}" if rest else "all are set"
        return Finding("ok", kind, more)

    def names_there(self, kind: str) -> Iterator[str]:
        """The names that are set in the repository, its environments and its organisation."""
        for one in self.there.pages(f"/actions/{kind}", key=kind):
            yield one["name"]
        for name in environments(self.files):
            yield from self.optional(f"/environments/{quote_name(name)}/{kind}", kind)
        yield from self.optional(f"/actions/organization-{kind}", kind)

    def optional(self, path: str, key: str) -> Iterator[str]:
        """The names in a list that a Git host may not have."""
        try:
            yield from [one["name"] for one in self.there.pages(path, key=key)]
        except Refused:
            return


def attempt(check: Callable[[], Finding]) -> Finding:
    """What a check finds; unknown, with the reason, if the Git host does not tell."""
    try:
        return check()
    except UserError as error:
        return Finding("unknown", check.__name__, one_line(error))


def one_line(words: object) -> str:
    """What a program or a person said, without its line breaks."""
    return " ".join(str(words).split())


def names_of(workflows: list[Any]) -> str:
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


def environments(files: list[Path]) -> list[str]:
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
