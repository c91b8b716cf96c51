import json
import re
import subprocess
import sys
from importlib.metadata import version

import pytest
from mlgitops.core.errors import UserError
from mlgitops.images.sbom import PROGRAM, SBOM, sbom


@pytest.fixture
def daemon(workspace, docker):
    """A daemon whose image holds Python and two packages."""
    docker.answer("image", "inspect", out="{}\n")
    docker.answer("image", "inspect", "--format", "{{.Id}}", out="sha256:1\n")
    docker.answer("run", out='["3.13.5", [["Typing.Extensions", "4.16.0"], ["ours", "1+cpu"]]]\n')
    return docker


def read_sbom():
    sbom()
    return json.loads(SBOM.read_text("utf-8"))


def test_python_and_what_the_image_says_that_it_has_are_listed(daemon, capsys):
    found = [(one["type"], one["name"], one["purl"]) for one in read_sbom()["components"]]
    assert found == [
        ("platform", "python", "pkg:generic/python@3.13.5"),
        ("library", "Typing.Extensions", "pkg:pypi/typing-extensions@4.16.0"),
        ("library", "ours", "pkg:pypi/ours@1%2Bcpu"),
    ]
    assert capsys.readouterr().out == "artifacts/sbom.json: Python 3.13.5 and 2 packages\n"
    [run] = daemon.calls("run")
    assert "--network=none" in run
    assert run[-2:] == ["-c", PROGRAM]


def test_the_same_image_has_the_same_document_and_another_one_another_number(daemon):
    first = read_sbom()
    assert (first["bomFormat"], first["specVersion"], first["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", first["serialNumber"])
    assert first["metadata"]["component"]["version"] == "sha256:1"
    assert read_sbom() == first
    daemon.answer("image", "inspect", "--format", "{{.Id}}", out="sha256:2\n")
    assert read_sbom()["serialNumber"] != first["serialNumber"]


def test_an_image_that_was_not_built_is_asked_for(daemon):
    daemon.answer("image", "inspect", error="No such image", code=1)
    with pytest.raises(UserError, match="`make image` makes it"):
        sbom()
    assert not SBOM.exists()


def test_an_image_that_cannot_tell_is_refused(daemon):
    daemon.answer("run", error='exec: "python": executable file not found', code=127)
    with pytest.raises(UserError, match="docker run: exec"):
        sbom()
    assert not SBOM.exists()


def test_what_the_image_is_asked_names_this_environment():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    python, packages = json.loads(done.stdout)
    assert python == ".".join(map(str, sys.version_info[:3]))
    assert ["pytest", version("pytest")] in packages
