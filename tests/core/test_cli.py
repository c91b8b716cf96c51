import os
import subprocess
import sys

import pytest
from mlgitops.core import cli
from mlgitops.core.errors import Mistake


def ran(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["ml", *arguments])
    cli.main()


def test_help_lists_every_command(monkeypatch, capsys):
    ran(monkeypatch, "--help")
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in cli.COMMANDS)


def test_no_command_shows_the_help(monkeypatch, capsys):
    ran(monkeypatch)
    assert "usage: ml COMMAND" in capsys.readouterr().out


def test_an_unknown_command_is_wrong_usage(monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        ran(monkeypatch, "trian")
    assert stop.value.code == 2
    assert "no command 'trian'" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(name, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        ran(monkeypatch, name, "--help")
    assert stop.value.code == 0
    assert f"ml {name}" in capsys.readouterr().out


def test_a_wrong_option_is_wrong_usage(monkeypatch):
    with pytest.raises(SystemExit) as stop:
        ran(monkeypatch, "show", "--loud")
    assert stop.value.code == 2


def test_a_mistake_is_one_line_without_a_traceback(project, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        ran(monkeypatch, "show")
    assert stop.value.code == 1
    told = capsys.readouterr().err
    assert told == "ml show: artifacts/metrics.json is not there: run `make pipeline`\n"


@pytest.mark.parametrize(("raised", "code"), [(Mistake("no"), 1), (KeyboardInterrupt(), 130)])
def test_the_exit_code_tells_a_mistake_from_an_interruption(raised, code, monkeypatch):
    def run(program, name, module, arguments):
        raise raised

    monkeypatch.setattr(cli, "run", run)
    with pytest.raises(SystemExit) as stop:
        ran(monkeypatch, "show")
    assert stop.value.code == code


def test_help_loads_no_heavy_library():
    code = (
        "import sys; sys.argv = ['ml', '--help']; from ml.cli import main; main();"
        "print(sorted({'pandas', 'numpy', 'sklearn', 'dvc', 'typer', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "package",
    ["mlgitops.training.exported_model", "mlgitops.evaluation.checks", "mlgitops.serving.onnx"],
)
def test_onnx_runtime_reports_nothing_to_its_makers(package):
    code = f"import {package}, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
