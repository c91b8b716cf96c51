"""A living project goes to each cloud and back: every object of every commit, or no switch."""

import contextlib
import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mlgitops.core.errors import UserError
from mlgitops.stores import move, objects
from mlgitops.stores.expected import SHARED, expect
from mlgitops.stores.move import options
from mlgitops.stores.objects import Store, here
from mlgitops.stores.store import store
from mlgitops.stores.transfer import copy

CONFIG, PROJECT = Path(".dvc/config"), Path("pyproject.toml")


def there():
    """The objects of the store that the project names now, each read again."""
    with here() as place:
        names = place.store.entries()
        assert all(place.store.is_sound(one) for one in names)
        return set(names)


def go(url, account=""):
    store(url=url, account=account, verify=False, fix=False)


def test_everything_goes_to_a_cloud_and_back(small, history, cloud, capsys):
    before = {path: path.read_bytes() for path in Path("store").rglob("*") if path.is_file()}
    small.forget()  # a fresh clone moves as well
    go(cloud)
    assert (
        f"12 objects are at {cloud}, each read back there; store keeps" in capsys.readouterr().out
    )
    text = CONFIG.read_text()
    assert f"url = {cloud}" in text
    assert "verify = " in text
    assert "../store" not in text
    assert ("account_name = devstoreaccount1" in text) is cloud.startswith("azure")
    kind = move.KINDS[cloud.partition(":")[0]]
    assert PROJECT.read_text().endswith(f'train = ["mlgitops[train,store-{kind}]"]\n')
    assert there() == history
    assert {path: path.read_bytes() for path in before} == before
    for path in before:
        if path.name != ".keep":
            path.unlink()
    go("git")
    assert "url = ../store" in CONFIG.read_text()
    assert "account_name" not in CONFIG.read_text()
    assert PROJECT.read_text().endswith('train = ["mlgitops[train,store-git]"]\n')
    assert {path: path.read_bytes() for path in before} == before


class Killed(BaseException):
    pass


@pytest.mark.parametrize("deaths", [3, pytest.param(20, marks=pytest.mark.nightly)])
def test_it_may_die_at_every_object_and_goes_on(small, apart, s3, deaths, monkeypatch):
    """Some deaths: nothing is switched, nothing lost, and the next run needs fewer."""
    monkeypatch.setattr(objects, "AT_ONCE", 1)
    put, config, sent = Store.put, CONFIG.read_bytes(), []
    left = [0]

    def dies(self, file, name):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        put(self, file, name)
        sent.append(name)

    monkeypatch.setattr(Store, "put", dies)
    for death in range(deaths):
        left[0] = death % 2 if len(sent) < len(apart) - 1 else 0
        with pytest.raises(Killed):
            go(s3)
        assert CONFIG.read_bytes() == config
        assert there() == apart
    left[0] = 100
    go(s3)
    assert there() == apart
    assert sorted(sent) == sorted(apart)  # none was sent twice
    listings = [n for n, name in enumerate(sent) if name.endswith(".dir")]
    assert listings == [9, 10, 11]  # a listing says that its files are there


@pytest.mark.nightly
def test_a_process_that_is_killed_twenty_times_loses_nothing(small, apart, s3, monkeypatch):
    """By SIGKILL, a little later each time; whatever it was doing, the next one can go on."""
    program = small.folder / "bin/uv"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    command = [sys.executable, "-m", "mlgitops", "store", "--url", s3]
    for n in range(5):
        small.version(f"more {n}", commit=False)
        small.commit(f"more {n}")
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - started
    for kill in range(20):
        small.git("checkout", "--quiet", "HEAD", "--", ".")
        place = f"{s3}-{kill}"
        with subprocess.Popen([*command[:-1], place], stdout=subprocess.DEVNULL) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(whole * (kill + 1) / 20)
            process.kill()
        subprocess.run([*command[:-1], place], check=True, capture_output=True)
        assert f"url = {place}\n" in CONFIG.read_text()
        with here() as project:
            wanted = expect(SHARED, project.read).objects
        assert set(wanted) <= there()
        assert len(wanted) == len(apart) + 5 * 4


def test_a_full_disk_stops_the_move_and_it_goes_on(small, apart, s3, monkeypatch):
    put, config = Store.put, CONFIG.read_bytes()

    def fails(self, file, name):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Store, "put", fails)
    with pytest.raises(UserError, match="disk: the disk is full: make room, and run this again"):
        go(s3)
    assert CONFIG.read_bytes() == config
    monkeypatch.setattr(Store, "put", put)
    go(s3)
    assert there() == apart


def test_what_the_other_side_holds_otherwise_stops_the_switch(small, history, s3, monkeypatch):
    put, config = Store.put, CONFIG.read_bytes()

    def spoils(self, file, name):
        other = small.folder / "other"
        other.write_bytes(b"other")
        put(self, other, name)

    monkeypatch.setattr(Store, "put", spoils)
    with pytest.raises(UserError, match="otherwise than it was sent"):
        go(s3)
    assert CONFIG.read_bytes() == config
    monkeypatch.setattr(Store, "put", put)
    go(s3)  # what was spoilt is sent again
    assert there() == history


def test_what_is_lost_already_is_named_and_the_rest_moves(small, apart, s3, capsys):
    small.forget()
    name = next(one for one in apart if not one.endswith(".dir"))
    small.place_in_store(name).write_bytes(b"other")
    go(s3)
    assert f"lost      {name}: " in capsys.readouterr().out
    assert there() == apart - {name}


def test_two_at_once_end_as_one(small, history, s3):
    with here() as place:
        target = move.open_store(place, options(s3, ""))
        failures = []

        def work():
            try:
                assert copy([place.cache], target, history) == []
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(2)]
        [one.start() for one in threads]
        [one.join() for one in threads]
        assert failures == []
        assert set(target.entries()) == history
        assert all(target.is_sound(one) for one in history)


def test_packages_that_cannot_be_installed_leave_the_project_as_it_was(small, monkeypatch):
    small.version("one")
    before = PROJECT.read_bytes()

    def fails(command):
        raise UserError("`uv sync` failed")

    monkeypatch.setattr(move, "uv", fails)
    with pytest.raises(UserError, match="uv sync"):
        go("s3://bucket/prefix")
    assert PROJECT.read_bytes() == before


def test_a_shallow_clone_moves_nothing(small, monkeypatch):
    small.version("one")
    monkeypatch.setattr("mlgitops.git.repository.shallow", lambda: True)
    with pytest.raises(UserError, match="git fetch --unshallow"):
        go("s3://bucket/prefix")


@pytest.mark.parametrize("url", [
    "store", "http://a/b", "s3://", "azure:///x", "s3://key:secret@bucket", "gs://a/b?sig=1", "ftp://a",
])  # fmt: skip
def test_what_is_no_store_is_refused(url):
    with pytest.raises(UserError, match=r"is no store: azure://container/prefix"):
        options(url, "")


@pytest.mark.parametrize("account", ["", "A", "a_b", "ab", "a" * 25, "a.b"])
def test_azure_needs_an_account_and_no_key(account):
    with pytest.raises(UserError, match="ACCOUNT=name"):
        options("azure://container/prefix", account)
    assert options("azure://container/prefix/", "acme") == {
        "url": "azure://container/prefix", "account_name": "acme", "verify": True
    }  # fmt: skip


def test_a_project_that_names_no_packages_is_told_what_to_add(small):
    PROJECT.write_text("[dependency-groups]\n")
    with pytest.raises(UserError, match="group `train` needs"):
        move.extras()
    assert move.url_of_answer("../store") == ""
