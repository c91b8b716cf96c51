"""What the workflows give in the environment reaches the options of `mlgitops ci`, as data."""

import inspect
import re
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer
import yaml
from mlgitops.core import cli

WORKFLOWS = sorted(
    (Path(__file__).parents[2] / "{{cookiecutter.project_slug}}/.github/workflows").glob("*.yml")
)
COMMAND = re.compile(r"mlgitops ci ([a-z]+)")
# What the environment of a step gives to a command beside its options.
CREDENTIALS = {"GITHUB_TOKEN", "REGISTRY", "REGISTRY_USER", "REGISTRY_PASSWORD", "SYNC"}
HOSTILE = "$(touch owned) `id` \"'; --force"


def options(name: str) -> dict[str, str]:
    """By parameter of a command, the variable that it is read from; "" if from none."""
    function = cli.function(cli.CI[name][0])
    hints = get_type_hints(function, include_extras=True)
    return {
        one: get_args(hints[one])[1].envvar or "" for one in inspect.signature(function).parameters
    }


def steps():
    """Each step that runs a command of CI: its name, and the variables of its own and its job's."""
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values():
            for step in job["steps"]:
                if found := COMMAND.search(step.get("run", "")):
                    yield found[1], {**job.get("env", {}), **step.get("env", {})}


def call_arguments(
    monkeypatch, name: str, *arguments: str, **environment: str
) -> dict[str, object]:
    """What the function of a command is given, with these variables and nothing else."""
    function, given = cli.function(cli.CI[name][0]), {}

    def stand_in(**values):
        given.update(values)

    stand_in.__signature__ = inspect.signature(function)
    stand_in.__annotations__ = get_type_hints(function, include_extras=True)
    with monkeypatch.context() as patch:
        for variable in {*options(name).values()} - {""}:
            patch.delenv(variable, raising=False)
        for variable, value in environment.items():
            patch.setenv(variable, value)
        patch.setattr(cli, "function", lambda _: stand_in)
        patch.setattr(sys, "argv", ["mlgitops", "ci", name, *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
    if stopped.value.code:
        raise SystemExit(stopped.value.code)
    return given


def test_every_variable_that_a_step_sets_is_read_by_its_command():
    found = list(steps())
    assert {name for name, _ in found} == set(cli.CI) - {"examine"}  # `judge` starts it
    for name, environment in found:
        assert set(environment) - CREDENTIALS <= set(options(name).values()), name


def test_a_command_that_must_be_told_something_is_told_it_by_every_step():
    for name, environment in steps():
        function = cli.function(cli.CI[name][0])
        for one, parameter in inspect.signature(function).parameters.items():
            if parameter.default is parameter.empty:
                assert environment.get(options(name)[one]), (name, one)


def test_the_text_of_others_stays_text(monkeypatch):
    given = call_arguments(
        monkeypatch, "propose", BRANCH=HOSTILE, TITLE=HOSTILE, BODY=HOSTILE, LABELS=HOSTILE
    )
    assert given == {
        "branch": HOSTILE, "title": HOSTILE, "body": HOSTILE, "labels": HOSTILE, "auto": False,
    }  # fmt: skip


def test_a_status_is_told_its_head_its_run_its_page_and_its_label(monkeypatch):
    given = call_arguments(
        monkeypatch, "statuses", HEAD="a" * 40, RUN="7", URL="http://x/1", LABELS="rules"
    )
    assert given == {"head": "a" * 40, "run": "7", "url": "http://x/1", "labels": "rules"}


def test_what_is_empty_is_as_if_it_were_not_set(monkeypatch):
    given = call_arguments(
        monkeypatch, "comment", BODY="result/report.md", NUMBER="", HEAD="", URL=""
    )
    assert given == {"body": "result/report.md", "number": "", "head": "", "url": ""}
    assert call_arguments(monkeypatch, "reproduce", BASE="") == {
        "base": "main",
        "hand_over": True,
    }
    assert call_arguments(monkeypatch, "retrain", REASON="", FORCE="") == {
        "force": False, "reason": "", "drift": "", "base": "main",
    }  # fmt: skip


def test_what_must_be_there_and_is_empty_is_wrong_usage(monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        call_arguments(monkeypatch, "save", BRANCH="mine", CHANGES="")
    assert stopped.value.code == 2
    assert "CHANGES" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "wanted"), [("true", True), ("1", True), ("false", False)])
@pytest.mark.parametrize(("name", "variable"), [("retrain", "FORCE"), ("propose", "AUTO")])
def test_a_flag_is_what_github_calls_true(name, variable, word, wanted, monkeypatch):
    others = {"BRANCH": "bot/x", "TITLE": "x", "BODY": "x"} if name == "propose" else {}
    given = call_arguments(monkeypatch, name, **{variable: word}, **others)
    assert given[variable.lower()] is wanted


def test_a_flag_that_is_neither_is_wrong_usage(monkeypatch):
    with pytest.raises(SystemExit) as stopped:
        call_arguments(monkeypatch, "retrain", FORCE="perhaps")
    assert stopped.value.code == 2


def test_what_is_written_on_the_line_wins(monkeypatch):
    assert call_arguments(monkeypatch, "reproduce", "--base", "next", BASE="main") == {
        "base": "next",
        "hand_over": True,
    }


def test_an_option_of_a_variable_says_so_in_its_help():
    for name in cli.CI:
        for one, variable in options(name).items():
            assert variable in ("", one.upper()), (name, one)
            function = cli.function(cli.CI[name][0])
            assert isinstance(get_args(get_type_hints(function, include_extras=True)[one])[1],
                              typer.models.OptionInfo)  # fmt: skip
