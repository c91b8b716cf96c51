"""What protects main's judge, held by a command of the project; each rule is fed what breaks it."""

import json
import shutil
from pathlib import Path

import pytest
from made_project import TEMPLATE
from mlgitops.core.errors import UserError
from mlgitops.core.rule_files import FILES
from mlgitops.github import workflow_rules, workflows

W = ".github/workflows"
CHECK, JUDGE, REVIEW, RELEASE = (
    f"{W}/{name}.yml" for name in ("check", "judge", "review", "release")
)
OWNERS, RULESET = ".github/CODEOWNERS", ".github/rulesets/main.json"
SETUP = "          enable-cache: false"
OTHER = """\
name: {name}
on: {on}
permissions: {{}}
jobs:
  mine:
    runs-on: [self-hosted, gpu]
    permissions: {rights}
    steps:
      - run: {run}
"""


def other(name="pages", on="push", rights="{pages: write}", run="make site && ls"):
    return OTHER.format(name=name, on=on, rights=rights, run=run)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The .github/ of a project and its gate.yaml."""
    shutil.copytree(TEMPLATE / ".github", tmp_path / ".github")
    shutil.copy(TEMPLATE / "gate.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)


def edit(path, old, new):
    """A text in place of another, of the whole file (old is ""), or no file (new is None)."""
    file = Path(path)
    if new is None:
        file.unlink()
        return
    text = file.read_text("utf-8") if old else ""
    assert not old or old in text, (path, old)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.replace(old, new, 1) if old else new, "utf-8")


def test_the_templates_own_files_keep_every_rule():
    workflows.workflows()


RUN = "mlgitops ci"
ANYWAY = "||" + " true"
FAULTS = [
    (JUDGE, "", None, f"{JUDGE}: it is not there"),
    (CHECK, "", None, f"{CHECK}: it is not there"),
    (REVIEW, "", None, f"{REVIEW}: it is not there"),
    (JUDGE, "", "{", f"{JUDGE}: it cannot be read"),
    (JUDGE, "", "[]", f"{JUDGE}: it has no jobs"),
    (JUDGE, "name: judge\n", "name: judges\n", "it is not called judge"),
    (JUDGE, "[check, review]", "[other, review]", "does not start when check"),
    (JUDGE, "  issue_comment:\n    types: [created]\n", "", "does not start when check"),
    (JUDGE, "  issue_comment:", "  push:\n  issue_comment:", "on a comment, alone"),
    (JUDGE, "  issue_comment:", "  pull_request_target:\n  issue_comment:", "with rights what"),
    (JUDGE, "    if: always() &&", "    if: false &&", "publish: another condition"),
    (JUDGE, "== 'workflow_dispatch'\n", "== 'never'\n", "judge: another condition"),
    (JUDGE, f"{RUN} judge", f"{RUN} approve", "judge: it runs something else than"),
    (JUDGE, f"{RUN} judge", f"{RUN} judge {ANYWAY}", "judge: it hides a failure"),
    (JUDGE, f"{RUN} statuses", f"{RUN} comment", "publish: it runs something else"),
    (JUDGE, f"      - run: uv run --locked --no-default-groups --group github {RUN} approve\n", "",
     "approve: it runs something else"),
    (JUDGE, "permissions: {}\n", "permissions: write-all\n", "does not stand on top"),
    (JUDGE, "      packages: read", "      packages: write", "judge: `packages: write` is more"),
    (JUDGE, "actions/checkout@", "mine/checkout@", "judge: it uses mine/checkout"),
    (JUDGE, SETUP, "          enable-cache: true", "judge: a cache that the change's"),
    (JUDGE, "jobs:\n", "jobs:\n  more:\n    permissions: {}\n    steps: [{run: 'true'}]\n",
     "other jobs than"),
    (CHECK, "name: check\n", "name: checks\n", "it is not called check"),
    (CHECK, "  pull_request:\n", "", "does not start on a pull request"),
    (CHECK, "      - run: make workflows\n", "", "check: it does not run make workflows"),
    (CHECK, "      - run: make check\n", "", "check: it does not run make check"),
    (CHECK, f"{RUN} reproduce", f"{RUN} verdict", "pipeline: it does not run reproduce"),
    (CHECK, "run: make check", "run: make check\n        continue-on-error: true",
     "check: continue-on-error"),
    (CHECK, "run: make check", f"run: make check {ANYWAY}", "check: it hides a failure"),
    (CHECK, "run: make check", "run: make check || exit 0", "check: it hides a failure"),
    (CHECK, "run: make check", "run: echo ${{ needs.pipelin.outputs.x }}", "reads needs.pipelin"),
    (CHECK, "run: make check", "run: make check\n        if: steps.mine.outputs.x", "steps.mine"),
    (CHECK, "      contents: read", "      contents: write", "check: `contents: write` is more"),
    (CHECK, "      contents: read", "      id-token: write", "check: `id-token: write` is more"),
    (RELEASE, "needs.image.outputs.image", "needs.image.outputs.imag", "needs.image.outputs.imag,"),
    (RELEASE, "needs.image.outputs.image", "needs.imag.outputs.image", "needs.imag, but does not"),
    (RELEASE, SETUP, "          enable-cache: true", "image: a cache in a job that writes"),
    (RELEASE, SETUP + " # build releases without a cache\n", "", "image: a cache in a job"),
    (RELEASE, "    environment: release", "    x: release", "image: a secret without"),
    (REVIEW, "  pull_request_review:\n", "  push:\n", "not start on a review alone"),
    (f"{W}/mine.yml", "", other(name="check"), "another workflow is called check"),
    (f"{W}/mine.yaml", "", other(name="judge"), "another workflow is called judge"),
    (f"{W}/mine.yml", "", other(rights="{statuses: write}"), "mine: `statuses: write` is more"),
    (f"{W}/mine.yml", "", other(rights="{checks: write}"), "mine: `checks: write` is more"),
    (f"{W}/mine.yml", "", other(rights="write-all"), "mine: its permissions are not named"),
    (f"{W}/mine.yml", "", other(on="pull_request_target"), "runs with rights what others wrote"),
    (f"{W}/mine.yml", "", other(on="{workflow_run: {}}"), "runs with rights what others wrote"),
    (f"{W}/mine.yml", "", other(run="echo ${{ github.head_ref }}"), "inside run"),
    (".gitea/workflows/check.yml", "", other(), ".gitea/workflows: the Git host may read it"),
    (".forgejo/workflows/check.yml", "", other(), ".forgejo/workflows: the Git host may"),
    (OWNERS, "", "* docs\n", "no owner for /gate.yaml"),
    (OWNERS, "GNUmakefile ", "GNUmakefiles ", "no owner for /GNUmakefile"),
    (OWNERS, "/deploy/staging/release.env\n", "/vendor/mlgitops/src/\n", "owner of /vendor/mlgit"),
    (RULESET, '"active"', '"evaluate"', "it is not active"),
    (RULESET, ', {"context": "gate"}', "", "it does not require gate"),
    (RULESET, '_count": 1', '_count": 0', "it requires no approval"),
    (RULESET, '"require_code_owner_review": true', '"require_code_owner_review": false',
     "no review by the owners"),
    (RULESET, '"type": "pull_request"', '"type": "creation"', "it requires no pull request"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new", "said"), FAULTS)
def test_what_lets_a_change_choose_its_judge_is_refused(capsys, path, old, new, said):
    edit(path, old, new)
    with pytest.raises(UserError, match="of what protects main"):
        workflows.workflows()
    assert said in capsys.readouterr().out


def test_a_line_that_follows_takes_an_owner_away(capsys):
    with Path(OWNERS).open("a") as file:
        file.write("/vendor/\n")
    with pytest.raises(UserError):
        workflows.workflows()
    assert "no owner for /vendor/" in capsys.readouterr().out


FINE = [
    (f"{W}/promote.yml", "", None),
    (f"{W}/mine.yml", "", other()),
    (f"{W}/mine.yml", "", other(rights="{statuses: read, contents: write}")),
    (f"{W}/retrain.yml", "17 4 * * 1", "17 4 1 * *"),
    (CHECK, "      - run: make check\n", "      - run: make check\n      - run: make plots\n"),
    (CHECK, "runs-on: ubuntu-latest", "runs-on: [self-hosted]"),
    (RELEASE, "timeout-minutes: 60", "timeout-minutes: 90"),
    (JUDGE, "# v7.0.1", "# v7.1.0"),
    (JUDGE, "runs-on: ubuntu-latest", "runs-on: [self-hosted, isolated]"),
    (OWNERS, "", "* @acme/approvers\n"),
    (OWNERS, "/deploy/staging/release.env\n", ""),
    (OWNERS, "/gate.yaml ", "/gate.yaml @ada @bob "),
]


@pytest.mark.parametrize(("path", "old", "new"), FINE)
def test_what_people_change_in_them_is_fine(path, old, new):
    edit(path, old, new)
    workflows.workflows()


def test_a_person_alone_needs_no_review():
    edit(RULESET, '_count": 1', '_count": 0')
    edit("gate.yaml", "by: review", "by: comment")
    workflows.workflows()


def test_every_rule_needs_an_owner():
    text = (TEMPLATE / OWNERS).read_text("utf-8")
    for rule in FILES:
        rest = "".join(line for line in text.splitlines(True) if line.split()[0] != rule)
        assert list(workflow_rules.owner_faults(rest)) == [f"no owner for {rule}"]


def test_a_ruleset_that_is_none_lacks_all():
    for ruleset in (None, [], {}, {"rules": None}, json.loads('{"rules": []}')):
        assert len(list(workflow_rules.ruleset_faults(ruleset, "review"))) == 5
