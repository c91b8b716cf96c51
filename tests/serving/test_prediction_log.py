"""What the server writes of its answers, and that nothing of it ever costs an answer."""

import asyncio
import gzip
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import orjson
import pytest
from mlgitops.serving import log_writer, prediction_log, protocols, server, ship, spool
from mlgitops.serving.destinations import Folder
from mlgitops.serving.errors import UserError
from mlgitops.serving.log_queue import QUEUE
from mlgitops.serving.settings import Settings
from prometheus_client import CollectorRegistry

pytestmark = pytest.mark.slow
WINDOW = 0.1  # seconds whose rows a kill may cost
NAMESPACES = shutil.which("unshare") and not subprocess.call(
    ["unshare", "--map-root-user", "--user", "--mount", "true"], stderr=-3
)


@pytest.fixture
def logging(serving, tmp_path):
    """Starts a server whose log is in tmp_path/spool."""

    def start(folder, **settings):
        return serving(folder, **{"log_share": 1, "spool": tmp_path / "spool"} | settings)

    return start


def ship_all(place):
    """What arrives in a store of what a server left, row by row; none of them twice."""
    spool.recover(place / "spool")
    ship.ship(place / "spool", Folder(place / "store"))
    files = sorted((place / "store").glob("predictions/date=*/release=*/*.jsonl.gz"))
    texts = [gzip.decompress(one.read_bytes()) for one in files]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    ids = [line["id"] for line in lines]
    assert len(set(ids)) == len(ids)
    return lines


