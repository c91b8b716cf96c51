import pytest
from mlgitops.core.files import replacing, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_place_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_part(error, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with replacing(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_replaces_a_folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").touch()
    with replacing(tmp_path / "model") as part:
        part.mkdir()
        (part / "new").touch()
    assert names(tmp_path / "model") == ["new"]
    assert names(tmp_path) == ["model"]


def test_a_part_that_a_killed_run_left_is_no_obstacle(tmp_path):
    (tmp_path / ".model.part").mkdir()
    (tmp_path / ".model.part" / "half").touch()
    with replacing(tmp_path / "model") as part:
        part.mkdir()
        (part / "new").touch()
    assert names(tmp_path / "model") == ["new"]


def test_a_file_never_replaces_a_folder(tmp_path):
    kept = tmp_path / "thesis" / "chapter"
    kept.parent.mkdir()
    kept.write_text("years of work")

    def write():
        with replacing(tmp_path / "thesis") as part:
            part.write_text("a table")

    with pytest.raises(OSError, match="thesis"):
        write()
    assert kept.read_text() == "years of work"
    assert names(tmp_path) == ["thesis"]


def test_json_is_strict_and_readable(tmp_path):
    write_json({"größe": [1, None]}, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text("utf-8") == (
        '{\n  "größe": [\n    1,\n    null\n  ]\n}\n'
    )
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": float("nan")}, tmp_path / "b.json")
    assert names(tmp_path) == ["a.json"]
