import json

import pytest
import typer
from mlgitops.ci.verdict import verdict
from mlgitops.core import job_output
from mlgitops.core.errors import UserError

KEPT = {"kind": "minimum", "name": "log_loss", "passed": True, "value": 0.1, "limit": 0.5}
WHOLE = [KEPT | {"kind": kind} for kind in ("minimum", "champion", "budget")]
BROKEN = KEPT | {"passed": False, "value": 0.9, "reason": "worse than the limit"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job_output.start()


def write_verdict(passed, *checks):
    job_output.write(job_output.VERDICT, json.dumps({"passed": passed, "checks": checks}).encode())


def test_a_verdict_that_passes_is_shown(capsys):
    write_verdict(True, *WHOLE, KEPT | {"kind": "slices"})
    verdict()
    assert capsys.readouterr().out.endswith("\n\npassed\n")


def test_a_verdict_that_refuses_is_the_exit_code(capsys):
    write_verdict(False, KEPT, BROKEN)
    with pytest.raises(typer.Exit) as stopped:
        verdict()
    assert stopped.value.exit_code == 1
    assert "refused: 1 of 2 checks" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"passed": true, "checks": []}',
        '{"passed": true, "checks": [{"passed": false}]}',
        '{"passed": false, "checks": [{"passed": true}]}',
        '{"passed": true, "checks": [{"passed": "yes"}]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_whole_verdict_is_refused(text):
    job_output.write(job_output.VERDICT, text.encode())
    with pytest.raises(UserError, match="has no verdict"):
        verdict()


@pytest.mark.parametrize("kind", ["minimum", "champion", "budget"])
def test_a_verdict_that_passes_without_a_kind_of_check_is_refused(kind):
    write_verdict(True, *[check for check in WHOLE if check["kind"] != kind])
    with pytest.raises(UserError, match=f"no check of {kind}: "):
        verdict()


@pytest.mark.parametrize("check", [{"passed": True}, {"passed": True, "kind": ["minimum"]}])
def test_a_forged_check_is_no_kind_of_check(check):
    write_verdict(True, check)
    with pytest.raises(UserError, match="no check of minimum, champion, budget"):
        verdict()


@pytest.mark.parametrize(
    "command", ["::::error::owned", " ::add-mask::a", "##[add-mask]a", ["\n::a::"]]
)
@pytest.mark.parametrize("column", ["kind", "name", "limit", "reason"])
def test_a_cell_is_one_line_and_no_command_of_the_runner(capsys, column, command):
    text = f"{command}\n{command}\r\x1b[1m{command}\u2028" if isinstance(command, str) else command
    write_verdict(False, BROKEN | {"kind": None, "name": None, column: text})
    with pytest.raises(typer.Exit):
        verdict()
    said = capsys.readouterr().out
    assert said.splitlines()[2:] == ["", "refused: 1 of 1 checks"]
    assert "::" not in said
    assert "##[" not in said


def test_no_verdict_is_refused():
    with pytest.raises(UserError, match="has no verdict"):
        verdict()


def test_what_needed_an_approval_has_it_where_it_was_merged(capsys):
    doubt = KEPT | {"kind": "champion", "passed": False, "needs_approval": True}
    write_verdict(False, *WHOLE[:1], doubt, WHOLE[2])
    verdict()
    assert "needs approval, which its merge gave: 1 checks" in capsys.readouterr().out
    write_verdict(False, *WHOLE[:1], doubt, BROKEN)
    with pytest.raises(typer.Exit):
        verdict()
