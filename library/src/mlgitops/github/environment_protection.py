"""An environment of the Git host: its secrets are for the jobs that name it, and these for main."""

from typing import Any

from mlgitops.github.client import GitHost, quote_name

MAIN = "main"  # in on.push.branches, and what commands call the main line
LIMITED = {"protected_branches": False, "custom_branch_policies": True}
ONLY = ("branch", MAIN)


class EnvironmentProtection:
    """An environment that jobs name, as the Git host has it."""

    def __init__(self, there: GitHost, name: str) -> None:
        """Ask the Git host for it."""
        self.there, self.name, self.path = there, name, f"/environments/{quote_name(name)}"
        pages = there.pages("/environments", key="environments")
        self.found: Any = next((one for one in pages if one["name"] == name), {})

    def is_limited(self) -> bool:
        """Whether the branches whose jobs get in are named."""
        policy = self.found.get("deployment_branch_policy") or {}
        return bool(policy.get("custom_branch_policies"))

    def branches(self) -> dict[tuple[str, str], int]:
        """The branches and tags that are named, with the number of each."""
        pages = self.there.pages(f"{self.path}/deployment-branch-policies", key="branch_policies")
        return {(one.get("type", "branch"), one["name"]): one["id"] for one in pages}

    def lacks(self) -> str:
        """Why it does not keep its secrets for main; "" if it does."""
        if not self.found:
            return "is not there"
        if self.is_limited() and set(self.branches()) == {ONLY}:
            return ""
        return f"is not limited to {MAIN}"

    def limit(self) -> None:
        """Make it, if it is not there, and let in jobs of main, and no others."""
        if not self.is_limited():
            rules = reviewers_and_wait(self.found.get("protection_rules") or [])
            self.there.put(self.path, {**rules, "deployment_branch_policy": LIMITED})
        named, path = self.branches(), f"{self.path}/deployment-branch-policies"
        if ONLY not in named:
            self.there.post(path, {"name": MAIN})
        for other in named.keys() - {ONLY}:
            self.there.delete(f"{path}/{named[other]}")


def reviewers_and_wait(rules: list[Any]) -> dict[str, Any]:
    """Who must approve, and how long a job waits: what is not sent again, the Git host forgets."""
    body: dict[str, Any] = {}
    for rule in rules:
        if rule["type"] == "wait_timer":
            body["wait_timer"] = rule["wait_timer"]
        if rule["type"] == "required_reviewers":
            who = [{"type": one["type"], "id": one["reviewer"]["id"]} for one in rule["reviewers"]]
            body["reviewers"] = who
            body["prevent_self_review"] = rule.get("prevent_self_review", False)
    return body
