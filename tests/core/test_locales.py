"""Commands under locales that are not UTF-8: files and names stay UTF-8, and output is no error."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = str(Path(sys.executable).with_name("mlgitops"))
# Without Python's own help, C is ASCII.
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
LOCALES = {"latin-1": ("de_DE", "ISO-8859-1"), "turkish": ("tr_TR", "ISO-8859-9")}
NIGHTLY = [pytest.param(name, marks=pytest.mark.nightly) for name in ("latin-1 output", *LOCALES)]


@pytest.fixture(params=["c", *NIGHTLY])
def environment(request, tmp_path):
    """The variables of a locale, which is made if the system has its sources."""
    common = {
        k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONUTF8"))
    }
    if request.param == "c":
        return common | ASCII
    if request.param == "latin-1 output":
        return common | {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    name, charset = LOCALES[request.param]
    if not (shutil.which("localedef") and Path("/usr/share/i18n/locales", name).exists()):
        pytest.skip(f"the system cannot make the locale {name}: apt-get install locales")
    folder = tmp_path / "locales" / f"{name}.{charset}"
    folder.parent.mkdir()
    subprocess.run(["localedef", "-i", name, "-f", charset, folder], check=True)
    return common | {"LOCPATH": str(folder.parent), "LC_ALL": folder.name, "PYTHONUTF8": "0"}


def run(environment, *words):
    """What a command prints, as bytes."""
    done = subprocess.run([PROGRAM, *words], capture_output=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def test_commands_write_utf_8_whatever_the_locale(workspace, environment):
    """A report and an import, with names that Latin-1 and ASCII lack."""
    rows = "".join(f"{n % 7}.5,{'ığ'[n % 2]},{'ab'[n % 3 > 0]}\n" for n in range(90))
    Path("Übergröße.csv").write_text(f"größe,şehir,y\n{rows}", encoding="utf-8")
    printed = run(environment, "report", "--base", "HEAD", "--output", "stdout")
    if "PYTHONIOENCODING" not in environment:
        assert not printed.decode("utf-8").isascii()
    run(environment, "data", "SOURCE=Übergröße.csv", "TARGET=y", "RESET=1", "CHOOSE=0")
    assert "größe" in Path("schema.yaml").read_text("utf-8")
    assert "şehir" in Path("schema.yaml").read_text("utf-8")
    assert "Übergröße.csv" in Path("params.yaml").read_text("utf-8")


def test_the_help_and_a_mistake_are_told_in_every_locale(workspace, environment):
    done = subprocess.run(
        [PROGRAM, "score", "süß.csv", "out.csv"], capture_output=True, check=False, env=environment
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
    if "PYTHONIOENCODING" not in environment:
        assert "süß.csv" in done.stderr.decode("utf-8")
    assert run(environment, "--help")