def until(check, seconds=20):
    """Wait for something to be true."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_row_is_logged_as_it_came_and_was_answered(task, folders, records, logging, tmp_path):
    body = {"dataframe_records": records}
    with logging(folders[task]) as running:
        status, headers, answer = running.ask(
            "/invocations", body, headers={"X-Request-ID": "order 66"}.items()
        )
        both = body | {"params": {"output": "value" if task == "regression" else "both"}}
        rich = running.predictions(both)
        model = running.ask("/version")[2]
        assert running.stop() == 0
    assert (status, headers["x-request-id"]) == (200, "order 66")
    lines = ship_all(tmp_path)
    first, second = lines[: len(records)], lines[len(records) :]
    assert [line["id"] for line in first] == [f"order 66/{k}" for k in range(len(records))]
    for line, record, output, whole in zip(
        first, records, answer["predictions"], rich, strict=True
    ):
        assert line["inputs"] == pytest.approx(record, nan_ok=True)
        assert line["output"] == output
        assert ("scores" in line) is (task != "regression")
        if task != "regression":
            assert line["scores"] == pytest.approx(whole["probabilities"])
        assert (line["release"], model["commit"]) == ("unreleased", "")
        assert line["model"].endswith(".dir")
        assert line["time"].endswith("Z")
    assert [line["inputs"] for line in second] == [line["inputs"] for line in first]
    assert "order 66" not in {line["id"].rpartition("/")[0] for line in second}


def test_the_release_is_where_it_is_filed(folders, one, logging, tmp_path, monkeypatch):
    monkeypatch.setenv("COMMIT", "abc/../1")
    with logging(folders["binary"]) as running:
        running.predictions({"dataframe_records": [one]})
        running.stop()
    (line,) = ship_all(tmp_path)
    assert line["release"] == "abc/../1"
    (file,) = (tmp_path / "store").glob("predictions/*/*/*")
    assert file.parent.name == "release=abc%2F..%2F1"
    assert file.parent.parent.name == f"date={line['time'][:10]}"


def test_an_id_that_is_none_for_a_line_is_replaced(folders, one, logging, tmp_path):
    rows = {"inputs": [
        {"name": name, "shape": [1], "data": [value], "datatype": kind}
        for (name, value), kind in zip(
            one.items(), ("FP64", "FP64", "FP64", "BOOL", "BYTES", "BYTES"), strict=True
        )
    ]}  # fmt: skip
    given = ["mine", "a\nb", "x" * 129, "ü", ""]
    with logging(folders["binary"]) as running:
        told = []
        for id_ in given:
            _, headers, answer = running.ask("/v2/models/model/infer", rows | {"id": id_})
            assert answer["id"] == id_
            told.append(headers["x-request-id"])
        running.stop()
    assert told[0] == "mine"
    assert not set(told[1:]) & set(given)
    assert [line["id"] for line in ship_all(tmp_path)] == [f"{id_}/0" for id_ in told]


def test_nothing_is_logged_unless_it_is_asked_for(binary, one, tmp_path):
    _, headers, _ = binary.ask("/invocations", {"dataframe_records": [one]})
    assert "x-request-id" not in headers
    assert b"serve_log" not in binary.ask("/metrics")[2]
    assert not Path("artifacts/spool").exists()


def test_a_share_of_the_rows_is_logged(folders, records, logging, tmp_path):
    many = (records * 20)[:100]
    with logging(folders["binary"], log_share=0.3) as running:
        for k in range(20):
            body = {"dataframe_records": many if k % 2 else many[:1]}
            running.ask("/invocations", body, headers={"X-Request-ID": f"r{k}"}.items())
        running.stop()
    lines = ship_all(tmp_path)
    assert 200 < len(lines) < 400
    for line in lines:
        row = int(line["id"].rpartition("/")[2])
        assert line["inputs"] == pytest.approx(many[row], nan_ok=True)


def test_private_columns_are_never_on_the_disk(folders, one, logging, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(folders["binary"], folder)
    file = folder / "signature.json"
    text = json.loads(file.read_text("utf-8"))
    for column in text["inputs"]:
        if column["name"] in ("code", "count", "größe"):
            column["private"] = "hash" if column["name"] in ("code", "größe") else True
    file.write_text(json.dumps(text), "utf-8")
    rows = [one | {"code": "0xC0FFEE", "count": 7, "größe": 4_711}, one | {"code": "0xC0FFEE"}]
    found = {}
    for key in ("", "one", "two"):
        place = tmp_path / f"key-{key}"
        with logging(folder, spool=place / "spool", hash_key=key) as running:
            running.predictions({"dataframe_records": rows})
            until(lambda: running.metric("serve_log_rows_total") == 2)
            written = b"".join(one.read_bytes() for one in (place / "spool").iterdir())
            running.stop()
        assert b"0xC0FFEE" not in written
        assert b'"count"' not in written
        assert np.float32(4711).tobytes() not in written
        assert (b"code" in written) is bool(key)
        found[key] = ship_all(place)
    assert set(found[""][0]["inputs"]) == {"length in mm", "wild", "colour"}
    first, second = (line["inputs"] for line in found["one"])
    assert set(first) == {*found[""][0]["inputs"], "code", "größe"}
    assert len(first["code"]) == 16
    assert first["code"] == second["code"]
    assert first["größe"] != second["größe"]
    assert found["two"][0]["inputs"]["code"] != first["code"]


class Asking(threading.Thread):
    """Asks one row after another until the server is gone; remembers when it had which answer."""

    def __init__(self, running, body, name):
        super().__init__()
        self.running, self.body, self.own, self.answers = running, body, name, {}

    def run(self):
        try:
            while True:
                id_ = f"{self.own}-{len(self.answers)}"
                headers = {"X-Request-ID": id_}.items()
                assert self.running.ask("/invocations", self.body, headers=headers)[0] == 200
                self.answers[f"{id_}/0"] = time.monotonic()
        except (OSError, http.client.HTTPException):
            pass


def kill(running, body, seconds):
    """Ask it from two threads, kill it after some seconds: ages of the answers by their ids."""
    threads = [Asking(running, body, name) for name in "ab"]
    for one in threads:
        one.start()
    time.sleep(seconds)
    killed = time.monotonic()
    running.process.send_signal(signal.SIGKILL)
    for one in threads:
        one.join()
    running.process.wait()
    return {id_: killed - at for one in threads for id_, at in one.answers.items()}


def check_kill(folder, body, logging, place, sync, number):
    """Kill a server; the next one counts what is missing of what was acknowledged."""
    with logging(folder, spool=place / "spool", log_sync=sync) as running:
        answers = kill(running, body, 0.4 + number * 0.017)
    with logging(folder, spool=place / "spool", log_sync=sync) as running:
        counted = running.metric("serve_log_lost_rows_total")
        assert running.metric("serve_log_unknown_losses_total") == 0
        running.stop()
    found = {line["id"] for line in ship_all(place)}
    missing = {id_: age for id_, age in answers.items() if id_ not in found}
    assert len(answers) > 20
    assert not (sync and missing)
    assert max(missing.values(), default=0) <= WINDOW
    # A row may have been taken whose answer was not sent any more: one of each client.
    assert len(missing) <= counted <= len(missing) + 2
    return missing


@pytest.mark.parametrize("sync", [False, True])
def test_a_killed_server_loses_a_tenth_of_a_second_and_with_sync_nothing(
    sync, folders, one, logging, tmp_path
):
    body = {"dataframe_records": [one]}
    check_kill(folders["binary"], body, logging, tmp_path, sync, 0)


@pytest.mark.nightly
@pytest.mark.parametrize("sync", [False, True])
def test_twenty_killed_servers(sync, folders, one, logging, tmp_path):
    body, missing = {"dataframe_records": [one]}, {}
    for number in range(20):
        place = tmp_path / str(number)
        missing |= check_kill(folders["binary"], body, logging, place, sync, number)
    assert bool(missing) is not sync  # else the kill came when nothing was in the queue


FULL = """
mkdir -p {place} && mount -t tmpfs -o size=160k tmpfs {place} && exec {python} -m mlgitops.serving
"""


@pytest.mark.skipif(not NAMESPACES, reason="no name spaces of users and mounts here")
def test_a_full_disk_costs_rows_that_are_counted_and_no_answer(
    folders, records, serving, tmp_path, free_port
):
    """A tmpfs that the server alone sees; a file of nobody's fills it further."""
    place = tmp_path / "full"
    script = FULL.format(place=place, python=sys.executable)
    program = ("-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:-1] + [sys.argv[-1]])",
               "unshare", "--map-root-user", "--user", "--mount", "sh", "-c",
               f'{script.strip()} "$0"')  # fmt: skip
    body, sent = {"dataframe_records": records * 8}, 0
    settings = {"log_share": 1, "spool": place / "spool", "log_spool_mb": 1, "log_seconds": 0.2}
    with serving(folders["binary"], program=program, **settings) as running:
        seen = Path(f"/proc/{running.process.pid}/root{place}")
        for k in range(120):
            if k == 60:
                free = os.statvfs(seen).f_bavail * os.statvfs(seen).f_frsize
                (seen / "theirs").write_bytes(b"x" * max(0, free - 4096))
            sent += len(running.predictions(body))
            time.sleep(0.01)
        until(lambda: count(running) == sent)
        assert running.metric('serve_log_dropped_rows_total{reason="spool"}') > 0
        assert running.metric("serve_log_rows_total") > 0
        (seen / "theirs").unlink()
        written = running.metric("serve_log_rows_total")
        running.predictions(body)
        until(lambda: running.metric("serve_log_rows_total") > written)


