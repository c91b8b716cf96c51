"""`make gc`: nothing goes that a branch, a tag, a stash, a release or somebody's new work needs."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from mlgitops.core.errors import UserError
from mlgitops.stores import gc as module
from mlgitops.stores.gc import gc
from mlgitops.stores.objects import here
from mlgitops.stores.store import store

MONTHS = time.time() - 90 * 86400


def there():
    with here() as place:
        return set(place.store.entries())


def test_it_shows_and_removes_only_what_nothing_needs(small, apart, capsys):
    waste = small.keep(b"nobody's")
    gc(apply=False, days=30)
    told = capsys.readouterr().out
    assert f"to go  {waste}  8 bytes" in told
    assert "1 objects, 8 bytes, may go; 12 stay. make gc APPLY=1 removes them" in told
    assert there() == apart | {waste}
    gc(apply=True, days=30)
    assert "are gone; 12 stay" in capsys.readouterr().out
    assert there() == apart
    gc(apply=True, days=30)
    assert "0 objects" in capsys.readouterr().out


def test_at_a_tag_the_heads_of_branches_stay(small, apart):
    """`dvc gc --workspace --cloud` removes them there."""
    small.git("switch", "--quiet", "--detach", "v1")
    gc(apply=True, days=30)
    assert there() == apart


def test_a_stash_and_files_that_nobody_committed_stay(small, apart):
    stashed = small.version("stashed", commit=False)
    small.git("stash", "--quiet")
    now = small.version("now", commit=False)
    gc(apply=True, days=30)
    assert there() == apart | stashed | now


def test_a_release_stays_whose_commit_no_branch_has(small, apart):
    small.git("switch", "--quiet", "--create", "gone")
    released = small.version("released")
    commit = small.git("rev-parse", "HEAD")
    small.git("switch", "--quiet", "main")
    small.git("branch", "--quiet", "-D", "gone")
    lost = small.version("lost", commit=False)
    small.git("checkout", "--quiet", "--", ".")
    Path("deploy/staging").mkdir(parents=True)
    Path("deploy/staging/release.env").write_text(f"IMAGE=x\nCOMMIT={commit}\nMODEL=0\nDATA=0\n")
    small.commit("Release")
    gc(apply=True, days=30)
    assert there() == apart | released
    assert not lost & there()


def test_a_released_model_stays_where_its_commit_is_gone(small, apart):
    listing = next(iter(small.version("lost", commit=False) - apart))
    objects = small.version("lost", commit=False)
    model = next(one for one in objects if one.endswith(".dir"))
    assert listing in objects
    small.git("checkout", "--quiet", "--", ".")
    Path("deploy/staging").mkdir(parents=True)
    text = f"IMAGE=x\nCOMMIT={'0' * 40}\nMODEL={model}\nDATA={'0' * 32}\n"
    Path("deploy/staging/release.env").write_text(text)
    small.commit("Release")
    gc(apply=True, days=30)
    assert len(there()) == len(apart) + 3  # the listing and its two files, without the data


def test_where_a_listing_cannot_be_read_nothing_goes(small, apart):
    listing = next(one for one in apart if one.endswith(".dir"))
    small.keep(b"nobody's")
    small.place_in_store(listing).write_bytes(b"[]")
    small.forget()
    before = there()
    with pytest.raises(UserError, match="which files these folders have cannot be read: model"):
        gc(apply=True, days=30)
    assert there() == before


def test_what_git_has_committed_is_left_to_git(small, history):
    committed = small.keep(b"nobody's")
    small.commit("Add")
    new = small.keep(b"new")
    gc(apply=True, days=30)
    assert committed in there()
    assert new not in there()


def test_in_a_bucket_what_is_young_stays(small, history, s3, monkeypatch):
    """Somebody may have sent it, and commits it tomorrow."""
    store(url=s3, account="", verify=False, fix=False)
    with here() as place:
        waste = Path("waste")
        waste.write_bytes(b"nobody's")
        name = "c29a1e4ad7f8ddcf6cd2d9c1f8d4b1cf"
        place.store.put(waste, name)
    gc(apply=True, days=30)
    assert name in there()
    monkeypatch.setattr(module.time, "time", lambda: time.time_ns() / 1e9 + 31 * 86400)
    gc(apply=True, days=30)
    assert there() == history


def test_what_others_pushed_is_fetched_first(small, apart, tmp_path_factory):
    origin = tmp_path_factory.mktemp("origin")
    subprocess.run(["git", "init", "--quiet", "--bare", str(origin)], check=True)
    small.git("remote", "add", "origin", str(origin))
    small.git("push", "--quiet", "origin", "main", "v1", "side")
    small.git("switch", "--quiet", "--create", "theirs")
    theirs = small.version("theirs")
    small.git("push", "--quiet", "origin", "theirs")
    small.git("switch", "--quiet", "main")
    small.git("branch", "--quiet", "-D", "theirs")
    small.git("update-ref", "-d", "refs/remotes/origin/theirs")
    gc(apply=True, days=30)
    assert there() == apart | theirs


def test_where_they_cannot_be_fetched_nothing_goes(small, apart, capsys):
    small.keep(b"nobody's")
    small.git("remote", "add", "origin", "/nowhere")
    gc(apply=False, days=30)
    assert "commits that others pushed since are not counted" in capsys.readouterr().out
    with pytest.raises(UserError, match="what others pushed cannot be fetched"):
        gc(apply=True, days=30)
    assert len(there()) == 13


def test_a_clone_without_its_history_removes_nothing(small, apart, tmp_path_factory, monkeypatch):
    clone = tmp_path_factory.mktemp("clone") / "small"
    source = f"file://{small.folder}"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", source, str(clone)], check=True)
    shutil.copytree(small.folder / "store", clone / "store", dirs_exist_ok=True)
    monkeypatch.chdir(clone)
    with pytest.raises(UserError, match="git fetch --unshallow"):
        gc(apply=True, days=30)
    assert os.environ["NO_GCE_CHECK"] == "true"
