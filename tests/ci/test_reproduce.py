"""With a run of DVC replaced by the stages themselves; the workflows' tests use DVC."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from mlgitops.ci import reproduce
from mlgitops.core import job_output
from mlgitops.core.errors import UserError
from mlgitops.evaluation import champion, evidence
from mlgitops.git import repository
from mlgitops.reporting.card import card
from mlgitops.reporting.report import report as write_report

LOCK, RAW = Path("dvc.lock"), Path("data/raw.parquet")


def pointer(md5):
    return f"outs:\n- md5: '{md5}'\n  size: 1\n  hash: md5\n  path: raw.parquet\n"


@pytest.fixture
def ran(workspace, monkeypatch):
    """The DVC commands that were given; `repro` runs the stages."""
    commands = []

    def dvc(*command):
        commands.append(command[0])
        if command[0] == "repro":
            workspace.run()
        return True

    monkeypatch.setattr(reproduce, "dvc", dvc)
    monkeypatch.setattr(reproduce.transfer, "complete", lambda: None)
    Path("data/raw.parquet.dvc").write_text(pointer(workspace.entry(RAW)["md5"]))
    workspace.lock()
    workspace.commit("Add the code")
    workspace.git("switch", "--quiet", "--create", "change")
    return commands


def report():
    return job_output.REPORT.read_text(encoding="utf-8")


def patch_paths():
    """What the patch changes."""
    return set(re.findall(r"(?m)^diff --git a/(\S+)", job_output.PATCH.read_text("utf-8")))


def test_nothing_that_matters_changed_and_nothing_runs(workspace, ran, capsys):
    Path("notes.md").write_text("words")
    workspace.commit()
    reproduce.reproduce()
    assert ran == ["pull"]
    assert "nothing ran; the gate passes" in capsys.readouterr().out
    assert json.loads(job_output.VERDICT.read_text())["passed"] is True
    assert not job_output.PATCH.exists()


def test_a_stale_lock_is_made_anew_and_left_as_a_patch_of_what_is_made(workspace, ran):
    workspace.set("split.seed", 5)
    workspace.commit()
    Path("mine.txt").write_text("not committed, not made")
    reproduce.reproduce()
    changed = patch_paths()
    assert {"dvc.lock", "artifacts/metrics.json", "docs/model-card.md"} <= changed
    assert "mine.txt" not in changed
    assert "In a fork do it yourself" in report()
    assert ran == ["pull", "repro", "push"]


CARD = Path("docs/model-card.md")


def commit_card(workspace):
    """The card is part of main."""
    card(check=False)
    text = CARD.read_text("utf-8")
    workspace.commit("Describe")
    workspace.git("branch", "--force", "main")
    return text


def test_figures_of_the_card_that_were_edited_by_hand_are_written_again(workspace, ran):
    text = commit_card(workspace)
    CARD.write_text(text.replace("| Trained on | 192", "| Trained on | 500"), "utf-8")
    workspace.commit("Flatter")
    reproduce.reproduce()
    assert ran == ["pull"]
    assert CARD.read_text("utf-8") == text
    assert patch_paths() == {"docs/model-card.md"}
    assert "the model card) is out of date in this commit" in report()


def test_a_lock_that_was_trained_elsewhere_brings_its_card(workspace, ran):
    text = commit_card(workspace)
    workspace.set("split.seed", 5)
    workspace.run()
    workspace.commit()
    reproduce.reproduce()
    assert CARD.read_text("utf-8") != text
    assert patch_paths() == {"docs/model-card.md"}


def test_a_card_that_is_current_leaves_nothing(workspace, ran):
    commit_card(workspace)
    Path("notes.md").write_text("words")
    workspace.commit()
    reproduce.reproduce()
    assert not job_output.PATCH.exists()


def count_calls(monkeypatch, module, name):
    """What a function of a module is called with from now on."""
    calls, real = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *given: calls.append(given) or real(*given))
    return calls


def test_evidence_and_each_other_model_are_gathered_once(workspace, ran, monkeypatch):
    """For the verdict, the card and the report together; the champion is main's model here."""
    workspace.release(repository.head())
    commit_card(workspace)
    workspace.set("split.seed", 5)
    workspace.commit()
    gathered = count_calls(monkeypatch, evidence, "changes")
    fetched = count_calls(monkeypatch, champion, "fetch")
    reproduce.reproduce()
    assert (len(gathered), len(fetched)) == (1, 1)
    assert "### Against the champion" not in report()  # it is the base
    write_report()
    assert (len(gathered), len(fetched)) == (2, 2)


