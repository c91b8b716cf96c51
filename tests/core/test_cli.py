import inspect
import os
import subprocess
import sys

import pytest
from mlgitops.core import cli
from mlgitops.core.errors import UserError

NAMES = [
    *((name,) for name in cli.COMMANDS),
    *(("ci", name) for name in cli.CI),
]


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["mlgitops", *arguments])
    cli.main()


def exit_code(monkeypatch, *arguments):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, *arguments)
    return stop.value.code


def alone(code):
    """What a process prints that runs the code and nothing else."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("words", [(), ("ci",)])
@pytest.mark.parametrize("asked", [(), ("--help",), ("-h",)])
def test_help_lists_every_command(words, asked, monkeypatch, capsys):
    run(monkeypatch, *words, *asked)
    shown = capsys.readouterr().out
    program = " ".join(["mlgitops", *words])
    assert shown.startswith(f"usage: {program} COMMAND")
    assert len(cli.GROUPS[program]) >= 10
    assert all(f"\n  {name} " in shown for name in cli.GROUPS[program])


def test_help_says_that_there_are_more_for_workflows(monkeypatch, capsys):
    run(monkeypatch, "--help")
    assert "\n  ci  " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "meant"), [(("trian",), "train"), (("ci", "statused"), "statuses")]
)
def test_an_unknown_command_is_wrong_usage_and_the_nearest_is_told(
    words, meant, monkeypatch, capsys
):
    assert exit_code(monkeypatch, *words) == 2
    told = capsys.readouterr().err
    assert f"No such command '{words[-1]}'" in told
    assert f"Did you mean '{meant}'" in told


def test_nonsense_is_wrong_usage(monkeypatch, capsys):
    assert exit_code(monkeypatch, "nonsense") == 2
    assert "No such command 'nonsense'" in capsys.readouterr().err


@pytest.mark.parametrize("words", NAMES, ids=" ".join)
def test_every_command_is_there_and_explains_itself(words, monkeypatch, capsys):
    assert exit_code(monkeypatch, *words, "--help") == 0
    shown = capsys.readouterr().out
    assert f"mlgitops {' '.join(words)}" in shown
    table = cli.CI if words[0] == "ci" else cli.COMMANDS
    line = inspect.getdoc(cli.function(table[words[-1]][0])).splitlines()[0]
    assert line.split()[0] in shown


def test_a_wrong_option_is_wrong_usage(monkeypatch, capsys):
    assert exit_code(monkeypatch, "show", "--loud") == 2
    assert "No such option: --loud" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show",), "mlgitops show: artifacts/metrics.json is not there: run `make pipeline`\n"),
        (("card",), "mlgitops card: dvc.lock is not there: run `make pipeline`\n"),
    ],
)
def test_a_mistake_is_one_line_without_a_traceback(words, told, project, monkeypatch, capsys):
    assert exit_code(monkeypatch, *words) == 1
    assert capsys.readouterr().err == told


def test_a_mistake_of_a_command_for_workflows_names_it(project, monkeypatch, capsys):
    assert exit_code(monkeypatch, "ci", "verdict") == 1
    assert capsys.readouterr().err.startswith("mlgitops ci verdict: ")


@pytest.mark.parametrize(("raised", "code"), [(UserError("no"), 1), (KeyboardInterrupt(), 130)])
def test_the_exit_code_tells_a_mistake_from_an_interruption(raised, code, monkeypatch):
    def show():
        raise raised

    monkeypatch.setattr("mlgitops.core.print_metrics.show", show)
    assert exit_code(monkeypatch, "show") == code


def test_gate_exits_with_one_if_refused(workspace, monkeypatch, capsys):
    workspace.set("gate.budget.model_mb", 1e-9)
    assert exit_code(monkeypatch, "gate") == 1
    assert "refused" in capsys.readouterr().out


@pytest.mark.parametrize("words", ["'--help'", "'ci', '--help'"])
def test_help_loads_no_heavy_library(words):
    code = (
        f"import sys; sys.argv = ['mlgitops', {words}]; from mlgitops.core.cli import main; main();"
        "heavy = {'pandas', 'numpy', 'sklearn', 'dvc', 'typer', 'click', 'pydantic', 'yaml'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert alone(code).splitlines()[-1] == "[]"


def test_a_command_loads_no_other(project):
    code = (
        "import sys; sys.argv = ['mlgitops', 'show']\n"
        "from mlgitops.core.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'pandas', 'sklearn', 'dvc', 'fastapi'} & set(sys.modules)))"
    )
    assert alone(code) == "[]\n"


def test_judging_needs_no_scikit_learn():
    code = (
        "import sys, mlgitops.evaluation.gate, mlgitops.reporting.report;"
        "print(sorted({'sklearn', 'pandas'} & set(sys.modules)))"
    )
    assert alone(code) == "['pandas']\n"


@pytest.mark.parametrize(
    "package",
    ["mlgitops.training.exported_model", "mlgitops.evaluation.checks", "mlgitops.serving.onnx"],
)
def test_onnx_runtime_reports_nothing_to_its_makers(package, monkeypatch):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    assert alone(f"import {package}, os; print(os.environ['ORT_DISABLE_TELEMETRY'])") == "1\n"


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
