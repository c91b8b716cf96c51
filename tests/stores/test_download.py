"""The prediction log, which lies beside the objects, is copied from each store."""

from pathlib import Path

import pytest
from mlgitops.core.errors import UserError
from mlgitops.monitoring import log
from mlgitops.monitoring.log import Window
from mlgitops.stores.download import download, open_folder
from mlgitops.stores.objects import here
from mlgitops.stores.store import store

NAME = "date=2026-01-31/release=ab/1.jsonl.gz"


def put(url, name, content):
    with here() as place:
        folder = open_folder(place.repo.config, url)
        folder.fs.fs.pipe_file(f"{folder.path}/{name}", content)


def place_of(small, cloud):
    """The project's store is the cloud's; the log lies beside the objects."""
    small.version("one")
    account = "devstoreaccount1" if cloud.startswith("azure") else ""
    store(url=cloud, account=account, verify=False, fix=False)
    return f"{cloud}/predictions"


def test_what_is_wanted_is_copied_and_once(small, cloud):
    url = place_of(small, cloud)
    put(url, NAME, b"rows")
    put(url, "date=2026-01-30/release=ab/1.jsonl.gz", b"older")
    download(url, Path("log"), lambda path: "01-31" in path)
    assert [path.name for path in Path("log").rglob("*.gz")] == ["1.jsonl.gz"]
    before = Path("log", NAME).stat().st_mtime_ns
    put(url, "date=2026-01-31/release=ab/2.jsonl.gz", b"more")
    download(url, Path("log"), lambda path: "01-31" in path)
    assert Path("log", NAME).read_bytes() == b"rows"
    assert Path("log", NAME).stat().st_mtime_ns == before
    assert len(list(Path("log").rglob("*.gz"))) == 2


def test_a_log_in_a_store_is_read_as_one_here(small, s3):
    url = place_of(small, s3)
    put(url, NAME, b"rows")
    put(url, "date=2025-01-31/release=ab/1.jsonl.gz", b"older")
    put(url, "notes.jsonl.gz", b"of somebody")
    since = log.datetime.fromisoformat("2026-01-01")
    found = log.find([url], Window("ab", since))
    assert [path.read_bytes() for path in found] == [b"rows"]
    with pytest.raises(UserError, match="no log or table there"):
        log.find([f"{url}/elsewhere"], Window("ab", since))
