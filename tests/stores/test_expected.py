"""What Git expects: of every branch and tag, and as DVC itself would say."""

import json
from pathlib import Path

import pytest
from mlgitops.stores import expected as module
from mlgitops.stores.expected import SHARED, expect, mentions
from mlgitops.stores.objects import here


def expectation(revisions=SHARED):
    with here() as place:
        return expect(revisions, place.cache.read)


def test_every_branch_and_tag_and_the_files_here_are_counted(small, history):
    now = small.version("uncommitted", commit=False)
    assert set(expectation().objects) == history | now
    assert set(expectation(()).objects) == now


def test_it_is_what_dvc_says(small, history, monkeypatch):
    """Its own walk, which takes a fifth of a second a commit."""
    from dvc.repo import Repo

    with Repo() as repo:
        used = repo.used_objs(all_branches=True, all_tags=True, push=True)
    assert {one.value for objects in used.values() for one in objects} == history
    assert set(expectation().objects) == history


def test_an_object_is_named_by_where_it_is_expected(small):
    objects = small.version("one")
    commit = small.git("rev-parse", "--short=7", "HEAD")
    small.version("two")
    names = expectation().objects
    assert {names[one] for one in objects} == {
        f"data/raw.parquet of {commit}", f"model of {commit}",
        f"0.bin in model of {commit}", f"1.bin in model of {commit}",
    }  # fmt: skip


def test_before_the_first_commit_the_files_here_are_all(small):
    objects = small.version("one", commit=False)
    assert set(expectation().objects) == objects


def test_a_version_that_only_a_merge_has_is_counted(small):
    small.version("one")
    small.git("switch", "--quiet", "--create", "side")
    small.version("side")
    small.git("switch", "--quiet", "main")
    small.version("main")
    small.git("merge", "--quiet", "--strategy", "ours", "--no-commit", "side")
    objects = small.version("merge") | small.version("after")
    assert objects <= set(expectation().objects)


def test_a_listing_that_nobody_has_is_named(small):
    small.version("one")
    small.forget()
    assert list(expectation().unread.values()) == ["model"]
    assert len(expectation().objects) == 2


@pytest.mark.parametrize(
    "text", ["<<<<<<< HEAD\n", "stages: 1\n", "[]\n", "stages: {a: {outs: 1}}"]
)
def test_a_lock_file_that_a_merge_broke_stops_nothing(small, text):
    objects = small.version("one")
    Path("dvc.lock").write_text(text)
    small.commit("Broken")
    assert set(expectation().objects) == objects


def test_what_is_in_git_elsewhere_or_of_another_repository_is_not_expected(small):
    small.version("one")
    names = ["metrics.json", "own", "plots/a.json", "part-1.bin", "else"]
    outs = [{"path": name, "hash": "md5", "md5": f"{n}" * 32} for n, name in enumerate(names)]
    Path("dvc.lock").write_text(json.dumps({"stages": {"train": {"outs": outs}}}))
    Path("dvc.yaml").write_text(
        "stages:\n  train:\n    cmd: a\n    outs: [{own: {push: false}}, {else: {remote: b}}]\n"
        "    metrics: [{metrics.json: {cache: false}}]\n"
        "    plots: [{plots/a.json: {cache: false}}]\n"
        "  parts:\n    foreach: [1]\n    do:\n      cmd: a\n"
        "      outs: ['part-${item}.bin': {cache: false}]\n"
    )
    Path("data/other.dvc").write_text(
        json.dumps({"deps": [{"repo": {"url": "x"}}], "outs": [outs[0] | {"path": "other"}]})
    )
    assert set(expectation(()).objects) == {
        module.OBJECT.findall(Path("data/raw.parquet.dvc").read_text())[0]
    }
    assert "1" * 32 in mentions(())  # but no reason to remove it


def test_a_project_without_git_expects_what_lies_here(small, monkeypatch):
    objects = small.version("one", commit=False)
    monkeypatch.setattr(module.repository, "git", lambda *words: None)
    assert set(expectation(()).objects) == objects
