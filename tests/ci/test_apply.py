from pathlib import Path

import made_origin
import pytest
from mlgitops.ci.apply import apply
from mlgitops.core import job_output
from mlgitops.core.errors import UserError


@pytest.fixture(autouse=True)
def folder(clone):
    job_output.start()
    return clone


def make_patch(files, folder):
    """The files as a patch in result/, and the tree without them."""
    made_origin.write(folder, files)
    made_origin.git(folder, "add", "--all")
    patch = made_origin.git(folder, "diff", "--cached", "--binary", "HEAD") + "\n"
    made_origin.git(folder, "reset", "--quiet", "--hard")
    made_origin.git(folder, "clean", "--quiet", "--force")
    job_output.start()
    job_output.write(job_output.PATCH, patch.encode())


def test_what_commands_make_is_applied(folder, capsys):
    make_patch({"dvc.lock": "schema: '2.1'\n", "data/raw.parquet.dvc": "outs: []\n"}, folder)
    apply(job_output.FOLDER)
    assert Path("dvc.lock").read_text() == "schema: '2.1'\n"
    assert Path("data/raw.parquet.dvc").exists()
    assert capsys.readouterr().out == "applied: 2 files\n"


def test_anything_else_refuses_all_of_it(folder):
    make_patch({"dvc.lock": "schema: '2.1'\n", "src/ml/features.py": "import os\n"}, folder)
    with pytest.raises(UserError, match=r"must not save: src/ml/features\.py"):
        apply(job_output.FOLDER)
    assert Path("dvc.lock").read_text() == "schema: '2.0'\n"


def test_no_patch_is_nothing_to_do(capsys):
    apply(job_output.FOLDER)
    assert "nothing to apply" in capsys.readouterr().out
