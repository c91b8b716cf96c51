"""What DVC says that it sent and fetched is compared with what Git expects."""

from pathlib import Path

import pytest
from mlgitops.core.errors import UserError
from mlgitops.stores import transfer
from mlgitops.stores.expected import OBJECT
from mlgitops.stores.objects import here
from mlgitops.stores.store import store


def there():
    with here() as place:
        return {one for one in place.store.entries() if place.store.is_sound(one)}


@pytest.fixture
def quiet(monkeypatch):
    """DVC says that all went well, and does nothing."""
    commands = []
    monkeypatch.setattr(transfer, "dvc", lambda *words: commands.append(words) or True)
    return commands


def test_what_dvc_did_not_send_is_sent(small, quiet):
    objects = small.version("one", pushed=False)
    transfer.push("--quiet")
    assert quiet == [("push", "--quiet")]
    assert there() == objects


def test_dvc_itself_sends_everything_and_nothing_is_left(small):
    objects = small.version("one", pushed=False)
    assert there() == set()
    transfer.push("--quiet")
    assert there() == objects


def test_what_nobody_has_is_named(small, quiet):
    objects = small.version("one", pushed=False)
    small.forget()
    with pytest.raises(UserError, match=r"neither the store nor the cache here has data/raw"):
        transfer.push()
    assert len(objects) == 4


def test_of_many_objects_the_store_is_listed(small, apart, monkeypatch):
    monkeypatch.setattr(transfer, "ONE_BY_ONE", 2)
    gone = next(iter(apart))
    small.place_in_store(gone).unlink()
    with here() as place:
        assert transfer.absent(place.store, apart) == [gone]
        monkeypatch.setattr(transfer, "ONE_BY_ONE", 200)
        assert transfer.absent(place.store, apart) == [gone]


def test_dvc_s_own_refusals_are_passed_on(small, monkeypatch):
    small.version("one")
    monkeypatch.setattr(transfer, "dvc", lambda *words: False)
    with pytest.raises(UserError, match="the outputs are not in the store"):
        transfer.push()
    with pytest.raises(UserError, match="cannot be fetched from the store"):
        transfer.pull()


def test_a_corrupted_object_is_not_handed_out(small, s3):
    """DVC exits with 0, and hands it out where its configuration does not say `verify`."""
    name = next(one for one in small.version("one") if not one.endswith(".dir"))
    store(url=s3, account="", verify=False, fix=False)
    Path("other").write_bytes(b"other")
    Path("dvc.lock").unlink()
    text = Path("data/raw.parquet.dvc").read_text()
    Path("data/raw.parquet.dvc").write_text(OBJECT.sub(name, text))
    with here() as place:
        place.store.put(Path("other"), name)
    small.forget()
    transfer.pull("--quiet")
    assert transfer.missing_data() == ["data/raw.parquet"]
    config = Path(".dvc/config").read_text()
    assert "verify = True" in config
    Path(".dvc/config").write_text(config.replace("verify = True", "verify = False"))
    transfer.pull("--quiet")
    assert Path("data/raw.parquet").read_bytes() == b"other"


def test_a_store_without_the_data_is_seen_though_dvc_exits_with_0(small):
    small.version("one", pushed=False)
    small.forget()
    transfer.pull("--quiet")
    assert transfer.missing_data() == ["data/raw.parquet"]


def test_an_object_that_a_bucket_lost_is_sent_though_dvc_s_index_has_it(small, s3):
    objects = small.version("one")
    store(url=s3, account="", verify=False, fix=False)
    transfer.push("--quiet")
    with here() as place:
        place.store.remove(next(one for one in objects if not one.endswith(".dir")))
    transfer.push("--quiet")
    assert there() == objects
