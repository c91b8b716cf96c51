"""GitHub's REST API as far as this project uses it, with a memory; the standard library only.

In a test: `with FakeGitHub(git=BARE) as github:` answers at `github.url`, and `github.state` is the
memory. As a program: `python fake_github.py PORT [--repository owner/name] [--git BARE]`; then
`GET /_state` shows the memory as JSON and `PUT /_state` replaces what the sent keys name.

`state["failures"]` says which requests fail: each entry has `path` (a regular expression), `status`
(0: the connection is cut), and may have `method`, `message`, `headers`, `times`, and `late`: what
was asked is done before it fails.
`state["tokens"]` says what a token may do: `workflow` (a bot that writes), `person`, `admin` or
`read`.
"""

import argparse
import json
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

LABELS = ("bug", "documentation", "enhancement")
NOT_PERMITTED = "GitHub Actions is not permitted to create or approve pull requests."
NO_PLAN = "Fail to create protected rule, please ensure billing plan include protected branch gate."
BOT = {"login": "github-actions[bot]", "type": "Bot"}
PERSON = {"login": "ada", "type": "User"}


def memory(repository: str) -> dict[str, Any]:
    """A new repository with GitHub's own settings, but workflows may open pull requests."""
    return {
        "repository": repository,
        "private": False,
        "owner_type": "User",
        "default_branch": "main",
        "allow_auto_merge": False,
        "tokens": {"workflow": "workflow", "person": "person", "admin": "admin", "read": "read"},
        "pulls": [],
        "comments": [],
        "statuses": [],
        "labels": [{"name": name, "color": "ededed"} for name in LABELS],
        "dispatches": [],
        "runs": [],
        "rulesets": [],
        "plan": "free",
        "environments": [],
        "variables": [],
        "secrets": [],
        "codeowners_errors": [],
        "workflows": [{"id": 1, "path": ".github/workflows/check.yml", "state": "active"}],
        "permissions": {
            "default_workflow_permissions": "read",
            "can_approve_pull_request_reviews": True,
        },
        "failures": [],
        "requests": [],
    }


class Answer(Exception):
    """Ends a request with a status and a message."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.body = status, {"message": message, **more}


class FakeGitHub:
    """The server, and what it remembers."""

    def __init__(self, repository: str = "acme/bees", git: str | None = None, port: int = 0):
        self.state = memory(repository)
        self.git = git
        self.lock = threading.RLock()
        handler = type("Handler", (Handler,), {"github": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> "FakeGitHub":
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def fail(self, path: str, status: int, message: str = "It failed", **more: Any) -> None:
        """Let the requests of a path fail; `times=2`: only the next two."""
        self.state["failures"].append({"path": path, "status": status, "message": message, **more})

    def sha(self, branch: str) -> str | None:
        """The head of a branch of the bare repository; "0…0" if there is no repository."""
        if self.git is None:
            return "0" * 40
        command = ["git", "-C", self.git, "rev-parse", "--verify", "-q", f"refs/heads/{branch}"]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        return found.stdout.strip() or None

    def equal(self, base: str, head: str) -> bool:
        """Whether a branch has no commit that the other lacks."""
        if self.git is None:
            return False
        command = ["git", "-C", self.git, "rev-list", "--count", f"{base}..{head}"]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        return found.stdout.strip() == "0"

    def page(self) -> str:
        """The address of the repository's pages."""
        return f"{self.url}/{self.state['repository']}"


