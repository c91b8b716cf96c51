"""The set-up, on a fresh project and on one that lacks nothing."""

import json
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from made_origin import git, write
from made_project import TEMPLATE
from mlgitops.core import cli
from mlgitops.core.errors import UserError
from mlgitops.core.rule_files import covers
from mlgitops.github import doctor
from mlgitops.github.client import connect
from mlgitops.github.settings import RULESET, Settings, holds, ruleset, variables

pytestmark = pytest.mark.slow

WORKFLOW = """\
jobs:
  propose:
    environment: release
    steps:
      - run: uv run --locked mlgitops ci propose
        env: {LABELS: "release,bot"}
      - run: uv run --locked mlgitops ci login
        env:
          REGISTRY: ${{ vars.REGISTRY }}
          AZURE_CLIENT_ID: ${{ vars.AZURE_CLIENT_ID }}
          REGISTRY_PASSWORD: ${{ secrets.REGISTRY_PASSWORD }}
          GITHUB_TOKEN: ${{ secrets.GITHUB_TOKEN }}
  track:
    environment: {name: release}
    steps: [{run: make track}]
"""


class Registry(BaseHTTPRequestHandler):
    status = 401

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        self.send_response(self.status if self.path == "/v2/" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def images():
    """The address of a registry that asks for a login."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Registry,), {}))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fresh(clone, github, images, monkeypatch):
    """A project as it is after its first push, where nobody set anything up."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("GITHUB_TOKEN", "admin")
    monkeypatch.setenv("REGISTRY", f"127.0.0.1:{images.server_address[1]}/acme")
    shutil.copytree(TEMPLATE / ".github/rulesets", ".github/rulesets")
    shutil.copyfile(TEMPLATE / "pyproject.toml", "pyproject.toml")
    config = "[core]\n    remote = store\n['remote \"store\"']\n    url = ../store\n"
    config += "    verify = true\n"
    write(clone, {".dvc/config": config, "dvc.yaml": "stages: {}\n"})
    write(clone, {".github/workflows/check.yml": WORKFLOW})
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Set up")
    github.state["permissions"]["can_approve_pull_request_reviews"] = False
    return clone


@pytest.fixture
def run_doctor(monkeypatch, capsys):
    """Runs the command; its lines by name, and its exit code."""

    def run(*flags):
        monkeypatch.setattr(sys, "argv", ["mlgitops", "doctor", *flags])
        code = 0
        try:
            cli.main()
        except SystemExit as stopped:
            code = stopped.code or 0
        *lines, last = capsys.readouterr().out.splitlines()
        missing = sum(line.startswith("missing") for line in lines)
        lines += [] if last == f"{missing} missing" else [last]
        parts = [line.split(None, 2) for line in lines]
        return {name: (state, words) for state, name, words in parts}, code

    return run


def states(found):
    return {name: state for name, (state, _) in found.items()}


def branches_of(environment):
    """The branches whose jobs an environment lets in; [] if it lets in all."""
    limits = environment["deployment_branch_policy"] or {}
    assert not limits.get("protected_branches")
    return [one["name"] for one in environment["policies"] if limits]


def complete(clone, github):
    """Add what only a person can."""
    write(clone, {"uv.lock": "version = 1\n"})
    git(clone, "add", "--all")
    hooks = clone / ".git/hooks"
    for name in ("pre-commit", "pre-push"):
        (hooks / name).write_text("#!/bin/sh\n")
    github.state["environments"][0]["secrets"].append("REGISTRY_PASSWORD")


def test_a_fresh_project_lacks_what_nobody_set_up(fresh, run_doctor):
    found, code = run_doctor()
    assert code == 1
    assert states(found) == {
        "uv.lock": "missing", "dvc.lock": "ok", "hooks": "missing", "store": "ok",
        "registry": "ok", "deploy": "ok", "token": "ok", "branch": "ok", "workflows": "ok",
        "pulls": "missing",
        "ruleset": "missing", "owners": "ok", "environments": "missing", "labels": "missing",
        "variables": "ok", "secrets": "missing",
    }  # fmt: skip
    assert "make setup" in found["uv.lock"][1]
    assert "gh secret set NAME --env release" in found["secrets"][1]
    assert found["environments"][1].startswith("release is not there: make doctor FIX=1")
    for name in ("pulls", "ruleset", "environments", "labels"):
        assert "make doctor FIX=1" in found[name][1]
    assert found["labels"][1].startswith("bot, release: ")


def test_what_the_api_can_mend_is_mended_once(fresh, run_doctor, github):
    found, code = run_doctor("--fix")
    assert code == 1
    assert found["ruleset"] == ("ok", "fixed: main is not protected")
    assert [branches_of(one) for one in github.state["environments"]] == [["main"]]
    assert {"release", "bot"} <= {one["name"] for one in github.state["labels"]}
    assert github.state["permissions"] == {
        "default_workflow_permissions": "read", "can_approve_pull_request_reviews": True,
    }  # fmt: skip
    complete(fresh, github)
    before = json.dumps([github.state[name] for name in ("rulesets", "labels", "environments")])
    github.state["requests"].clear()
    again, code = run_doctor("--fix")
    assert code == 0
    assert set(states(again).values()) == {"ok"}
    assert {one["method"] for one in github.state["requests"]} == {"GET"}
    assert before == json.dumps(
        [github.state[name] for name in ("rulesets", "labels", "environments")]
    )


def test_what_a_controller_follows_is_this_repository_on_its_own_host(fresh, run_doctor, github):
    files = {path.name: path for path in (TEMPLATE / "deploy").rglob("*.yaml")
             if "https://github.com/" in path.read_text("utf-8")}  # fmt: skip
    assert len(files) == 4
    asked = "{{ cookiecutter.github_owner }}/{{ cookiecutter.project_slug }}"
    for name, path in files.items():
        text = path.read_text("utf-8").replace(asked, "acme/bees")
        write(fresh, {f"deploy/argocd/{name}": text})
    host = f"{github.url}/acme/bees"
    found, _ = run_doctor()
    assert found["deploy"][0] == "missing"
    assert all(name in found["deploy"][1] for name in files)
    assert "make doctor FIX=1, then commit" in found["deploy"][1]
    assert run_doctor("--fix")[0]["deploy"][0] == "ok"
    for name in files:
        text = Path("deploy/argocd", name).read_text("utf-8")
        assert f'"{host}"' in text
        assert "github.com" not in text
    assert run_doctor()[0]["deploy"] == ("ok", f"what follows deploy/ follows {host}")


def test_a_chart_and_an_address_by_ssh_stay_as_a_person_wrote_them(fresh, run_doctor):
    ssh = (
        'repoURL: "git@example.org:acme/bees.git"\nicon: "https://example.org/bees"\n'
        'sourceRepos: ["https://charts.example.org/stable"]\n'
    )
    write(fresh, {"deploy/argocd/staging.yaml": ssh})
    assert run_doctor("--fix")[0]["deploy"][0] == "ok"
    assert Path("deploy/argocd/staging.yaml").read_text("utf-8") == ssh


def test_without_fix_nothing_is_written(fresh, run_doctor, github):
    run_doctor()
    assert {one["method"] for one in github.state["requests"]} == {"GET"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("enforcement",), "disabled"),
        (("rules", 2, "parameters", "require_code_owner_review"), False),
        (("rules", 2, "parameters", "required_approving_review_count"), 0),
        (("rules", 3, "parameters", "required_status_checks"), [{"context": "check"}]),
        (("rules",), []),
        (("bypass_actors",), [{"actor_id": 1, "actor_type": "Team", "bypass_mode": "always"}]),
    ],
)
def test_a_weakened_ruleset_is_seen_and_mended_in_place(fresh, run_doctor, github, path, value):
    run_doctor("--fix")
    place = github.state["rulesets"][0]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    found, _ = run_doctor()
    assert found["ruleset"][0] == "missing"
    found, _ = run_doctor("--fix")
    assert found["ruleset"][0] == "ok"
    assert len(github.state["rulesets"]) == 1
    assert holds(github.state["rulesets"][0], json.loads(RULESET.read_text()))


