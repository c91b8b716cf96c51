from pathlib import Path

import pytest
from mlgitops.core.errors import UserError
from mlgitops.git.patch import difference


@pytest.mark.usefixtures("workspace")
def test_nothing_differs_from_head():
    assert difference(["."]) == b""
    Path("mine.txt").write_text("not asked for")
    assert difference(["params.yaml", "artifacts"]) == b""


def test_what_was_changed_added_and_deleted_comes_back_from_the_patch(workspace, tmp_path):
    content = bytes(range(256))
    Path("params.yaml").write_text("changed: true\n")
    Path("artifacts/new.bin").write_bytes(content)
    Path("artifacts/parity.json").unlink()
    Path("mine.txt").write_text("not asked for")
    patch = tmp_path / "changes.patch"
    patch.write_bytes(difference(["params.yaml", "artifacts", "no such path"]))
    Path("artifacts/new.bin").unlink()
    workspace.git("checkout", "--quiet", "HEAD", "--", ".")
    workspace.git("apply", str(patch))
    assert Path("params.yaml").read_text() == "changed: true\n"
    assert Path("artifacts/new.bin").read_bytes() == content
    assert not Path("artifacts/parity.json").exists()
    assert b"mine.txt" not in patch.read_bytes()


def test_what_a_person_has_staged_stays_as_it_is(workspace):
    Path("staged.txt").write_text("staged")
    workspace.git("add", "staged.txt")
    Path("params.yaml").write_text("changed: true\n")
    before = workspace.git("status", "--porcelain")
    assert b"staged.txt" not in difference(["params.yaml"])
    assert workspace.git("status", "--porcelain") == before


def test_git_s_reason_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="git read-tree failed: fatal: not a git repository"):
        difference(["."])
