"""Commands where the disk is full or cannot be written: a sentence, and nothing half-written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlgitops.core.errors import PLACE, RIGHTS, SPACE, explain

pytestmark = pytest.mark.slow

PROGRAM = str(Path(sys.executable).with_name("mlgitops"))
TABLE = "x,z,g,y\n" + "".join(
    f"{n % 2}.5,{n % 3},{'pq'[n % 2]},{'ab'[n % 3 > 0]}\n" for n in range(90)
)


def run(*words, folder=None, after="", **variables):
    """A command of mlgitops, after a line of shell; its exit code and what it says on stderr."""
    command = ["sh", "-c", f'{after} exec "$@"', "sh", PROGRAM, *words]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", check=False,
        env=os.environ | variables,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A function that puts a copy of a folder on a disk of so many free bytes."""
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()

    def copy(folder, free):
        size = sum(4096 + path.stat().st_size for path in Path(folder).rglob("*"))
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={2 * size + 2**20}", "tmpfs", place],
            check=False,
        )
        if done.returncode:
            pytest.skip("nothing can be mounted here")
        project = place / "project"
        shutil.copytree(folder, project, symlinks=True)
        there = os.statvfs(place)
        with (place / "filler").open("wb") as file:
            file.write(b"x" * (there.f_bavail * there.f_frsize - free))
        return project

    yield copy
    subprocess.run(["umount", "--lazy", place], check=False)


def remount(place, how):
    """Make a disk one that can only be read, or written again."""
    subprocess.run(["mount", "-o", f"remount,{how}", place], check=True)


def free(project):
    """Make room on the small disk."""
    (project.parent / "filler").unlink()


def contents(project):
    """The files that are a person's, with their sizes."""
    files = (path for path in project.rglob("*") if path.is_file() and ".dvc" not in path.parts)
    return {path.relative_to(project).as_posix(): path.stat().st_size for path in files}


@pytest.mark.parametrize("room", [0, pytest.param(8192, marks=pytest.mark.nightly)])
def test_data_and_score_on_a_full_disk_end_with_a_sentence(workspace, small_disk, tmp_path, room):
    (tmp_path / "project/table.csv").write_text(TABLE, encoding="utf-8")
    project = small_disk(tmp_path / "project", room)
    for words in (
        ("data", "SOURCE=table.csv", "TARGET=y", "RESET=1"), ("score", "table.csv", "out.csv"),
    ):  # fmt: skip
        before = contents(project)
        code, told = run(*words, folder=project, TMPDIR=str(tmp_path))
        if room and code == 0:
            continue  # it did fit
        assert code == 1
        assert SPACE in told or "No space left" in told, told  # in DVC's words
        assert contents(project) == before
    free(project)
    assert run("score", "table.csv", "out.csv", folder=project)[0] == 0
    assert len((project / "out.csv").read_text("utf-8").splitlines()) == 91


@pytest.mark.nightly
def test_track_on_a_full_disk_ends_with_a_sentence(workspace, small_disk, tmp_path):
    project = small_disk(tmp_path / "project", 100_000)
    code, told = run("track", folder=project)
    assert (code, "ree some space" in told) == (1, True), told
    free(project)
    assert run("track", folder=project)[0] == 0


@pytest.mark.parametrize(
    "words", [("gate",), ("report", "--base", "HEAD", "--output", "stdout"),
              ("ci", "reproduce", "--base", "HEAD")],
)  # fmt: skip
def test_a_checkout_that_can_only_be_read_is_a_sentence(workspace, small_disk, tmp_path, words):
    project = small_disk(tmp_path / "project", 2**20)
    remount(project.parent, "ro")
    code, told = run(*words, folder=project)
    remount(project.parent, "rw")
    assert (code, told.count("\n")) == (1, 1), told
    assert PLACE in told


def test_output_to_a_full_disk_is_a_sentence(workspace):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    assert run("show", after="exec >/dev/full;") == (1, f"mlgitops show: {SPACE}\n")


def test_a_file_that_is_larger_than_the_system_allows_is_a_sentence(workspace, tmp_path):
    Path("table.csv").write_text(TABLE + TABLE[8:] * 200, encoding="utf-8")
    code, told = run("score", "table.csv", "out.csv", after="ulimit -f 8;")
    assert (code, "ulimit" in told) == (1, True), told
    assert not Path("out.csv").exists()


def test_output_that_nobody_reads_to_its_end_is_no_error(workspace):
    command = [PROGRAM, "report", "--base", "HEAD", "--output", "stdout"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_file_of_another_person_is_a_sentence():
    assert explain(PermissionError(13, "Permission denied", "x")) == f"x: {RIGHTS}"


def test_a_mistake_of_ours_keeps_its_traceback():
    assert explain(FileNotFoundError(2, "No such file", "x")) is None
    assert explain(KeyError("x")) is None


def test_what_a_library_wraps_is_found():
    inner = OSError(28, "No space left on device", "x")
    outer = RuntimeError("writing failed")
    outer.__cause__ = inner
    assert explain(outer) == f"x: {SPACE}"
    assert explain(RuntimeError("database or disk is full")) == SPACE