def test_a_token_that_does_not_administer_leaves_the_rest_unknown(fresh, run_doctor, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "person")
    found, _ = run_doctor()
    assert found["token"][0] == "ok"
    assert {found[name][0] for name in ("pulls", "variables", "secrets")} == {"unknown"}
    assert "403" in found["pulls"][1]
    found, code = run_doctor("--fix")
    assert (found["ruleset"][0], code) == ("missing", 1)
    assert "not accessible" in found["ruleset"][1]


def test_who_may_bypass_is_not_asked_of_whom_it_is_not_shown_to(fresh, run_doctor, monkeypatch):
    run_doctor("--fix")
    monkeypatch.setenv("GITHUB_TOKEN", "person")
    assert run_doctor()[0]["ruleset"][0] == "ok"


def test_elsewhere_than_in_a_project_it_says_so(fresh, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="in the project's folder"):
        doctor.doctor()


def test_a_token_that_may_only_read_is_missing(fresh, run_doctor, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "read")
    assert run_doctor()[0]["token"][0] == "missing"


def test_a_bad_token_asks_nothing_more(fresh, run_doctor, monkeypatch, github):
    monkeypatch.setenv("GITHUB_TOKEN", "old")
    found, _ = run_doctor()
    assert "401" in found["token"][1]
    assert found["ruleset"] == ("unknown", "checked once the token works")
    assert len(github.state["requests"]) == 1


