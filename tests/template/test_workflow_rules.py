"""What every workflow keeps, the project's and the template's; each rule is fed what it refuses."""

import copy
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from baked import PROJECT, ROOT
from mlgitops.core import cli, config
from mlgitops.github.workflow_rules import (
    CI,
    DEFAULT,
    PERMISSIONS,
    check_faults,
    command,
    job_faults,
    judge_faults,
    workflow_faults,
)

OURS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
WORKFLOWS = [*OURS, *sorted((ROOT / ".github/workflows").glob("*.yml"))]
CHECK = PROJECT / ".github/workflows/check.yml"
RELEASE = PROJECT / ".github/workflows/release.yml"
TRACK = PROJECT / ".github/workflows/track.yml"
RUNNERS = {"ubuntu-latest", "ubuntu-24.04", "windows-latest", "macos-latest"}
JUDGE = PROJECT / ".github/workflows/judge.yml"
MINUTES = 360  # GitHub ends a job then
# A step of the project's runs one command: of the Makefile, or one that only CI runs.
THIN = rf"make [a-z]+|true|{CI.pattern}"  # true: a workflow whose end is all that counts
PUSHES = ("save", "propose")


def violations(text: str, thin: str = THIN, name: str = "") -> Iterator[str]:
    """The rules that a workflow breaks, those of every project too; `thin`: what a step may run."""
    yield from workflow_faults(name, text, config.load_yaml(text))
    found = yaml.safe_load(text)
    if not (found.get("concurrency") or {}).get("group"):
        yield "no concurrency group"
    for key, job in found["jobs"].items():
        yield from (f"{key}: {what}" for what in of_job(job, thin))


def of_job(job: dict[str, Any], thin: str) -> Iterator[str]:
    minutes = job.get("timeout-minutes")
    matrix = (job.get("strategy") or {}).get("matrix", {})
    if not isinstance(minutes, int) or not 0 < minutes <= MINUTES:
        yield "timeout-minutes"
    if "services" in job or "container" in job:
        yield "services and containers are not everywhere"
    if not isinstance(matrix, dict) or not all(isinstance(one, list) for one in matrix.values()):
        yield "the matrix is not literal"
    if job.get("runs-on") not in RUNNERS | {"${{ matrix.os }}"}:
        yield "runs-on"
    given = [step["run"].strip() for step in job["steps"] if "run" in step]
    pushes = not set(PUSHES).isdisjoint(map(command, given))
    for one in given:
        if not re.fullmatch(thin, one):
            yield f"more than one command, or none of this project's: {one}"
    for step in job["steps"]:
        yield from of_step(step, pushes)


def of_step(step: dict[str, Any], pushes: bool) -> Iterator[str]:
    action, given = step.get("uses", "").split("@")[0], step.get("with") or {}
    if action == "actions/checkout" and given.get("persist-credentials") is not pushes:
        yield f"persist-credentials is not {str(pushes).lower()}"
    if action == "astral-sh/setup-uv":
        cached = given.get("enable-cache")
        if not re.fullmatch(r"\d+\.\d+\.\d+", str(given.get("version"))):
            yield "setup-uv without an exact version"
        if cached is True and given.get("cache-dependency-glob") not in (
            "uv.lock",
            "pyproject.toml",
        ):
            yield "a cache that is not keyed by a lock file"
    if action.startswith("actions/cache") and "hashFiles(" not in str(given.get("key")):
        yield "a cache that is not keyed by files"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: f"{path.parts[-4][:7]}-{path.name}")
def test_a_workflow_keeps_the_rules(path):
    thin = THIN if path in OURS else r"(make [a-z]+( \w+=.*)?|\.ci/\w+)"
    name = path.stem if path in OURS else ""
    assert list(violations(path.read_text("utf-8"), thin, name)) == []


