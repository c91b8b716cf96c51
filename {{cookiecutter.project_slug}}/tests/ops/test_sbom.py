import json
import subprocess
from pathlib import Path

import pytest

from ml.errors import Mistake
from ops import sbom as module
from ops.sbom import SBOM, sbom

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def uv(monkeypatch):
    """What uv export was asked for; it names one package."""
    asked, answer = [], {"code": 0, "out": {"bomFormat": "CycloneDX", "components": [{}]}}

    def run(command, **_):
        asked.append(command)
        out = json.dumps(answer["out"]).encode()
        return subprocess.CompletedProcess(command, answer["code"], out, b"The lockfile is old")

    monkeypatch.setattr(module.subprocess, "run", run)
    return asked, answer


def test_what_the_image_installs_is_listed(uv, capsys):
    sbom()
    assert json.loads(SBOM.read_text())["bomFormat"] == "CycloneDX"
    # The model of this project has no converter: the server needs scikit-learn for it.
    assert uv[0][0][-4:] == ["--only-group", "serve", "--only-group", "serve-sklearn"]
    assert capsys.readouterr().out == "artifacts/sbom.json: 1 packages\n"


def test_a_stale_lock_file_and_an_empty_list_are_refused(uv):
    uv[1]["out"] = {"components": []}
    with pytest.raises(Mistake, match="names no package"):
        sbom()
    uv[1]["code"] = 2
    with pytest.raises(Mistake, match="uv export failed: The lockfile is old"):
        sbom()
    assert not Path(SBOM).exists()