def test_no_token_is_missing(fresh, run_doctor, monkeypatch, tmp_path):
    monkeypatch.delenv("GITHUB_TOKEN")
    gh = tmp_path / "bin/gh"
    write(tmp_path, {"bin/gh": "#!/bin/sh\nexit 1\n"})
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", str(gh.parent), prepend=":")
    found, code = run_doctor()
    assert (found["token"][0], code) == ("missing", 1)
    assert "gh auth login" in found["token"][1]


def test_a_git_host_that_is_down_is_unknown(fresh, run_doctor, github):
    github.fail("", 503, "Unavailable")
    found, _ = run_doctor()
    assert found["token"][0] == "unknown"
    assert "does not answer" in found["token"][1]
    assert found["uv.lock"][0] == "missing"


def test_a_git_host_without_rulesets_is_unknown(fresh, run_doctor, github):
    github.fail("/rulesets", 404, "Not Found")
    github.fail("/codeowners", 404, "Not Found")
    found, _ = run_doctor("--fix")
    assert (found["ruleset"][0], found["owners"][0]) == ("unknown", "unknown")
    assert found["labels"][0] == "ok"


def test_a_default_branch_of_another_name_is_renamed(fresh, run_doctor, github, origin):
    git(origin, "branch", "--move", "main", "master")
    github.state["default_branch"] = "master"
    state, words = run_doctor()[0]["branch"]
    assert (state, github.state["default_branch"]) == ("missing", "master")
    assert words.startswith("the default branch is master, not main (here: git branch --move ")
    assert "make doctor FIX=1" in words
    assert run_doctor("--fix")[0]["branch"][0] == "ok"
    assert github.state["default_branch"] == "main"
    assert git(origin, "rev-parse", "--verify", "main")


def test_a_default_branch_that_cannot_be_renamed_is_left_to_a_person(
    fresh, run_doctor, github, origin
):
    git(origin, "branch", "trunk")
    github.state["default_branch"] = "trunk"
    state, words = run_doctor("--fix")[0]["branch"]
    assert (state, github.state["default_branch"]) == ("missing", "trunk")
    assert "already exists" in words
    assert words.endswith("/settings")