class Request:
    """A request for one repository, and who makes it."""

    def __init__(self, github: FakeGitHub, query: dict[str, str], body: Any, kind: str) -> None:
        self.github, self.query, self.body, self.kind = github, query, body, kind
        self.state = github.state

    @property
    def author(self) -> dict[str, str]:
        return BOT if self.kind in ("workflow", "read") else PERSON

    def repository(self) -> Any:
        owner, name = self.state["repository"].split("/")
        return {
            "name": name,
            "full_name": self.state["repository"],
            "owner": {"login": owner, "type": self.state["owner_type"]},
            "default_branch": self.state["default_branch"],
            "private": self.state["private"],
            "html_url": self.github.page(),
            "allow_merge_commit": True,
            "allow_squash_merge": True,
            "permissions": {
                "admin": self.kind == "admin", "push": self.kind != "read", "pull": True,
            },
        }  # fmt: skip

    def user(self) -> Any:
        if self.author == BOT:
            raise Answer(403, "Resource not accessible by integration")
        return PERSON

    def pull(self, number: str) -> dict[str, Any]:
        for one in self.state["pulls"]:
            if one["number"] == int(number):
                one["head"]["sha"] = self.github.sha(one["head"]["ref"]) or one["head"]["sha"]
                return one
        raise Answer(404, "Not Found")

    def pulls(self) -> Any:
        state, head = self.query.get("state", "open"), self.query.get("head")
        found = [self.pull(one["number"]) for one in self.state["pulls"]]
        return [
            one
            for one in found
            if state in ("all", one["state"]) and head in (None, one["head"]["label"])
        ]

    def create_pull(self) -> Any:
        if not self.state["permissions"]["can_approve_pull_request_reviews"] and self.author == BOT:
            raise Answer(403, NOT_PERMITTED)
        head, base = self.body["head"], self.body["base"]
        owner = self.state["repository"].split("/")[0]
        errors = [{"resource": "PullRequest", "code": "custom"}]
        if any(one["head"]["ref"] == head and one["state"] == "open" for one in self.pulls()):
            errors[0]["message"] = f"A pull request already exists for {owner}:{head}."
        elif self.github.sha(head) is None:
            errors = [{"resource": "PullRequest", "field": "head", "code": "invalid"}]
        elif self.github.equal(base, head):
            errors[0]["message"] = f"No commits between {base} and {head}"
        else:
            return self.new_pull(head, base, owner)
        raise Answer(422, "Validation Failed", errors=errors)

    def new_pull(self, head: str, base: str, owner: str) -> Any:
        number = len(self.state["pulls"]) + 1
        place = {"full_name": self.state["repository"]}
        pull = {
            "number": number, "node_id": f"PR_{number}", "state": "open", "user": self.author,
            "title": self.body["title"], "body": self.body.get("body"), "labels": [],
            "head": {"ref": head, "label": f"{owner}:{head}", "repo": place,
                     "sha": self.github.sha(head)},
            "base": {"ref": base, "repo": place}, "auto_merge": None,
            "html_url": f"{self.github.page()}/pull/{number}",
        }  # fmt: skip
        self.state["pulls"].append(pull)
        return pull

    def edit_pull(self, number: str) -> Any:
        one = self.pull(number)
        one.update({k: v for k, v in self.body.items() if k in ("title", "body", "state")})
        return one

    def add_labels(self, number: str) -> Any:
        one = self.pull(number)
        for name in self.body["labels"]:
            known = {label["name"]: label for label in self.state["labels"]}
            if name not in known:
                known[name] = {"name": name, "color": "ededed"}
                self.state["labels"].append(known[name])
            if known[name] not in one["labels"]:
                one["labels"].append(known[name])
        return one["labels"]

    def comments(self, number: str) -> Any:
        return [one for one in self.state["comments"] if one["issue"] == int(number)]

    def create_comment(self, number: str) -> Any:
        self.pull(number)
        if len(self.body["body"]) > 65536:
            raise Answer(422, "Validation Failed")
        ids = [one["id"] for one in self.state["comments"]]
        one = {
            "id": max(ids, default=0) + 1, "issue": int(number), "body": self.body["body"],
            "user": self.author, "edits": 0,
        }  # fmt: skip
        self.state["comments"].append(one)
        return one

    def comment(self, key: str) -> Any:
        for one in self.state["comments"]:
            if one["id"] == int(key):
                return one
        raise Answer(404, "Not Found")

    def edit_comment(self, key: str) -> Any:
        one = self.comment(key)
        one["body"], one["edits"] = self.body["body"], one["edits"] + 1
        return one

    def delete_comment(self, key: str) -> None:
        self.state["comments"].remove(self.comment(key))

    def statuses(self, sha: str) -> Any:
        return [one for one in reversed(self.state["statuses"]) if one["sha"] == sha]

    def create_status(self, sha: str) -> Any:
        if not re.fullmatch("[0-9a-f]{40}", sha):
            raise Answer(422, "No commit found for SHA: " + sha)
        if self.body["state"] not in ("error", "failure", "pending", "success"):
            raise Answer(422, "Validation Failed")
        one = {"target_url": None, "description": None, **self.body, "sha": sha}
        if len(one["description"] or "") > 140 or one["target_url"] == "":
            raise Answer(422, "Validation Failed")
        self.state["statuses"].append(one)
        return one

    def labels(self) -> Any:
        return self.state["labels"]

    def create_label(self) -> Any:
        if any(one["name"] == self.body["name"] for one in self.state["labels"]):
            raise Answer(422, "Validation Failed", errors=[{"code": "already_exists"}])
        self.state["labels"].append(self.body)
        return self.body

    def workflows(self) -> Any:
        return {"total_count": len(self.state["workflows"]), "workflows": self.state["workflows"]}

    def workflow(self, name: str) -> Any:
        for one in self.state["workflows"]:
            if name in (str(one["id"]), one["path"].rsplit("/", 1)[1]):
                return one
        raise Answer(404, "Not Found")

    def enable(self, name: str) -> None:
        self.workflow(name)["state"] = "active"

    def dispatch(self, name: str) -> None:
        path, ref = self.workflow(name)["path"], self.body["ref"]
        sha = self.github.sha(ref)
        if sha is None:
            raise Answer(422, f"No ref found for: {ref}")
        self.state["dispatches"].append(
            {"workflow": path.rsplit("/", 1)[1], "sha": sha, "inputs": {}, **self.body}
        )

    def runs(self, name: str) -> Any:
        self.workflow(name)
        dispatched = [
            {"head_sha": one["sha"], "head_branch": one["ref"], "event": "workflow_dispatch"}
            for one in self.state["dispatches"]
            if one["workflow"] == name
        ]
        found = [
            one
            for one in [*dispatched, *self.state["runs"]]
            if all(one[key] == self.query.get(key, one[key]) for key in ("head_sha", "event"))
        ]
        return {"total_count": len(found), "workflow_runs": found}

    def rulesets(self) -> Any:
        return [{k: v for k, v in one.items() if k != "rules"} for one in self.state["rulesets"]]

    def ruleset(self, key: str) -> Any:
        for one in self.state["rulesets"]:
            if one["id"] == int(key):
                shown = self.kind == "admin"
                return one if shown else {k: v for k, v in one.items() if k != "bypass_actors"}
        raise Answer(404, "Not Found")

    def create_ruleset(self) -> Any:
        one = {"id": len(self.state["rulesets"]) + 1, "source_type": "Repository"}
        self.state["rulesets"].append(one)
        return self.edit_ruleset(str(one["id"]))

    def edit_ruleset(self, key: str) -> Any:
        one = self.ruleset(key)
        one.update(json.loads(json.dumps(self.body)))
        for rule in one.get("rules", []):  # GitHub adds what was not said.
            if rule["type"] == "pull_request":
                rule["parameters"].setdefault("required_reviewers", [])
        return one

    def environments(self) -> Any:
        inner = ("policies", "secrets", "variables")
        shown = [
            {k: v for k, v in one.items() if k not in inner} for one in self.state["environments"]
        ]
        return {"total_count": len(shown), "environments": shown}

    def environment(self, name: str) -> Any:
        for one in self.state["environments"]:
            if one["name"] == name:
                return one
        raise Answer(404, "Not Found")

    def set_environment(self, name: str) -> Any:
        """What is not sent is as if it was never set."""
        limits = self.body.get("deployment_branch_policy")
        if limits and limits["protected_branches"] is limits["custom_branch_policies"]:
            raise Answer(422, "protected_branches and custom_branch_policies cannot be the same")
        if all(one["name"] != name for one in self.state["environments"]):
            new = {"name": name, "policies": [], "secrets": [], "variables": []}
            self.state["environments"].append(new)
        one, paid = self.environment(name), self.state["plan"] != "free"
        one.update(protection_rules=[], deployment_branch_policy=None)
        if limits and self.state["private"] and not paid:
            raise Answer(422, NO_PLAN)
        one.update(protection_rules=self.rules(limits), deployment_branch_policy=limits)
        if not (limits or {}).get("custom_branch_policies"):
            one["policies"] = []
        return one

    def rules(self, limits: Any) -> list[dict[str, Any]]:
        """The protection rules that an environment gets from a request."""
        wait, who = self.body.get("wait_timer"), self.body.get("reviewers")
        people = [{"type": one["type"], "reviewer": {"id": one["id"]}} for one in who or ()]
        alone = {"prevent_self_review": self.body.get("prevent_self_review", False)}
        return [
            *([{"id": 1, "type": "wait_timer", "wait_timer": wait}] if wait else []),
            *([{"id": 2, "type": "required_reviewers", "reviewers": people, **alone}] * bool(who)),
            *([{"id": 3, "type": "branch_policy"}] if limits else []),
        ]

    def policies(self, name: str) -> Any:
        found = self.environment(name)["policies"]
        return {"total_count": len(found), "branch_policies": found}

    def create_policy(self, name: str) -> Any:
        one = self.environment(name)
        if not (one["deployment_branch_policy"] or {}).get("custom_branch_policies"):
            raise Answer(404, "Not Found")
        ids = [each["id"] for each in one["policies"]]
        policy = {"id": max(ids, default=0) + 1, "type": "branch", **self.body}
        if any(holding(each) == holding(policy) for each in one["policies"]):
            raise Answer(303, "Already exists")
        one["policies"].append(policy)
        return policy

    def delete_policy(self, name: str, key: str) -> None:
        one = self.environment(name)
        one["policies"] = [policy for policy in one["policies"] if policy["id"] != int(key)]

    def variables_of(self, name: str) -> Any:
        found = self.environment(name)["variables"]
        return {"variables": [{"name": one, "value": "x"} for one in found]}

    def secrets_of(self, name: str) -> Any:
        return {"secrets": [{"name": one} for one in self.environment(name)["secrets"]]}

    def variables(self) -> Any:
        return {"variables": [{"name": name, "value": "x"} for name in self.state["variables"]]}

    def secrets(self) -> Any:
        return {"secrets": [{"name": name} for name in self.state["secrets"]]}

    def none_of_the_organisation(self) -> Any:
        return {"variables": [], "secrets": []}

    def codeowners(self) -> Any:
        return {"errors": self.state["codeowners_errors"]}

    def permissions(self) -> Any:
        return self.state["permissions"]

    def set_permissions(self) -> None:
        self.state["permissions"].update(self.body)

    def branch(self, name: str) -> Any:
        sha = self.github.sha(name)
        if sha is None:
            raise Answer(404, "Branch not found")
        return {"name": name, "commit": {"sha": sha}}

    def rename(self, name: str) -> Any:
        if self.github.sha(name) is None:
            raise Answer(404, "Branch not found")
        if self.github.sha(self.body["new_name"]) is not None:
            raise Answer(422, "Validation Failed", errors=[{"message": "already exists"}])
        if self.github.git:
            move = ["git", "-C", self.github.git, "branch", "--move", name, self.body["new_name"]]
            subprocess.run(move, check=True)
        if self.state["default_branch"] == name:
            self.state["default_branch"] = self.body["new_name"]
        return self.branch(self.body["new_name"])

    def graphql(self) -> Any:
        if "enablePullRequestAutoMerge" not in self.body["query"]:
            raise Answer(400, "Problems parsing JSON")
        wanted = self.body["variables"]["input"]
        if not self.state["allow_auto_merge"]:
            why = "Pull request Auto merge is not allowed for this repository"
            return {"data": None, "errors": [{"type": "UNPROCESSABLE", "message": why}]}
        for one in self.state["pulls"]:
            if one["node_id"] == wanted["pullRequestId"]:
                one["auto_merge"] = {"merge_method": wanted["mergeMethod"].lower()}
        return {"data": {"enablePullRequestAutoMerge": {"clientMutationId": None}}}