def test_what_a_branch_trained_is_run_again_and_verified(workspace, ran, capsys):
    workspace.set("split.seed", 5)
    workspace.run()
    workspace.commit()
    reproduce.reproduce()
    assert "running it again gave the same hashes" in capsys.readouterr().out
    assert not job_output.PATCH.exists()


def test_another_hash_of_the_same_inputs_is_refused_and_kept(workspace, ran):
    workspace.set("split.seed", 5)
    workspace.run()
    lock = LOCK.read_text()
    model = repository.parse_lock(lock).model.removesuffix(".dir")
    LOCK.write_text(lock.replace(model, "0" * 32))
    workspace.commit()
    forged = LOCK.read_text()
    with pytest.raises(UserError, match=r"artifacts/model is 00000000.*git checkout origin/main"):
        reproduce.reproduce()
    assert LOCK.read_text() == forged
    assert "## ❌ Refused" in report()
    assert sorted(path.name for path in job_output.FOLDER.iterdir()) == ["report.md"]


def test_a_lock_that_contradicts_itself_is_refused_before_anything_runs(workspace, ran):
    lock = LOCK.read_text()
    test = re.search(r"hash: md5\n +md5: (\w+)\n +path: data/test.parquet|$", lock)[1]
    test = test or re.search(r"path: data/test.parquet\n +hash: md5\n +md5: (\w+)", lock)[1]
    LOCK.write_text(lock.replace(test, "e" * 32, 1))
    workspace.commit()
    with pytest.raises(UserError, match="contradicts itself: "):
        reproduce.reproduce()
    assert "repro" not in ran


def test_metrics_that_were_edited_are_refused(workspace, ran):
    metrics = Path("artifacts/metrics.json")
    metrics.write_text(metrics.read_text().replace("0.", "0.0", 1))
    workspace.commit()
    with pytest.raises(UserError, match=r"no input changed: artifacts/metrics\.json"):
        reproduce.reproduce()


def test_a_stale_lock_on_main_itself_is_refused(workspace, ran):
    workspace.git("switch", "--quiet", "main")
    workspace.set("split.seed", 5)
    workspace.commit()
    with pytest.raises(UserError, match=r"dvc.lock of main is out of date: prepare \(gate.yaml\)"):
        reproduce.reproduce()
    assert "repro" not in ran


def test_what_the_store_of_main_lost_is_no_stale_lock(workspace, ran):
    workspace.git("switch", "--quiet", "main")
    Path("data/train.parquet").unlink()
    Path("artifacts/fitted.joblib").unlink()
    lost = r"data/train\.parquet, artifacts/fitted\.joblib"
    with pytest.raises(UserError, match=f"main is current, but the store lacks {lost}. .*any pull"):
        reproduce.reproduce()
    assert "repro" not in ran


def test_data_that_is_nowhere_is_named(workspace, ran):
    Path("data/raw.parquet.dvc").write_text(pointer("0" * 32))
    RAW.unlink()
    workspace.commit()
    with pytest.raises(UserError, match=r"no stage makes it: data/raw\.parquet"):
        reproduce.reproduce()


STORED = Path("store/files/md5")
RED = STORED / "10/98e2cb1442f45f8ca2e74e1cd24bd0"  # what holds "red\n"


@pytest.fixture
def project_with_object(workspace, ran):
    """The same with an object in the store, on main and on the branch."""
    RED.parent.mkdir(parents=True)
    RED.write_text("red\n")
    workspace.commit("Store")
    workspace.git("branch", "--force", "main")
    return workspace


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda: RED.write_text("forged\n"),
            "98e2cb1442f45f8ca2e74e1cd24bd0 .objects in the store",
        ),
        (RED.unlink, "98e2cb1442f45f8ca2e74e1cd24bd0 .objects in the store never change"),
        (lambda: RED.rename(RED.with_name("1" * 30)), "another one than its name.* never change"),
        (lambda: RED.with_name("2" * 30).write_text("blue"), "2222 .its content is another one"),
        (lambda: RED.with_name("3" * 30).symlink_to(RED.name), "3333 .mode 120000"),
        (lambda: Path("store/runs").write_text("a"), "store/runs .only what the pipeline makes"),
    ],
)
def test_what_changes_in_the_store_but_added_objects_is_refused(
    project_with_object, ran, change, said
):
    change()
    project_with_object.commit("GitHost")
    with pytest.raises(UserError, match=f"objects are only added to the store: .*{said}"):
        reproduce.reproduce()
    assert ran == []
    assert "## ❌ Refused" in report()


