"""Segments of the prediction log: never larger than allowed, and whole whatever was killed."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import made_segments
import pytest
from made_segments import FACTS, HEAD, block, open_spool
from mlgitops.serving import blocks, spool


def rows_of(folder):
    return [one.rows for one in spool.segments(folder)]


def test_a_full_spool_drops_its_oldest_segments_and_counts_their_rows(tmp_path):
    one, _ = open_spool(tmp_path, most=8_000)
    text, dropped = block("a", 20), 0
    for _ in range(100):
        dropped += one.write(text, 20, "2026-01-02", HEAD)
        assert one.look()[0] <= 8_000
    one.end()
    assert dropped > 0
    assert dropped + sum(rows_of(tmp_path)) == 2_000
    assert len(rows_of(tmp_path)) >= 4
    numbers = [int(segment.name.rpartition("-")[2]) for segment in spool.segments(tmp_path)]
    assert numbers == sorted(numbers)
    assert numbers[0] > 1


def test_a_segment_is_of_one_day_and_closed_when_it_is_old(tmp_path, monkeypatch):
    one, _ = open_spool(tmp_path)
    now = [0.0]
    monkeypatch.setattr(spool.time, "monotonic", lambda: now[0])
    one.write(block("a"), 1, "2026-01-02", HEAD)
    one.write(block("b"), 1, "2026-01-02", HEAD)
    assert rows_of(tmp_path) == []
    one.write(block("c"), 1, "2026-01-03", HEAD)
    assert rows_of(tmp_path) == [2]
    now[0] = 60.0
    one.roll()
    assert rows_of(tmp_path) == [2, 1]
    one.end()
    assert not list(tmp_path.glob("*.run"))


WRITER = """
import os, signal, sys
sys.path.insert(0, "{here}")
from made_segments import HEAD, block, open_spool
one, (run, lost) = open_spool(__import__("pathlib").Path("{folder}"))
run.count_taken(5)
one.write(block("a"), 1, "2026-01-02", HEAD)
one.write(block("b"), 1, "2026-01-02", HEAD)
run.count_settled(2)
os.write(one.current.file, block("c", 3)[:{torn}])
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill(folder, torn):
    """A spool as a server leaves it that is killed while it writes."""
    here = Path(made_segments.__file__).parent
    script = WRITER.format(here=here, folder=folder, torn=torn)
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -9


@pytest.mark.parametrize("torn", [0, 1, 7, 8, 20, -1])
def test_a_torn_block_costs_only_its_own_rows_which_are_counted(tmp_path, torn):
    kill(tmp_path, torn)
    assert rows_of(tmp_path) == []
    _, (_, lost) = open_spool(tmp_path)
    assert lost == spool.Lost(rows=3, unknown=0)
    assert rows_of(tmp_path) == [2]
    (segment,) = spool.segments(tmp_path)
    with segment.path.open("rb") as file:
        head, *found = blocks.payloads(file.read)
        assert file.read() == b""
    assert blocks.facts_of(head) == FACTS
    ids = [line for payload in found for line in blocks.lines(FACTS, payload)]
    assert [b'"id":"a/0"' in ids[0], b'"id":"b/0"' in ids[1]] == [True, True]
    assert spool.recover(tmp_path) == spool.Lost()


def test_a_server_that_cannot_tell_what_it_took_is_counted(tmp_path):
    kill(tmp_path, 0)
    (mark,) = tmp_path.glob("*.run")
    Path(mark.read_text("utf-8")).unlink()
    assert spool.recover(tmp_path) == spool.Lost(rows=0, unknown=1)
    assert rows_of(tmp_path) == [2]


def test_a_server_that_lives_is_left_alone(tmp_path):
    one, _ = open_spool(tmp_path)
    one.write(block("a"), 1, "2026-01-02", HEAD)
    assert spool.is_alive(tmp_path)
    assert spool.recover(tmp_path) == spool.Lost()
    assert rows_of(tmp_path) == []
    one.end()
    assert not spool.is_alive(tmp_path)
    assert rows_of(tmp_path) == [1]


def test_one_alone_looks_after_what_a_killed_server_left(tmp_path):
    """The second holds a mark that the first has just removed."""
    kill(tmp_path, 0)
    (mark,) = tmp_path.glob("*.run")
    with mark.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with spool.claim(mark) as ended:
            assert not ended
        mark.unlink()
    (tmp_path / "other.run").write_bytes(b"")
    with spool.claim(tmp_path / "other.run") as ended:
        assert ended
    with spool.claim(mark) as ended:
        assert not ended


def test_a_block_that_does_not_fit_leaves_nothing(tmp_path, monkeypatch):
    one, _ = open_spool(tmp_path)
    one.write(block("a"), 1, "2026-01-02", HEAD)
    size, write = one.current.path.stat().st_size, os.write

    def fail_halfway(file, data):
        if len(data) <= 10:
            raise OSError(28, "No space left on device")
        return write(file, data[:10])

    monkeypatch.setattr(spool.os, "write", fail_halfway)
    with pytest.raises(OSError, match="No space left"):
        one.write(block("b", 50), 50, "2026-01-02", HEAD)
    assert one.current.path.stat().st_size == size
    monkeypatch.undo()
    one.write(block("c"), 1, "2026-01-02", HEAD)
    one.end()
    assert rows_of(tmp_path) == [2]


def test_a_segment_of_another_format_is_refused():
    with pytest.raises(ValueError, match="format 9 is not known"):
        blocks.facts_of(b'{"format": 9}')