def test_a_workflow_that_fell_asleep_is_switched_on(fresh, run_doctor, github):
    github.state["workflows"][0]["state"] = "disabled_inactivity"
    found, _ = run_doctor()
    assert found["workflows"][0] == "missing"
    assert "60 days without activity: check.yml" in found["workflows"][1]
    run_doctor("--fix")
    assert github.state["workflows"][0]["state"] == "active"


def test_a_workflow_that_a_person_switched_off_stays_off(fresh, run_doctor, github):
    github.state["workflows"][0]["state"] = "disabled_manually"
    found, _ = run_doctor("--fix")
    assert found["workflows"][0] == "missing"
    assert github.state["workflows"][0]["state"] == "disabled_manually"


def test_a_workflow_that_was_not_pushed_is_named(fresh, run_doctor):
    write(fresh, {".github/workflows/new.yml": "jobs: {}\n"})
    assert "not on the Git host: .github/workflows/new.yml" in run_doctor()[0]["workflows"][1]


def test_an_owner_that_is_none_is_named(fresh, run_doctor, github):
    github.state["codeowners_errors"].append({"line": 3, "message": "Unknown owner: @acme\n"})
    found, _ = run_doctor()
    assert found["owners"] == (
        "missing",
        "line 3: Unknown owner: @acme: edit .github/CODEOWNERS",
    )


def run_by_a_job(github):
    """A first run made the environment, as GitHub does: without limits."""
    one = {"name": "release", "policies": [], "secrets": [], "variables": []}
    one |= {"protection_rules": [], "deployment_branch_policy": None}
    github.state["environments"].append(one)
    return one


REVIEWER = {"type": "Team", "reviewer": {"id": 7, "slug": "approvers"}}
BRANCHES = {"protected_branches": False, "custom_branch_policies": True}


@pytest.mark.parametrize(
    ("limits", "policies"),
    [
        (None, []),
        ({"protected_branches": True, "custom_branch_policies": False}, []),
        (BRANCHES, []),
        (BRANCHES, [{"id": 4, "name": "main", "type": "tag"}]),
        (BRANCHES, [{"id": 4, "name": "main"}, {"id": 5, "name": "feature/*"}]),
    ],
)
def test_an_environment_that_lets_others_in_is_limited(fresh, run_doctor, github, limits, policies):
    one = run_by_a_job(github)
    one |= {"deployment_branch_policy": limits, "policies": list(policies)}
    state, words = run_doctor()[0]["environments"]
    assert state == "missing"
    assert words.startswith("release is not limited to main: make doctor FIX=1, or http")
    assert one["policies"] == policies
    assert run_doctor("--fix")[0]["environments"][0] == "ok"
    assert [(each["name"], each.get("type", "branch")) for each in one["policies"]] == [
        ("main", "branch")
    ]
    assert branches_of(one) == ["main"]
    assert run_doctor()[0]["environments"] == ("ok", "release: for jobs of main only")


def test_who_must_approve_is_kept_where_an_environment_is_limited(fresh, run_doctor, github):
    rules = [
        {"id": 1, "type": "wait_timer", "wait_timer": 30},
        {"id": 2, "type": "required_reviewers", "reviewers": [REVIEWER],
         "prevent_self_review": True},
    ]  # fmt: skip
    one = run_by_a_job(github)
    one["protection_rules"] = rules
    run_doctor("--fix")
    assert branches_of(one) == ["main"]
    assert holds([*one["protection_rules"]][:2], [
        {"type": "wait_timer", "wait_timer": 30},
        {"reviewers": [{"type": "Team", "reviewer": {"id": 7}}], "prevent_self_review": True},
    ])  # fmt: skip


