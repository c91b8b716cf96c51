"""Closed segments arrive in the store once, whoever is killed and however long it is away."""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from made_segments import FACTS, block
from mlgitops.serving import blocks, destinations, ship, spool
from mlgitops.serving.destinations import Folder
from mlgitops.serving.errors import UserError
from mlgitops.serving.settings import Settings

TODAY = datetime.now(UTC).date().isoformat()


def fill(folder, count, rows=3):
    """A spool of so many closed segments; the ids in it."""
    one = spool.Spool(folder, 100_000_000, 60.0, sync=False)
    one.open()
    for k in range(count):
        facts = FACTS._replace(date=TODAY if k % 2 else "2026-01-02")
        one.write(block(f"r{k}", rows), rows, facts.date, blocks.head_block(facts))
    one.end()
    return {f"r{k}/{row}" for k in range(count) for row in range(rows)}


def ids(store):
    """The ids that a store has, in their order."""
    files = sorted(Path(store).glob("predictions/date=*/release=*/*.jsonl.gz"))
    texts = [gzip.decompress(one.read_bytes()) for one in files]
    return [json.loads(line)["id"] for text in texts for line in text.splitlines()]


def start(store, *more, **environment):
    """`ship` in a process of its own."""
    return run("mlgitops.serving.ship", str(store), *more, **environment)


def run(*words, **settings):
    """A module of the server in a process of its own."""
    own = {f"SERVE_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", *words]
    return subprocess.Popen(command, env=os.environ | own, stderr=subprocess.PIPE, text=True)


def until(check, seconds=20):
    """Wait for something to be true."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_once_brings_all_and_says_so(tmp_path, capsys):
    expected = fill(tmp_path / "spool", 4)
    settings, store = Settings(spool=str(tmp_path / "spool"), log_days=0), tmp_path / "store"
    ship.once(settings, str(store))
    assert capsys.readouterr().out == f"ship: 12 rows of 4 segments to {store}/predictions\n"
    assert sorted(ids(store)) == sorted(expected)
    assert not list((tmp_path / "spool").iterdir())
    ship.once(settings, str(store))
    assert "0 rows of 0 segments" in capsys.readouterr().out
    assert {one.parent.name for one in store.glob("predictions/*/*/*")} == {"release=r"}


def kill_in_the_middle(store, spool_folder, seconds):
    """Start it, and kill it some time after it has shipped something."""
    before = len(ids(store))
    process = start(store, spool=spool_folder, log_days=0)
    until(lambda: len(ids(store)) > before or process.poll() is not None)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def check_kills(place, segments, kills, seed):
    """Kill it over and over while it ships; in the end each row is in the store once."""
    chance = random.Random(seed)
    expected, spool_folder, store = fill(place / "spool", segments), place / "spool", place / "s"
    for _ in range(kills):
        kill_in_the_middle(store, spool_folder, chance.random() * 0.02)
    assert 0 < len(ids(store)) < len(expected)
    process = start(store, spool=spool_folder, log_days=0)
    assert process.communicate()[1] == ""
    assert sorted(ids(store)) == sorted(expected)
    assert spool.segments(spool_folder) == []


@pytest.mark.slow
def test_a_killed_shipper_neither_loses_nor_doubles_a_row(tmp_path):
    check_kills(tmp_path, 300, 2, 0)


@pytest.mark.slow
@pytest.mark.nightly
def test_a_shipper_that_is_killed_twenty_times(tmp_path):
    check_kills(tmp_path, 4_000, 20, 1)


def test_a_segment_that_arrived_before_the_kill_is_the_same_again(tmp_path):
    """Killed between the store and the spool: the file has the name and bytes that it had."""
    fill(tmp_path / "spool", 1)
    shutil.copytree(tmp_path / "spool", tmp_path / "again")
    for name in ("spool", "again"):
        ship.ship(tmp_path / name, Folder(tmp_path / f"store-{name}"))
    (first,), (second,) = (
        (tmp_path / f"store-{name}").rglob("*.gz") for name in ("spool", "again")
    )
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_a_store_that_is_away_keeps_everything_in_the_spool(tmp_path):
    fill(tmp_path / "spool", 3)
    (tmp_path / "store").write_text("no folder")
    settings = Settings(spool=str(tmp_path / "spool"))
    with pytest.raises(UserError, match=r"takes nothing, 3 segments stay in .*: try again"):
        ship.once(settings, str(tmp_path / "store"))
    assert len(spool.segments(tmp_path / "spool")) == 3


@pytest.mark.slow
@pytest.mark.parametrize("second", [False, True])
def test_a_watch_tries_again_until_the_store_is_back(second, tmp_path):
    """As `ship --watch`, and as a second container of the server's image, with no arguments."""
    expected, store = fill(tmp_path / "spool", 3), tmp_path / "store"
    store.write_text("no folder")
    if second:
        own = {"ship": True, "store": store, "spool": tmp_path / "spool", "log_days": 0}
        process = run("mlgitops.serving", **own)
    else:
        process = start(store, "--watch", spool=tmp_path / "spool", log_days=0)
    line = process.stderr.readline()
    assert "takes nothing, and is tried again" in line
    (tmp_path / "store").unlink()
    process.send_signal(signal.SIGTERM)  # it ships what is left before it ends
    assert "takes it again" in process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert sorted(ids(tmp_path / "store")) == sorted(expected)


