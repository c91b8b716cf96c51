"""A log is read as a sample of its rows; a table too."""

import gzip
import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from mlgitops.core.errors import UserError
from mlgitops.monitoring import log
from mlgitops.monitoring.log import Window
from mlgitops.monitoring.sample import Sample

OLD, NEW = "a" * 40, "b" * 40
ALL = Window()


def line(number, release=NEW, day=10, **inputs):
    return {
        "time": f"2026-03-{day:02}T10:00:00.000Z", "id": f"r{number}/0", "model": "m.dir",
        "release": release, "inputs": {"length": float(number), **inputs}, "output": "a",
        "scores": {"a": 0.75, "b": 0.25},
    }  # fmt: skip


def write(folder, lines, name="part-0.jsonl.gz"):
    """The lines in the folder of the date and release of each."""
    for one in lines:
        there = folder / f"predictions/date={one['time'][:10]}/release={one['release']}"
        there.mkdir(parents=True, exist_ok=True)
        with gzip.open(there / name, "at", encoding="utf-8") as file:
            file.write(json.dumps(one) + "\n")


def read(*places, window=ALL, columns=None, most=1000):
    return log.read(log.find(map(str, places), window), window, columns or {}, Sample(most))


def test_a_folder_is_read_with_what_is_known_of_each_row(tmp_path):
    write(tmp_path, [line(1), line(2, day=11, colour=None)])
    rows = read(tmp_path)
    assert rows.is_log
    assert rows.inputs["length"].tolist() == [1, 2]
    assert rows.about["id"].tolist() == ["r1/0", "r2/0"]
    assert rows.about["scores"].tolist() == [{"a": 0.75, "b": 0.25}] * 2
    assert rows.about["time"].max() == pd.Timestamp("2026-03-11T10:00Z")


def test_rows_of_another_release_or_before_the_window_are_left_out(tmp_path):
    lines = [line(1, OLD), line(2), line(3, day=2), line(4, day=20)]
    write(tmp_path, lines)
    window = Window(NEW, datetime(2026, 3, 10, tzinfo=UTC))
    assert read(tmp_path, window=window).inputs["length"].tolist() == [2, 4]
    flat = tmp_path / "flat.jsonl"
    flat.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    rows = read(flat, window=window)
    assert rows.inputs["length"].tolist() == [2, 4]
    assert rows.others == 1


def test_a_sample_is_of_all_rows_and_bounded(tmp_path):
    path = tmp_path / "long.parquet"
    pd.DataFrame({"length": np.arange(200_000)}).to_parquet(path, row_group_size=10_000)
    rows = read(path, most=500)
    found = rows.inputs["length"]
    assert (len(found), rows.seen, found.is_unique) == (500, 200_000, True)
    assert found.is_monotonic_increasing
    assert found.mean() == pytest.approx(100_000, rel=0.1)


def test_every_row_is_as_likely_as_any_other():
    times = np.zeros(100)
    for seed in range(200):
        sample = Sample(10, seed)
        for start in range(0, 100, 25):
            part = pd.DataFrame({"row": np.arange(start, min(start + 25, 100))})
            sample.add(len(part), part.take)
        times[sample.rows()["row"]] += 1
    assert times.sum() == 2000
    assert np.abs(times - 20).max() < 6 * np.sqrt(18)


def test_a_table_of_text_is_read_too(tmp_path, rules):
    path = tmp_path / "table.csv.gz"
    pd.DataFrame({"length": [1.5, None], "colour": ["red", "NA"]}).to_csv(path, index=False)
    rows = read(path, columns=rules.columns)
    assert not rows.is_log
    assert rows.inputs["colour"].tolist() == ["red", "NA"]


@pytest.mark.parametrize(("text", "said"), [
    ("no json\n", "no prediction: no json"), ('{"inputs": 1}\n', "no prediction"),
])  # fmt: skip
def test_a_line_that_is_no_prediction_is_refused(text, said, tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        read(path)


def test_a_file_that_is_cut_is_refused(tmp_path):
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(line(1)).encode())[:-9])
    with pytest.raises(UserError, match="cannot be read"):
        read(path)


def test_nothing_there_and_a_mixture_are_refused(tmp_path):
    with pytest.raises(UserError, match="no log or table there"):
        read(tmp_path / "none")
    with pytest.raises(UserError, match="no log or table there"):
        read(tmp_path)
    write(tmp_path, [line(1)])
    pd.DataFrame({"length": [1.0]}).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(UserError, match="a log and a table"):
        read(tmp_path)


def test_an_empty_log_has_no_rows(tmp_path):
    path = tmp_path / "empty.jsonl"
    path.write_text("", encoding="utf-8")
    rows = read(path, window=Window(NEW, datetime(2026, 3, 10, tzinfo=UTC)))
    assert (len(rows.inputs), rows.seen, rows.is_log) == (0, 0, True)