def test_a_private_repository_without_a_plan_has_no_limits_and_no_failure(
    fresh, run_doctor, github
):
    run_doctor("--fix")
    complete(fresh, github)
    github.state |= {"private": True, "environments": [], "secrets": ["REGISTRY_PASSWORD"]}
    for flags in ((), ("--fix",)):
        found, code = run_doctor(*flags)
        assert (found["environments"][0], found["secrets"][0], code) == ("unknown", "unknown", 0)
        assert "with a paid plan only" in found["environments"][1]
    assert "protected branch gate" in found["environments"][1]
    github.state["plan"] = "team"
    assert run_doctor("--fix")[0]["environments"][0] == "ok"


def test_a_git_host_without_environments_is_unknown(fresh, run_doctor, github):
    github.fail("/environments", 404, "Not Found")
    assert run_doctor("--fix")[0]["environments"][0] == "unknown"


def test_a_secret_that_every_branch_may_read_is_named(fresh, run_doctor, github):
    run_doctor("--fix")
    complete(fresh, github)
    assert run_doctor()[0]["secrets"] == ("ok", "all are set")
    github.state["secrets"].append("REGISTRY_PASSWORD")
    found, code = run_doctor()
    assert (found["secrets"][0], code) == ("missing", 1)
    assert found["secrets"][1] == (
        "REGISTRY_PASSWORD: a workflow of any branch may read it where it stands: "
        "gh secret set NAME --env release, then gh secret delete NAME"
    )


def test_a_secret_that_a_job_without_an_environment_reads_may_stand(fresh, run_doctor, github):
    other = WORKFLOW.replace("    environment: release\n", "")
    write(fresh, {".github/workflows/other.yml": other})
    github.state["secrets"].append("REGISTRY_PASSWORD")
    assert run_doctor()[0]["secrets"][0] == "ok"


def test_a_variable_of_the_environment_is_found(fresh, github):
    run_by_a_job(github)["variables"].append("AZURE_CLIENT_ID")
    settings = Settings(connect(), lambda name: doctor.is_needed(name, "azure://models"), False)
    assert variables(settings).state == "ok"


def test_a_workflow_that_is_no_yaml_is_unknown(fresh, run_doctor):
    write(fresh, {".github/workflows/check.yml": "jobs: [\n"})
    found, _ = run_doctor()
    assert found["environments"][0] == "unknown"
    assert "check.yml cannot be read" in found["environments"][1]


def test_a_cloud_needs_its_variables(fresh, github):
    there = connect()
    settings = Settings(there, lambda name: doctor.is_needed(name, "azure://models"), False)
    assert variables(settings).words.startswith("AZURE_CLIENT_ID: gh variable set NAME")
    github.state["variables"].append("AZURE_CLIENT_ID")
    assert variables(settings).state == "ok"


def test_a_registry_that_is_none_is_missing(fresh, run_doctor, images, monkeypatch):
    images.RequestHandlerClass.status = 500
    assert "HTTP 500" in run_doctor()[0]["registry"][1]
    images.RequestHandlerClass.status = 200
    assert run_doctor()[0]["registry"][0] == "ok"
    monkeypatch.setenv("REGISTRY", "127.0.0.1:9/acme")
    assert run_doctor()[0]["registry"][0] == "missing"


@pytest.mark.parametrize(
    "registry",
    [
        "exa mple.com/acme",
        "example.com:port/acme",
        "[::1/acme",
        "a..example.com/acme",
        f"{'a' * 64}.example.com/acme",
    ],
)
def test_an_address_that_is_none_is_a_finding(fresh, run_doctor, registry, monkeypatch):
    monkeypatch.setenv("REGISTRY", registry)
    state, words = run_doctor()[0]["registry"]
    assert state == "missing"
    assert "does not answer as a registry (" in words
    assert words.endswith("REGISTRY names another")


def test_a_host_that_does_not_speak_http_is_a_finding(fresh, run_doctor, images):
    images.RequestHandlerClass.do_GET = lambda self: self.wfile.write(b"SSH-2.0-OpenSSH\r\n")
    state, words = run_doctor()[0]["registry"]
    assert (state, "SSH-2.0-OpenSSH" in words) == ("missing", True)