def test_the_attempts_get_rarer(tmp_path, monkeypatch):
    fill(tmp_path / "spool", 1)
    watch = ship.Watch(Settings(spool=str(tmp_path / "spool"), log_days=0), str(tmp_path / "s"))
    (tmp_path / "s").write_text("no folder")
    pauses = []
    for _ in range(6):
        watch.attempt()
        pauses.append(watch.pause)
    assert pauses == [10, 20, 40, 60, 60, 60]
    (tmp_path / "s").unlink()
    watch.attempt()
    assert watch.pause == ship.EVERY
    assert len(ids(tmp_path / "s")) == 3


@pytest.mark.slow
def test_a_watch_that_ends_waits_for_the_server(tmp_path):
    """In a pod both are told to end at once, and the server answers on for some seconds."""
    one = spool.Spool(tmp_path / "spool", 1_000_000, 60.0, sync=False)
    one.open()
    process = start(tmp_path / "store", "--watch", spool=tmp_path / "spool", log_days=0)
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert process.poll() is None
    one.write(block("last"), 1, TODAY, blocks.head_block(FACTS._replace(date=TODAY)))
    one.end()
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == 0
    assert ids(tmp_path / "store") == ["last/0"]


def test_what_is_older_than_the_days_is_removed(tmp_path):
    fill(tmp_path / "spool", 2)
    to = Folder(tmp_path)
    ship.ship(tmp_path / "spool", to)
    for days in (10, 11):
        day = (datetime.now(UTC) - timedelta(days=days)).date().isoformat()
        (tmp_path / f"predictions/date={day}").mkdir()
    ship.expire(to, 0)
    assert len(to.days()) == 4
    ship.expire(to, 10)
    assert sorted(to.days()) == [(datetime.now(UTC) - timedelta(days=10)).date().isoformat(), TODAY]


def test_a_segment_that_cannot_be_read_is_put_aside_and_the_others_go_on(tmp_path, capsys):
    expected = fill(tmp_path / "spool", 2)
    first, second = spool.segments(tmp_path / "spool")
    first.path.write_bytes(b"nothing that is known")
    data = bytearray(second.path.read_bytes())
    data[-1] ^= 1
    second.path.write_bytes(data)
    assert ship.ship(tmp_path / "spool", Folder(tmp_path / "store")) == (2, 0)
    told = capsys.readouterr().err
    assert "cannot be read, 3 rows are put aside" in told
    assert "3 rows are damaged, and left out" in told
    assert len(list((tmp_path / "spool").glob("*.unreadable"))) == 1
    assert len(expected) == 6


@pytest.mark.parametrize(
    ("store", "told"),
    [("ftp://here/there", "is no store"), ("s3://", "is no store"), ("azure://x/y", "is no store")],
)
def test_a_store_that_is_none_is_refused(store, told, monkeypatch):
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=told):
        destinations.destination(store)


def test_what_speaks_to_a_bucket_may_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UserError, match=r"needs the package obstore: mlgitops\[ship\]"):
        destinations.destination("s3://bucket/path")


def check_bucket(place, url):
    """Ship to a bucket twice, as after a kill, and remove what is old."""
    fill(place / "spool", 2)
    shutil.copytree(place / "spool", place / "again")
    to = destinations.destination(url)
    for name in ("spool", "again"):
        assert ship.ship(place / name, to) == (2, 6)
    assert sorted(to.days()) == ["2026-01-02", TODAY]
    assert sorted(bucket_ids(to)) == sorted(f"r{k}/{row}" for k in range(2) for row in range(3))
    ship.expire(to, 30)
    assert to.days() == [TODAY]


def bucket_ids(to):
    """The ids in a bucket."""
    for some in to.obstore.list(to.store):
        for one in some:
            data = to.obstore.get(to.store, one["path"]).bytes()
            yield from (json.loads(line)["id"] for line in gzip.decompress(data).splitlines())


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("moto"), reason="moto is not installed")
def test_it_ships_to_s3(tmp_path, free_port, monkeypatch):
    port = free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stderr=-3
    )
    try:
        make_bucket(f"http://127.0.0.1:{port}/logs")
        check_bucket(tmp_path, "s3://logs/some/where")
    finally:
        process.kill()
        process.wait()
    to = destinations.destination("s3://logs/some/where")
    with pytest.raises(OSError, match=r"\w"):  # it is away by now
        to.put("predictions/x", b"")


def make_bucket(address):
    """Make a bucket, once the server answers."""
    from urllib.request import Request, urlopen

    def answers():
        try:
            urlopen(Request(address, method="PUT"), timeout=5).close()
        except OSError:
            return False
        return True

    until(answers, 60)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("azurite-blob"), reason="azurite is not installed")
def test_it_ships_to_azure(tmp_path, free_port, monkeypatch):
    port = free_port()
    text = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPL"
        "lmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
        f"BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
    )
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    process = subprocess.Popen([
        "azurite-blob", "--silent", "--inMemoryPersistence", "--skipApiVersionCheck",
        "--disableTelemetry", "--blobHost", "127.0.0.1", "--blobPort", str(port),
    ])  # fmt: skip
    try:
        make_container(text)
        check_bucket(tmp_path, "azure://logs/some/where")
    finally:
        process.kill()
        process.wait()


def make_container(text):
    """Make the container `logs`, once the server answers."""
    service = pytest.importorskip("azure.storage.blob").BlobServiceClient

    def answers():
        try:
            service.from_connection_string(text, retry_total=0).create_container("logs")
        except Exception:
            return False
        return True

    until(answers, 60)