def test_an_added_object_is_what_its_name_says(project_with_object, ran):
    blue = STORED / "da/a5960a123ff55e594be19f9ddc940d"
    blue.parent.mkdir(parents=True)
    blue.write_text("blue\n")
    project_with_object.commit("Push")
    reproduce.reproduce()
    assert ran == ["pull"]


PIPELINE = "stages:\n  fit:\n    cmd: cp rows model\n    deps: [rows]\n    outs: [model]\n"


@pytest.mark.slow
def test_what_dvc_remembers_of_a_run_verifies_nothing(tmp_path, monkeypatch):
    """With DVC itself: its run cache is a file, and says what was made of which inputs."""
    monkeypatch.chdir(tmp_path)

    def dvc(*words):
        return subprocess.run([sys.executable, "-m", "dvc", *words], check=False).returncode == 0

    monkeypatch.setattr(reproduce, "dvc", dvc)
    subprocess.run(["git", "init", "--quiet"], check=True)
    assert reproduce.dvc("init", "--quiet")
    Path("dvc.yaml").write_text(PIPELINE)
    Path("rows").write_text("rows")
    assert reproduce.dvc("repro", "--quiet")
    honest, model = LOCK.read_text(), Path("model")
    forged = hashlib.md5(b"forged").hexdigest()
    cache = Path(".dvc/cache")
    (cache / "files/md5" / forged[:2]).mkdir(parents=True)
    (cache / "files/md5" / forged[:2] / forged[2:]).write_text("forged")
    runs = [path for path in (cache / "runs").rglob("*") if path.is_file()]
    for path in (LOCK, *runs):
        head, outs, tail = path.read_text().partition("outs:")
        tail = re.sub(r"md5: \w{32}", f"md5: {forged}", tail).replace("size: 4", "size: 6")
        path.chmod(0o644)
        path.write_text(head + outs + tail)
    with pytest.raises(UserError, match=f"fit: model is {forged[:8]} in dvc.lock, and running it"):
        reproduce.remake(None, claims=True)
    assert model.read_text() == "rows"
    LOCK.write_text(honest)
    assert reproduce.remake(None, claims=True) == "verified"


def test_a_failed_stage_leaves_the_lock_as_it_was(workspace, ran, monkeypatch):
    workspace.set("split.seed", 5)
    workspace.commit()
    before = LOCK.read_text()

    def fails(*command):
        if command[0] == "repro":
            LOCK.write_text("half")
        return command[0] != "repro"

    monkeypatch.setattr(reproduce, "dvc", fails)
    with pytest.raises(UserError, match="a stage failed"):
        reproduce.reproduce()
    assert LOCK.read_text() == before
    assert not job_output.PATCH.exists()


def refuse_pushes(monkeypatch):
    """The store takes nothing from here."""
    inner = reproduce.dvc
    monkeypatch.setattr(reproduce, "dvc", lambda *words: inner(*words) and words[0] != "push")


def test_without_a_login_to_the_store_nothing_is_left_to_commit(workspace, ran, monkeypatch):
    workspace.set("split.seed", 5)
    workspace.commit()
    refuse_pushes(monkeypatch)
    with pytest.raises(UserError, match="the store lacks outputs of this commit and cannot"):
        reproduce.reproduce()
    assert report().startswith("<!-- report -->\n## ❌ Refused\n\nthe store lacks outputs")
    assert "### Gate" in report()
    # Without a verdict the judge's comment is this report.
    assert not job_output.VERDICT.exists()
    assert not job_output.PATCH.exists()
    assert not job_output.OUTPUTS.exists()


@pytest.mark.parametrize("hand_over", [True, False])
def test_data_and_model_are_handed_over_only_for_a_judge(workspace, ran, hand_over):
    reproduce.reproduce(hand_over=hand_over)
    assert job_output.VERDICT.exists()
    assert job_output.OUTPUTS.exists() is hand_over


def test_a_verified_lock_whose_objects_nobody_can_push_is_refused(workspace, ran, monkeypatch):
    workspace.set("split.seed", 5)
    workspace.run()
    workspace.commit()
    refuse_pushes(monkeypatch)
    with pytest.raises(UserError, match="the store lacks outputs of this commit and cannot"):
        reproduce.reproduce()
    assert "## ❌ Refused" in report()


def test_a_push_that_left_something_out_is_none(monkeypatch, capsys):
    def complete():
        raise UserError("neither the store nor the cache here has artifacts/model")

    monkeypatch.setattr(reproduce, "dvc", lambda *words: True)
    monkeypatch.setattr(reproduce.transfer, "complete", complete)
    assert reproduce.push() is False
    assert "neither the store nor the cache here has artifacts/model" in capsys.readouterr().err
    monkeypatch.setattr(reproduce.transfer, "complete", lambda: None)
    assert reproduce.push() is True