TRAIN, GITHUB = (
    f"run: uv run --locked --no-default-groups --group {group} mlgitops ci"
    for group in ("train", "github")
)
ONE = "more than one command"
MUTATIONS = [
    (CHECK, "permissions: {}", "permissions: write-all", "does not stand on top"),
    (CHECK, "permissions: {}\n", "", "does not stand on top"),
    (CHECK, "concurrency: #", "x-concurrency: #", "no concurrency group"),
    (CHECK, "  pull_request:\n", "  pull_request_target:\n", "runs with rights"),
    (CHECK, " # v7.0.1", "", "not pinned"),
    (CHECK, "checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "checkout@v7", "not pinned"),
    (CHECK, "    timeout-minutes: 30\n", "", "check: timeout-minutes"),
    (CHECK, "timeout-minutes: 350", "timeout-minutes: 0.5", "pipeline: timeout-minutes"),
    (CHECK, "timeout-minutes: 350", "timeout-minutes: 4000", "pipeline: timeout-minutes"),
    (CHECK, "    permissions:\n      contents: read # to check out\n    env:",
     "    permissions: read-all\n    env:", "not named one by one"),
    (CHECK, "persist-credentials: false", "persist-credentials: true", "is not false"),
    (JUDGE, "persist-credentials: true", "persist-credentials: false", "publish: persist-cred"),
    (JUDGE, "persist-credentials: false", "persist-credentials: true", "judge: persist-cred"),
    (RELEASE, "persist-credentials: true", "persist-credentials: false", "propose: persist-cred"),
    (RELEASE, f"{GITHUB} propose", f"{GITHUB} statuses", "propose: persist-credentials is not fal"),
    (CHECK, "          persist-credentials: false\n", "", "is not false"),
    (JUDGE, f"{GITHUB} comment", f"{GITHUB} comment --body ${{{{ github.head_ref }}}}",
     "inside run"),
    (CHECK, "run: make check", "run: make check BODY=${{ github.head_ref }}", "inside run"),
    (CHECK, "run: make check", "run: make check && make test", ONE),
    (CHECK, "run: make check", "run: pytest", ONE),
    (CHECK, f"{TRAIN} reproduce", f"{TRAIN} reproduce && make gate", ONE),
    (CHECK, f"{TRAIN} reproduce", f"{TRAIN} reproduce; rm --recursive result", ONE),
    (CHECK, f"{TRAIN} reproduce", f"{TRAIN} reproduce | tee log", ONE),
    (CHECK, f"- {TRAIN} reproduce",
     f"- run: |\n          {TRAIN[5:]} reproduce\n          make gate", ONE),
    (CHECK, f"{TRAIN} reproduce", f"{TRAIN} reproduce --base $BASE", ONE),
    (CHECK, f"{TRAIN} reproduce", TRAIN.replace(" --locked", "") + " reproduce", ONE),
    (CHECK, f"{TRAIN} reproduce", TRAIN.replace(" --no-default-groups", "") + " reproduce", ONE),
    (CHECK, f"{TRAIN} reproduce", f"{TRAIN[:-3]} pipeline", ONE),
    (JUDGE, f"{TRAIN} judge", "run: mlgitops ci judge", ONE),
    (CHECK, "  pull_request:\n", "  workflow_run:\n", "runs with rights"),
    (CHECK, "run: make check", "run: make check\n        continue-on-error: true", "hides"),
    (CHECK, "cache-dependency-glob: uv.lock", "cache-dependency-glob: '**'", "not keyed by a lock"),
    (CHECK, 'version: "0.13.9"', "version: latest", "without an exact version"),
    (CHECK, f"      - {TRAIN} reproduce", f"      - uses: actions/cache@{'0' * 40} # v5.0.5\n"
     "        with: {path: x, key: \"${{ github.sha }}\"}", "pipeline: a cache that is not keyed"),
    (CHECK, "    runs-on: ubuntu-latest", "    services: {db: {}}\n    runs-on: ubuntu-latest",
     "services"),
    (CHECK, "    runs-on: ubuntu-latest", "    runs-on: ${{ inputs.machine }}", "runs-on"),
    (CHECK, "    runs-on: ubuntu-latest",
     "    strategy: {matrix: {x: '${{ fromJSON(inputs.x) }}'}}\n    runs-on: ubuntu-latest",
     "not literal"),
    (RELEASE, "environment: release #", "x-environment: release #", "image: a secret without"),
    (RELEASE, "environment: release #", "environment: staging #", "image: a secret without"),
    (TRACK, "environment: release #", "x-environment: release #", "track: a secret without"),
    (CHECK, "run: make check", "run: make check\n        env: {ALL: '${{ toJSON(secrets) }}'}",
     "check: a secret without"),
    (RELEASE, "run: make image", "run: docker build .", ONE),
    (RELEASE, "  group: release\n", "  cancel: false\n", "no concurrency group"),
    (RELEASE, "      - run: make image", f"      - uses: actions/cache@{'0' * 40} # v5.0.5\n"
     "        with: {path: x, key: \"${{ hashFiles('x') }}\"}", "that writes"),
    (RELEASE, "enable-cache: false", "enable-cache: true", "image: a cache in a job that writes"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new", "said"), MUTATIONS)
def test_a_rule_that_is_broken_is_named(path, old, new, said):
    text = path.read_text("utf-8")
    assert old in text
    assert said in "\n".join(violations(text.replace(old, new, 1), name=path.stem))


def jobs(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text("utf-8"))["jobs"]


def uses(job: dict[str, Any], action: str) -> list[dict[str, Any]]:
    """The steps of a job that an action does."""
    return [step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]


WRITING = [
    pytest.param(job, id=f"{path.stem}-{name}")
    for path in OURS
    for name, job in jobs(path).items()
    if "write" in job["permissions"].values()
]


@pytest.mark.parametrize("job", WRITING)
@pytest.mark.parametrize("given", [{"enable-cache": True}, {"enable-cache": "auto"}, {}])
def test_a_cache_of_uv_in_any_job_that_writes_is_named(job, given):
    slip = copy.deepcopy(job)
    assert uses(slip, "astral-sh/setup-uv")
    for step in uses(slip, "astral-sh/setup-uv"):
        step["with"] = {"version": "0.13.9", "cache-dependency-glob": "uv.lock", **given}
    assert "a cache in a job that writes: another job may have filled it" in list(
        job_faults(slip, None)
    )


@pytest.mark.parametrize("job", WRITING)
@pytest.mark.parametrize("action", ["actions/cache", "actions/cache/restore"])
def test_a_cache_of_files_in_any_job_that_writes_is_named(job, action):
    cache = {"uses": f"{action}@{'0' * 40}", "with": {"key": "${{ hashFiles('x') }}"}}
    slip = {**job, "steps": [*job["steps"], cache]}
    assert "a cache in a job that writes: another job may have filled it" in list(
        job_faults(slip, None)
    )


def refs(job: dict[str, Any]) -> list[str]:
    return [str((step.get("with") or {}).get("ref")) for step in uses(job, "actions/checkout")]


def test_the_author_of_a_change_chooses_nothing_that_judges_it():
    text = CHECK.read_text("utf-8")
    assert list(check_faults(config.load_yaml(text))) == []
    assert list(judge_faults(config.load_yaml(JUDGE.read_text("utf-8")))) == []
    assert sorted(jobs(CHECK)) == ["check", "pipeline"]
    assert "base_ref" not in text
    assert "pull_request.base" not in text


BASE_REF = "${{ github.base_ref || github.event.repository.default_branch }}"
HEAD_SHA = "${{ github.event.workflow_run.head_sha }}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (f"BASE: {DEFAULT}", f"BASE: {BASE_REF}", "pipeline: BASE is not"),
        ("350\n    permissions:\n", "350\n    permissions:\n      actions: write\n",
         "pipeline: `actions: write` is more"),
        ("run: make workflows", "run: make workflows ${{ secrets.DEPLOY_KEY }}", "check: a secret"),
        ("    name: pipeline\n", "    name: pipeline\n    if: github.actor != 'x'\n",
         "pipeline: a required check with"),
    ],
)  # fmt: skip
def test_what_lets_an_author_choose_is_named(old, new, said):
    text = CHECK.read_text("utf-8")
    assert text.count(old) == 1
    assert said in "\n".join(violations(text.replace(old, new), name="check"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("workflows: [check, review]", "workflows: [check]", "does not start"),
        (f"ref: {DEFAULT}", f"ref: {HEAD_SHA}", "judge: runs other"),
        ("          path: change\n", "", "judge: the change's files lie"),
        ("enable-cache: false", "enable-cache: true", "judge: a cache"),
        ("      actions: read # what", "      statuses: write\n      actions: read # what",
         "judge: `statuses: write` is more"),
        ("          URL: $", "          GITHUB_TOKEN: ${{ github.token }}\n          URL: $",
         "judge: a token"),
        ("          URL: $", "          KEY: ${{ secrets.DEPLOY_KEY }}\n          URL: $",
         "judge: a secret"),
    ],
)  # fmt: skip
def test_what_lets_a_change_choose_its_judge_is_named(old, new, said):
    text = JUDGE.read_text("utf-8")
    assert old in text
    assert said in "\n".join(violations(text.replace(old, new, 1), name="judge"))


def test_every_job_is_listed_with_the_rights_that_it_has():
    """No more, which every project checks, and no less, so that the list is what runs."""
    found = {path.stem: {name: job["permissions"] for name, job in jobs(path).items()}
             for path in OURS}  # fmt: skip
    assert found == PERMISSIONS


def test_a_release_is_made_of_the_default_branch_only():
    assert jobs(RELEASE)["image"]["if"] == (
        "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)"
    )


def test_what_is_promoted_is_what_the_summary_is_about():
    found = jobs(PROJECT / ".github/workflows/promote.yml")
    assert found["summary"]["outputs"] == {"commit": "${{ steps.summary.outputs.commit }}"}
    assert [command(step["run"]) for step in found["summary"]["steps"] if "id" in step] == [
        "summary"
    ]
    assert refs(found["propose"]) == ["${{ needs.summary.outputs.commit }}"]


def test_a_release_is_proposed_to_the_newest_main():
    assert refs(jobs(RELEASE)["propose"]) == [DEFAULT]
    steps = {command(step.get("run", "")): step for step in jobs(RELEASE)["propose"]["steps"]}
    assert steps["make release"]["env"]["COMMIT"] == "${{ github.sha }}"
    assert steps["propose"]["if"] == "steps.release.outputs.changed == 'true'"


def test_the_registrys_password_is_there_for_the_push_alone():
    steps = jobs(RELEASE)["image"]["steps"]
    commands = [command(step.get("run", "")) for step in steps]
    assert commands[commands.index("login") + 1] == "make push"
    known = ["REGISTRY_PASSWORD" in str(step) for step in steps]
    assert [one for one, told in zip(commands, known, strict=True) if told] == ["login"]
    assert "REGISTRY_PASSWORD" not in str(jobs(RELEASE)["image"]["env"])


def test_a_newer_check_supersedes_an_older_one_but_on_the_default_branch():
    found = yaml.safe_load(CHECK.read_text("utf-8"))["concurrency"]
    assert found["group"].endswith("${{ github.event.pull_request.number || github.ref }}")
    assert found["cancel-in-progress"] == (
        "${{ github.ref != format('refs/heads/{0}', github.event.repository.default_branch) }}"
    )


def test_a_schedule_needs_no_repository_in_its_event():
    for path in OURS:
        if "schedule" in yaml.safe_load(path.read_text("utf-8"))[True]:
            for name, job in jobs(path).items():
                assert "|| github.ref_name" in refs(job)[0], (path.name, name)


def commands() -> Iterator[tuple[Path, dict[str, Any], str]]:
    """Each command of the project's workflows, with its file and its job."""
    for path in OURS:
        for job in jobs(path).values():
            yield from ((path, job, step["run"]) for step in job["steps"] if "run" in step)


def test_what_compares_the_name_of_an_image_knows_the_registry():
    named = {
        "make manifests",
        "make promote",
        "make release",
        "make push",
        "summary",
        "login",
        "sbom",
    }
    found = [(path, job) for path, job, line in commands() if command(line) in named]
    assert len(found) == 8
    for path, job in found:
        assert job["env"]["REGISTRY"] == "${{ vars.REGISTRY }}", path.name


def test_every_command_of_a_workflow_is_one_of_the_makefile_or_of_ci():
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text("utf-8"), re.M))
    named = {command(line) for _, _, line in commands()}
    made = {name.removeprefix("make ") for name in named if name.startswith("make ")}
    assert {"check", "push", "track"} <= made <= targets
    # One that `judge` starts, and one that does nothing.
    started = set(cli.CI) - {"examine"} | {"true"}
    assert named - {f"make {name}" for name in made} == started