def holding(policy: dict[str, Any]) -> tuple[str, str]:
    """What a policy of branches lets in."""
    return policy.get("type", "branch"), policy["name"]


# Method, path below the repository, what answers, the status. `admin` asks for that permission.
ROUTES = [
    ("GET", r"", Request.repository, 200),
    ("GET", r"/branches/(.+)", Request.branch, 200),
    ("admin POST", r"/branches/(.+)/rename", Request.rename, 201),
    ("GET", r"/pulls", Request.pulls, 200),
    ("POST", r"/pulls", Request.create_pull, 201),
    ("GET", r"/pulls/(\d+)", Request.pull, 200),
    ("PATCH", r"/pulls/(\d+)", Request.edit_pull, 200),
    ("POST", r"/issues/(\d+)/labels", Request.add_labels, 200),
    ("GET", r"/issues/(\d+)/comments", Request.comments, 200),
    ("POST", r"/issues/(\d+)/comments", Request.create_comment, 201),
    ("PATCH", r"/issues/comments/(\d+)", Request.edit_comment, 200),
    ("DELETE", r"/issues/comments/(\d+)", Request.delete_comment, 204),
    ("GET", r"/commits/([^/]+)/statuses", Request.statuses, 200),
    ("POST", r"/statuses/([^/]+)", Request.create_status, 201),
    ("GET", r"/labels", Request.labels, 200),
    ("POST", r"/labels", Request.create_label, 201),
    ("GET", r"/codeowners/errors", Request.codeowners, 200),
    ("GET", r"/actions/workflows", Request.workflows, 200),
    ("PUT", r"/actions/workflows/([^/]+)/enable", Request.enable, 204),
    ("POST", r"/actions/workflows/([^/]+)/dispatches", Request.dispatch, 204),
    ("GET", r"/actions/workflows/([^/]+)/runs", Request.runs, 200),
    ("GET", r"/rulesets", Request.rulesets, 200),
    ("GET", r"/rulesets/(\d+)", Request.ruleset, 200),
    ("admin POST", r"/rulesets", Request.create_ruleset, 201),
    ("admin PUT", r"/rulesets/(\d+)", Request.edit_ruleset, 200),
    ("GET", r"/environments", Request.environments, 200),
    ("admin PUT", r"/environments/([^/]+)", Request.set_environment, 200),
    ("GET", r"/environments/([^/]+)/deployment-branch-policies", Request.policies, 200),
    ("admin POST", r"/environments/([^/]+)/deployment-branch-policies", Request.create_policy, 200),
    ("admin DELETE", r"/environments/([^/]+)/deployment-branch-policies/(\d+)",
     Request.delete_policy, 204),
    ("admin GET", r"/environments/([^/]+)/secrets", Request.secrets_of, 200),
    ("admin GET", r"/environments/([^/]+)/variables", Request.variables_of, 200),
    ("admin GET", r"/actions/variables", Request.variables, 200),
    ("admin GET", r"/actions/secrets", Request.secrets, 200),
    ("admin GET", r"/actions/organization-(?:variables|secrets)",
     Request.none_of_the_organisation, 200),
    ("admin GET", r"/actions/permissions/workflow", Request.permissions, 200),
    ("admin PUT", r"/actions/permissions/workflow", Request.set_permissions, 204),
]  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """Finds what answers a request."""

    github: FakeGitHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else {}
        address = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        with self.github.lock:
            if address.path == "/_state":
                self.github.state.update(body if self.command == "PUT" else {})
                return self.send(200, self.github.state)
            told = {"method": self.command, "path": self.path, "body": body}
            self.github.state["requests"].append(told)
            try:
                self.send(*self.found(address.path, query, body))
            except Answer as answer:
                self.send(answer.status, answer.body)

    def found(self, path: str, query: dict[str, str], body: Any) -> tuple[Any, ...]:
        """Status, body and headers of the answer."""
        for failure in self.github.state["failures"]:
            method = failure.get("method", self.command)
            if failure.get("times") != 0 and method == self.command and self.fits(failure, path):
                failure["times"] = failure.get("times", -1) - 1
                if failure.get("late"):
                    self.done(path, query, body)
                message = {"message": failure.get("message", "It failed")}
                return failure["status"], message, failure.get("headers", {})
        return self.done(path, query, body)

    def done(self, path: str, query: dict[str, str], body: Any) -> tuple[Any, ...]:
        """The answer where nothing fails."""
        kind = self.kind()
        request = Request(self.github, query, body, kind)
        if path in ("/user", "/graphql"):
            return 200, request.user() if path == "/user" else request.graphql()
        return self.routed(path, request, kind)

    def fits(self, failure: dict[str, Any], path: str) -> bool:
        return re.search(failure["path"], path) is not None

    def kind(self) -> str:
        """What the token may do."""
        token = (self.headers.get("Authorization") or "").split(" ")[-1]
        kind = self.github.state["tokens"].get(token)
        if kind is None:
            raise Answer(401, "Bad credentials" if token else "Requires authentication")
        return str(kind)

    def routed(self, path: str, request: Request, kind: str) -> tuple[Any, ...]:
        start = f"/repos/{self.github.state['repository']}"
        for method, pattern, answer, status in ROUTES:
            fitting = re.fullmatch(re.escape(start) + pattern, path)
            if fitting and method.split()[-1] == self.command:
                may_not_write = kind == "read" and self.command != "GET"
                if may_not_write or (method.startswith("admin") and kind != "admin"):
                    raise Answer(403, "Resource not accessible by integration")
                made = answer(request, *fitting.groups())
                return self.paged(status, made, path, request.query)
        raise Answer(404, "Not Found")

    def paged(self, status: int, made: Any, path: str, query: dict[str, str]) -> tuple[Any, ...]:
        """A page of a list, with the address of the next one."""
        if not isinstance(made, list) or self.command != "GET":
            return status, made
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        rest = made[page * size :]
        more = "&".join(f"{k}={quote(v)}" for k, v in (query | {"page": str(page + 1)}).items())
        link = {"Link": f'<{self.github.url}{path}?{more}>; rel="next"'} if rest else {}
        return status, made[(page - 1) * size : page * size], link

    def send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        if status == 0:
            self.close_connection = True
            self.connection.close()
            return
        raw = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        kind = {"Content-Type": "application/json; charset=utf-8"}
        for name, value in {**kind, "Content-Length": str(len(raw)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815


def main() -> None:
    """Answer at a port until the process ends."""
    parser = argparse.ArgumentParser(description="GitHub's REST API as far as this project uses it")
    parser.add_argument("port", type=int)
    parser.add_argument("--repository", default="acme/bees")
    parser.add_argument("--git", help="the bare repository that is `origin`")
    given = parser.parse_args()
    github = FakeGitHub(given.repository, given.git, given.port)
    print(github.url, flush=True)
    github.server.serve_forever()


if __name__ == "__main__":
    main()
