import hashlib
from pathlib import Path

import pytest
from mlgitops.core import vendor
from mlgitops.core.errors import UserError

FILES = {"LICENSE": "as you like\n", "src/mlgitops/core/paths.py": "RAW = 1\nTEST = 2\n"}


@pytest.fixture
def release(tmp_path, monkeypatch):
    """A release of two files in vendor/mlgitops, with its manifest."""
    monkeypatch.chdir(tmp_path)
    lines = []
    for name, text in FILES.items():
        file = vendor.FOLDER / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
        lines.append(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n")
    manifest = vendor.FOLDER / vendor.MANIFEST
    manifest.write_text("".join(lines))
    vendor.RECORD.write_text(f"vendor: {vendor.digest(manifest)}\n")
    return vendor.FOLDER


def test_a_release_is_as_it_was(release, capsys):
    vendor.vendor()
    assert capsys.readouterr().out == "vendor/mlgitops: as released\n"


def edit(release):
    (release / "LICENSE").write_text("mine\n")
    return "LICENSE was edited"


def append(release):
    with (release / "src/mlgitops/core/paths.py").open("a") as file:
        file.write("MORE = 3\n")
    return "src/mlgitops/core/paths.py was edited"


def add(release):
    (release / "src/mlgitops/core/mine.py").write_text("")
    return "src/mlgitops/core/mine.py was added"


def remove(release):
    (release / "src/mlgitops/core/paths.py").unlink()
    return "src/mlgitops/core/paths.py is missing"


@pytest.mark.parametrize("change", [edit, append, add, remove])
def test_a_file_that_is_not_as_it_was_is_named(change, release):
    told = change(release)
    assert vendor.edits(release) == [told]
    with pytest.raises(UserError, match=f"but was changed: {told}\n"):
        vendor.vendor()


def test_every_change_is_named(release):
    told = {edit(release), add(release), remove(release)}
    assert set(vendor.edits(release)) == told


def test_a_manifest_that_was_edited_too_is_told(release):
    edit(release)
    manifest = release / vendor.MANIFEST
    text = manifest.read_text().splitlines(keepends=True)
    mine = f"{vendor.digest(release / 'LICENSE')}  LICENSE\n"
    manifest.write_text("".join([mine, *text[1:]]))
    assert vendor.edits(release) == []
    with pytest.raises(UserError, match=r"MANIFEST is not that of .mlgitops.yaml"):
        vendor.vendor()


@pytest.mark.parametrize("text", [None, "", "vendor", "template: x\n"])
def test_without_a_record_nothing_is_known_either(text, release):
    vendor.RECORD.unlink()
    if text is not None:
        vendor.RECORD.write_text(text)
    with pytest.raises(UserError, match=r".mlgitops.yaml does not say which release it is"):
        vendor.vendor()


def test_line_ends_of_a_checkout_on_windows_are_no_edit(release):
    for name in FILES:
        file = release / name
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert (release / "LICENSE").read_bytes() == b"as you like\r\n"
    assert vendor.edits(release) == []


@pytest.mark.parametrize("name", ["src/mlgitops/core/__pycache__/paths.pyc", ".ruff_cache/x"])
def test_what_tools_leave_is_no_edit(name, release):
    (release / name).parent.mkdir()
    (release / name).write_bytes(b"\0")
    assert vendor.edits(release) == []


def test_without_its_manifest_nothing_is_known(release):
    (release / vendor.MANIFEST).unlink()
    with pytest.raises(
        UserError, match=r"vendor/mlgitops/MANIFEST is not there: git restore vendor"
    ):
        vendor.vendor()


def test_the_library_here_is_what_its_manifest_says():
    library = Path(vendor.__file__).parents[3]
    assert len(vendor.entries((library / vendor.MANIFEST).read_text("utf-8"))) >= 100
    assert vendor.edits(library) == []
