import os
import subprocess
import sys

import pytest


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["ops", *arguments])
    cli.main()


def test_help_names_every_command(monkeypatch, capsys):
    run(monkeypatch, "--help")
    shown = capsys.readouterr().out
    assert "usage: ops COMMAND" in shown
    assert all(f"\n  {name} " in shown for name in cli.COMMANDS)


def test_an_unknown_command_is_wrong_usage(monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "deploy-everything")
    assert stopped.value.code == 2
    assert "ops: no command 'deploy-everything'" in capsys.readouterr().err


def test_a_mistake_is_one_line_and_exit_code_one(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "card")
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "ops card: dvc.lock is not there: run `make pipeline`\n"


def test_gate_exits_with_one_if_refused(project, monkeypatch, capsys):
    project.set("gate.budget.model_mb", 1e-9)
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "gate")
    assert stopped.value.code == 1
    assert "refused" in capsys.readouterr().out


def test_judging_needs_no_scikit_learn_and_helping_nothing_heavy():
    code = "import sys; {}; print(sorted({{'sklearn', 'pandas'}} & set(sys.modules)))"
    for line, loaded in (("import ops.gate, ops.report", ["pandas"]), ("import ops.cli", [])):
        command = [sys.executable, "-c", code.format(line)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert done.stdout.strip() == str(loaded), done.stderr


@pytest.fixture(scope="module")
def step():
    """The step of a workflow that runs these tests; what is set here is older than a test."""
    told = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
    with pytest.MonkeyPatch.context() as patch:
        for name in told:
            patch.setenv(name, "what the step tells its workflow")
        yield told


def test_a_test_tells_the_workflow_that_runs_it_nothing(step):
    assert not set(step) & set(os.environ)