def registry_addresses(monkeypatch):
    """The address that the doctor asks for the registry; nothing answers."""
    addresses = []

    def refuses(url, timeout):
        addresses.append(url)
        raise OSError(f"nothing at {url} within {timeout} s")

    monkeypatch.setattr(doctor, "urlopen", refuses)
    assert doctor.registry().state == "missing"
    return addresses[0]


@pytest.mark.parametrize("registry", ["acme", "docker.io/acme"])
def test_docker_hub_is_asked_where_it_answers(fresh, monkeypatch, registry):
    monkeypatch.setenv("REGISTRY", registry)
    assert registry_addresses(monkeypatch) == "https://registry-1.docker.io/v2/"
    assert doctor.is_needed("REGISTRY_PASSWORD", "")
    monkeypatch.setenv("REGISTRY", "ghcr.io/acme")
    assert not doctor.is_needed("REGISTRY_PASSWORD", "")


def test_a_store_that_is_gone_is_missing(fresh, run_doctor):
    shutil.rmtree("store")
    assert run_doctor()[0]["store"][0] == "missing"
    config = Path(".dvc/config").read_text()
    Path(".dvc/config").write_text(config.replace("remote = store", "autostage = true"))
    assert "none is configured" in run_doctor()[0]["store"][1]


def test_a_store_that_hands_out_corrupted_objects_is_found(fresh, run_doctor):
    config = Path(".dvc/config").read_text()
    Path(".dvc/config").write_text(config.replace("verify = true", "verify = false"))
    assert run_doctor()[0]["store"] == (
        "missing", "hands out what is corrupted: dvc remote modify store verify true"
    )  # fmt: skip


@pytest.mark.parametrize("extra", ["azure", "s3", "gcs"])
def test_a_store_that_was_chosen_and_not_moved_to_is_missing(fresh, run_doctor, extra):
    text = Path("pyproject.toml").read_text("utf-8")
    text = text.replace("store-{{ cookiecutter.artifact_store }}", f"store-{extra}")
    Path("pyproject.toml").write_text(text, encoding="utf-8")
    state, words = run_doctor()[0]["store"]
    assert state == "missing"
    assert words.startswith("is still in Git: make store URL=")


@pytest.mark.parametrize("raw", [b"garbage", b"\xff\xfe", b"[core]\nnonsense = 1\n"])
def test_a_configuration_of_dvc_that_cannot_be_read_is_a_finding(fresh, run_doctor, raw):
    Path(".dvc/config").write_bytes(raw)
    found, code = run_doctor()
    assert (found["store"][0], code) == ("missing", 1)
    assert found["store"][1].startswith(".dvc/config: config file error: ")
    assert found["store"][1].endswith("git restore .dvc/config")
    assert found["ruleset"][0] == "missing"


def test_hooks_are_not_asked_for_in_ci(fresh, run_doctor, monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert "hooks" not in run_doctor()[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (', {"context": "gate"}', "", "it does not require gate"),
        ('_count": 1', '_count": 0', "it requires no approval"),
        ('"active"', '"disabled"', "it is not active"),
    ],
)
def test_a_weak_ruleset_in_git_is_no_better_for_being_live(fresh, run_doctor, old, new, said):
    text = Path(RULESET).read_text()
    assert old in text
    Path(RULESET).write_text(text.replace(old, new))
    found, code = run_doctor("--fix")
    assert (found["ruleset"][0], code) == ("missing", 1)
    assert said in found["ruleset"][1]


def test_the_ruleset_of_a_person_alone_is_one_of_approvals_by_comment(fresh, run_doctor):
    text = Path(RULESET).read_text()
    Path(RULESET).write_text(text.replace('_count": 1', '_count": 0'))
    Path("gate.yaml").write_text("approve: {by: comment}\n")
    assert run_doctor("--fix")[0]["ruleset"][0] == "ok"