def test_what_only_ci_runs_is_no_target_of_the_makefile():
    text = (PROJECT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", text, re.M))
    assert targets & set(cli.CI) == {"reproduce", "retrain"}  # people run them too


def test_what_a_job_installs_is_a_group_of_the_project():
    found = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    for path in OURS:
        named = set(re.findall(r"--group ([a-z-]+)", path.read_text("utf-8")))
        assert named or path.stem == "review", path
        assert named <= set(found), path


def test_a_job_that_calls_make_and_ci_asks_for_one_environment():
    for _, job, line in commands():
        if found := CI.fullmatch(line):
            sync = job.get("env", {}).get("SYNC", "")
            assert sync in ("", f"--no-default-groups {found['groups']}")
    for path in OURS:
        for name, job in jobs(path).items():
            lines = [step["run"] for step in job["steps"] if "run" in step]
            made = any(line.startswith("make ") for line in lines)
            whole = (path, name) == (CHECK, "check")  # the one job that wants every group
            assert ("SYNC" in job.get("env", {})) is (made and not whole), (path.name, name)


def test_one_version_of_an_action_everywhere():
    text = "".join(path.read_text("utf-8") for path in WORKFLOWS)
    found = set(re.findall(r"uses: *([\w.-]+/[\w.-]+@\w+ # \S+)", text))
    assert len(found) == len({line.split("@")[0] for line in found}), sorted(found)


def lint(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint is not installed")
def test_actionlint_reports_nothing_and_sees_a_slip(tmp_path):
    assert lint("actionlint", *map(str, WORKFLOWS)) == ""
    slip = tmp_path / "slip.yml"
    slip.write_text(JUDGE.read_text("utf-8").replace("github.event_name ==", "github.evnt_name =="))
    assert "evnt_name" in lint("actionlint", str(slip))


def test_zizmor_reports_nothing_and_sees_a_slip(tmp_path):
    strict = ("zizmor", "--offline", "--pedantic", "--quiet")
    assert lint(*strict, str(PROJECT / ".github"), str(ROOT / ".github")) == ""
    slip = tmp_path / "slip.yml"
    text = CHECK.read_text("utf-8")
    slip.write_text(text.replace("run: make check", "run: echo ${{ github.head_ref }}"))
    assert "template-injection" in lint(*strict, str(slip))


def test_nothing_is_ignored_by_wholesale():
    for path in (*PROJECT.rglob(".github/*"), *ROOT.glob(".github/*"), *WORKFLOWS):
        assert path.name not in ("zizmor.yml", "zizmor.yaml", "actionlint.yaml"), path
        if path.is_file():
            found = re.findall("zizmor: ignore.*", path.read_text("utf-8"))
            allowed = ["zizmor: ignore[dangerous-triggers] runs no code of the change"]
            assert found == allowed * (path == JUDGE), path


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not installed")
def test_hadolint_reports_nothing_and_sees_a_slip(tmp_path):
    text = (PROJECT / "Dockerfile").read_text("utf-8")
    assert lint("hadolint", "--no-color", str(PROJECT / "Dockerfile")) == ""
    (tmp_path / "Dockerfile").write_text(text + "\nRUN cd /tmp && apt-get install curl\n")
    assert "DL3" in lint("hadolint", "--no-color", str(tmp_path / "Dockerfile"))