class ReadOnly(SimpleHTTPRequestHandler):
    """A store that everybody may read and nobody may write."""

    def log_message(self, *_):
        pass


@pytest.mark.slow
def test_a_store_that_may_only_be_read_is_enough_where_it_has_the_objects(tmp_path, monkeypatch):
    """With DVC itself: a fork's check has no more, and a push that sends nothing succeeds."""
    monkeypatch.chdir(tmp_path)

    def dvc(*words):
        return subprocess.run([sys.executable, "-m", "dvc", *words], check=False).returncode == 0

    subprocess.run(["git", "init", "--quiet"], check=True)
    Path("dvc.yaml").write_text(PIPELINE)
    Path("rows").write_text("rows")
    store = tmp_path / "public"
    assert dvc("init", "--quiet")
    assert dvc("remote", "add", "--quiet", "--default", "store", str(store))
    assert dvc("repro", "--quiet")
    assert dvc("push", "--quiet")
    handler = partial(ReadOnly, directory=str(store))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        assert dvc("remote", "modify", "store", "url", f"http://127.0.0.1:{server.server_port}")
        assert dvc("push", "--quiet")
        next(path for path in store.rglob("*") if path.is_file()).unlink()
        assert not dvc("push", "--quiet")
        server.shutdown()


def conflict(workspace):
    workspace.set("split.seed", 5)
    workspace.run()
    workspace.commit()
    workspace.git("switch", "--quiet", "main")
    workspace.set("split.test_share", 0.3)
    workspace.run()
    workspace.commit()
    workspace.git("switch", "--quiet", "change")


def test_a_conflict_in_what_is_made_is_settled_by_making_it(workspace, ran):
    conflict(workspace)
    shutil.rmtree("artifacts/model")
    with pytest.raises(Exception, match="merge"):
        workspace.git("merge", "--quiet", "main")
    reproduce.settle(["dvc.lock"])
    assert reproduce.readable(LOCK.read_text())
    with pytest.raises(UserError, match=r"resolve these first.*: schema\.yaml"):
        reproduce.settle(["dvc.lock", "schema.yaml"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema: '2.0'\nstages: {train: {cmd: a, outs: [artifacts/fitted.joblib]}}\n",
        "schema: '2.0'\nstages: {train: [a]}\n",
        "schema: '2.0'\nstages: {train: {cmd: a, outs: [{path: a, md5: 1}]}}\n",
        "schema: '2.0'\nstages: {train: {cmd: 2026-99-99}}\n",
        "[" * 100_000,
    ],
)
def test_what_dvc_would_not_take_is_no_lock_file(text):
    assert not reproduce.readable(text)


def test_a_lock_of_another_shape_claims_nothing_and_is_made_again(workspace, ran, capsys):
    lock = LOCK.read_text()
    LOCK.write_text("schema: '2.0'\nstages: {train: {cmd: a, outs: [artifacts/fitted.joblib]}}\n")
    workspace.commit()
    reproduce.reproduce()
    assert LOCK.read_text() == lock
    assert "dvc.lock" in job_output.PATCH.read_text("utf-8")
    assert "the gate passes" in capsys.readouterr().out


def test_what_nobody_foresaw_is_reported_too(workspace, ran, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError("by `zero`\nmore")

    monkeypatch.setattr(reproduce, "status", fails)
    with pytest.raises(ZeroDivisionError):
        reproduce.reproduce()
    assert "## ❌ Refused" in report()
    assert "ZeroDivisionError: by &#96;zero&#96;. This is unexpected: see the run" in report()
    assert "more" not in report()


def test_marks_of_a_conflict_are_no_lock_file():
    assert not reproduce.readable("<<<<<<< HEAD\nstages:\n=======\n>>>>>>> main\n")
    assert not reproduce.readable("just words")
    assert reproduce.readable("schema: '2.0'\nstages: {}\n")
    assert reproduce.readable(None)


def test_a_lock_that_a_merge_wrote_claims_nothing(workspace, ran):
    conflict(workspace)
    workspace.git("merge", "--quiet", "--strategy-option", "ours", "--no-commit", "main")
    LOCK.write_text(LOCK.read_text().replace("cmd: mlgitops prepare", "cmd:  mlgitops prepare", 1))
    workspace.commit("Merge main")
    assert reproduce.by_merge()