def test_a_ruleset_that_is_no_json_is_unknown(fresh, run_doctor):
    Path(RULESET).write_text("{")
    assert run_doctor()[0]["ruleset"][0] == "unknown"


def test_main_requires_the_jobs_that_the_check_has():
    rules = {one["type"]: one for one in json.loads((TEMPLATE / RULESET).read_text())["rules"]}
    required = rules["required_status_checks"]["parameters"]["required_status_checks"]
    workflow = yaml.safe_load((TEMPLATE / ".github/workflows/check.yml").read_text())
    names = {job.get("name", key) for key, job in workflow["jobs"].items()}
    assert {one["context"] for one in required} == {*names, "gate"}  # what the judge writes
    assert "pull_request" in workflow[True]
    assert {"deletion", "non_fast_forward", "pull_request"} <= set(rules)
    reviews = rules["pull_request"]["parameters"]
    assert reviews["require_code_owner_review"]
    assert reviews["required_approving_review_count"] == 1  # at 0 GitHub may ask no owner


def test_every_job_that_may_write_is_explained():
    page = (TEMPLATE / "docs/github.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in page.splitlines()]
    explained = {(row[0], row[1]): row[2].split(", ") for row in rows if len(row) == 3}
    for path in (TEMPLATE / ".github/workflows").glob("*.yml"):
        for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items():
            rights = {key for key, value in job["permissions"].items() if value == "write"}
            if rights:
                assert set(explained[path.stem, name]) == rights, (path.name, name)


def owners(path: str) -> list[str]:
    """Whose review a file needs: the last line that fits decides."""
    found: list[str] = []
    for line in (TEMPLATE / ".github/CODEOWNERS").read_text().splitlines():
        pattern, *names = line.split("#")[0].split(maxsplit=1) or [""]
        found = names if pattern and covers(pattern, path) else found
    return found


@pytest.mark.parametrize(
    ("path", "owned"),
    [
        ("deploy/production/release.env", True),
        ("deploy/production/kustomization.yaml", True),
        ("deploy/base/deployment.yaml", True),
        ("deploy/staging/kustomization.yaml", True),
        ("deploy/staging/release.env", False),
        (".github/CODEOWNERS", True),
        (".github/workflows/check.yml", True),
        (".github/rulesets/main.json", True),
        ("Makefile", True),
        ("Dockerfile", True),
        ("vendor/mlgitops/src/mlgitops/github/push_outputs.py", True),
        (".dvc/config", True),
        (".gitattributes", True),
        ("src/ml/features.py", False),
        ("params.yaml", False),
        ("dvc.lock", False),
    ],
)
def test_what_runs_with_rights_has_an_owner_and_the_model_has_none(path, owned):
    assert bool(owners(path)) is owned
    assert path == "dvc.lock" or (TEMPLATE / path).exists()


def test_every_label_that_a_workflow_gives_is_found(fresh, tmp_path):
    texts = [
        "LABELS: a,b",
        'LABELS: "c, d"',
        "run: LABELS=e mlgitops ci propose",
        "LABELS: ${{ x }}",
    ]
    write(fresh, {".github/workflows/check.yml": "\n".join(f"# {text}" for text in texts)})
    settings = Settings(connect(), lambda _: False, False)
    assert settings.names("labels") == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("found", "wanted", "equal"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([{"x": 2, "y": 0}, {"x": 1}], [{"x": 1}, {"x": 2}], True),
        ([1, 2], [1], False),
        ("a", {"a": 1}, False),
    ],
)
def test_a_git_host_may_add_keys_and_no_entries(found, wanted, equal):
    assert holds(found, wanted) is equal


def test_a_missing_ruleset_file_is_a_mistake(fresh):
    Path(RULESET).unlink()
    with pytest.raises(UserError, match="cannot be read"):
        ruleset(Settings(connect(), lambda _: False, False))
