"""`make store`: what it says of a folder and of each cloud, and that it sends again."""

import pytest
import typer
from mlgitops.core.errors import UserError
from mlgitops.stores import store as module
from mlgitops.stores.objects import Entry
from mlgitops.stores.store import amount, store


def ask(capsys, code=0, **options):
    """What the command says."""
    if code:
        with pytest.raises(typer.Exit):
            store(**{"url": "", "account": "", "verify": False, "fix": False} | options)
    else:
        store(**{"url": "", "account": "", "verify": False, "fix": False} | options)
    return capsys.readouterr().out


def test_a_whole_store_is_said_to_be_whole(small, history, capsys):
    told = ask(capsys)
    assert "holds     8 objects" in told
    assert "; 4 more in other commits of Git" in told  # the branch's
    assert "expected  12, by all branches and tags" in told
    assert "ok        all are there, each as its hash says" in told


def test_what_is_missing_unpushed_corrupted_and_needless_is_told_apart(small, apart, capsys):
    lost, unpushed, corrupted = [one for one in sorted(apart) if ".dir" not in one][:3]
    small.place_in_store(lost).unlink()
    (small.folder / ".dvc/cache/files/md5" / lost[:2] / lost[2:]).unlink()
    small.place_in_store(unpushed).unlink()
    small.place_in_store(corrupted).write_bytes(b"other")
    small.keep(b"nobody's")
    told = ask(capsys, code=1)
    for word, name in (("missing", lost), ("unpushed", unpushed), ("corrupted", corrupted)):
        line = next(line for line in told.splitlines() if line.startswith(word))
        assert line.split()[1] == "1:"
        assert f"({name[:8]})" in line
    assert "others    1, 8 bytes: make gc" in told
    again = ask(capsys, code=1, fix=True)
    assert "missing   1" in again
    assert "unpushed" not in again
    assert "corrupted" not in again
    assert small.place_in_store(corrupted).read_bytes() != b"other"


def test_a_lost_or_corrupted_listing_is_told_and_sent_again(small, apart, capsys):
    listings = [one for one in apart if one.endswith(".dir")]
    small.place_in_store(listings[0]).unlink()
    small.place_in_store(listings[1]).write_bytes(b"[]")
    told = ask(capsys, code=1)
    assert "unpushed  1: model" in told
    assert "corrupted 1: model" in told
    assert "ok        all are there" in ask(capsys, fix=True)


def test_what_only_a_commit_of_git_has_is_sent_from_there(small, history, capsys):
    small.forget()
    name = next(one for one in history if small.place_in_store(one).exists())
    small.place_in_store(name).write_bytes(b"other")
    assert "corrupted 1: " in ask(capsys, code=1)
    assert "ok        all are there" in ask(capsys, fix=True)
    assert small.git("status", "--porcelain", "store") == ""


def test_what_the_cache_has_otherwise_is_sent_nowhere(small, apart, capsys):
    name = next(one for one in apart if not one.endswith(".dir"))
    (small.folder / ".dvc/cache/files/md5" / name[:2] / name[2:]).write_bytes(b"other")
    small.place_in_store(name).unlink()
    assert "missing   1" in ask(capsys, code=1, fix=True)
    assert not small.place_in_store(name).exists()


def test_a_large_bucket_is_read_again_only_on_demand(small, history, capsys, s3, monkeypatch):
    monkeypatch.setattr(module, "READ", 10)
    ask(capsys, url=s3)
    assert "not read again: VERIFY=1" in ask(capsys)
    assert "each as its hash says" in ask(capsys, verify=True)


def test_a_project_without_a_store_is_a_mistake(small):
    (small.folder / ".dvc/config").write_text("[core]\n")
    with pytest.raises(UserError, match="the project's store cannot be opened"):
        store()


def test_sizes_are_for_people():
    assert amount([]) == "0 bytes"
    assert amount([Entry(999, 0)]) == "999 bytes"
    assert amount([Entry(10**9, 0), Entry(5 * 10**8, 0)]) == "1.5 GB"