def count(running):
    """Rows of which it says what became of them."""
    dropped = 'serve_log_dropped_rows_total{reason="'
    return sum(running.metric(line) for line in (
        "serve_log_rows_total", f'{dropped}disk"', f'{dropped}queue"'))  # fmt: skip


def test_a_spool_that_cannot_be_made_costs_no_answer(folders, one, logging, tmp_path):
    (tmp_path / "spool").write_text("a file")
    with logging(folders["binary"]) as running:
        for _ in range(3):
            running.predictions({"dataframe_records": [one]})
        until(lambda: running.metric('serve_log_dropped_rows_total{reason="disk"}') == 3)
        (tmp_path / "spool").unlink()
        time.sleep(log_writer.LOOK)
        running.predictions({"dataframe_records": [one]})
        until(lambda: running.metric("serve_log_rows_total") == 1)
        running.stop()
    assert len(ship_all(tmp_path)) == 1


@pytest.fixture
def application(folders, tmp_path):
    """An application with a log in this process, and one question that it can answer."""

    def make(**settings):
        own = Settings(log_share=1, spool=str(tmp_path / "spool"), **settings)
        made = server.make_app(folders["binary"], own)
        signature = json.loads((folders["binary"] / "signature.json").read_text("utf-8"))
        text = orjson.dumps({"dataframe_records": signature["examples"][:1]})
        request = protocols.Request(text, {b"content-type": b"application/json"}, b"")
        question = made.protocols["/invocations"].decode(request)
        answer = made.computing.runtime(question.table, likely=True)
        return made.log, (request, question, answer, protocols.Reply(b"{}"))

    return make


@pytest.mark.parametrize("sync", [False, True])
def test_a_disk_that_hangs_holds_nobody_up(sync, application, monkeypatch):
    """Rows wait in a queue that has an end; those beyond are counted."""
    monkeypatch.setattr("mlgitops.serving.log_queue.QUEUE", 700)
    monkeypatch.setattr(prediction_log, "PATIENCE", 0.05)
    log, given = application(log_sync=sync)
    hanging = threading.Event()

    async def ask():
        log.writer.begin()
        monkeypatch.setattr(log.writer.spool, "write", lambda *_: hanging.wait(20) and 0)
        started = time.monotonic()
        waits = [log.take(*given).done for _ in range(500)]
        await asyncio.gather(*(log.wait(done) for done in waits if done is not None))
        return time.monotonic() - started

    assert asyncio.run(ask()) < 2
    dropped = log.series.dropped.labels("queue")._value.get()
    assert dropped == 500 - 700 // log.queue.width
    assert log.series.late._value.get() == (700 // log.queue.width if sync else 0)
    hanging.set()
    log.writer.stop()
    assert dropped + log.series.rows._value.get() == 500
    assert QUEUE > 700


def test_what_fails_in_the_log_is_counted_and_does_not_end_it(application, monkeypatch, caplog):
    log, given = application()
    block = log.writer.layout.block
    failures = iter([ZeroDivisionError("odd")])

    def fail_once(records):
        for failure in failures:
            raise failure
        return block(records)

    monkeypatch.setattr(log.writer.layout, "block", fail_once)

    async def ask():
        log.writer.begin()
        log.take(*given)
        await asyncio.sleep(4 * log_writer.EVERY)
        log.take(*given)

    asyncio.run(ask())
    log.writer.stop()
    assert log.series.dropped.labels("failed")._value.get() == 1
    assert log.series.rows._value.get() == 1
    assert "the prediction log failed" in caplog.text


def test_a_large_request_is_written_in_parts(application, tmp_path, monkeypatch):
    monkeypatch.setattr(log_writer, "BLOCK", 70)
    log, (request, question, answer, reply) = application()
    rows = 95
    table = {name: np.repeat(one, rows, axis=0) for name, one in question.table.items()}
    table["count"] = np.arange(rows, dtype=np.float32)[:, None]
    wide = question._replace(table=table, rows=rows)
    answers = type(answer)(np.repeat(answer.values, rows), np.repeat(answer.probabilities, rows, 0))

    async def ask():
        log.writer.begin()
        log.take(request, question, answer, reply)
        log.take(request, wide, answers, reply)
        log.take(request, question, answer, reply)

    asyncio.run(ask())
    log.writer.stop()
    lines = ship_all(tmp_path)
    assert len(lines) == rows + 2
    assert [line["inputs"]["count"] for line in lines[1:-1]] == list(range(rows))
    assert [line["id"].rpartition("/")[2] for line in lines[1:-1]] == [str(k) for k in range(rows)]


def test_the_log_needs_a_system_with_locks(folders, monkeypatch):
    from mlgitops.serving import contract

    monkeypatch.setattr(prediction_log.os, "name", "nt")
    signature = contract.read(folders["binary"])
    with pytest.raises(UserError, match=r"needs Linux or macOS: log\.share"):
        prediction_log.PredictionLog(Settings(), signature, CollectorRegistry())
