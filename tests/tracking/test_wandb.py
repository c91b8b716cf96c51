"""What only Weights & Biases does: files of a run, read back by its own records; no server."""

import json
import os
import subprocess
import sys
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest
import wandb_file
from mlgitops.core.errors import UserError
from mlgitops.tracking import base, wandb
from mlgitops.tracking.base import Asset, Dataset, Evidence, Key, Run, connect
from mlgitops.tracking.ui import ui
from mlgitops.tracking.wandb import number

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which W&B is offline."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "wandb/data"))
    Path("model").mkdir()
    Path("model/model.onnx").write_bytes(b"onnx")
    return tmp_path


def key() -> Key:
    """Another for each test: one process of W&B serves them all."""
    return Key(sha1(str(Path.cwd()).encode()).hexdigest(), "l" * 64)


def a_run(**changes: Any) -> Run:
    evidence = Evidence({"gate": "passed"}, {"main/log_loss": 0.5}, {"gate.json": "{}"})
    data = Dataset("raw", "raw.parquet", "d" * 32, "s3://b/d", {"x": "number"}, {"rows": 3})
    model = Asset(Path("model"), "m" * 32 + ".dir", ["numpy==2.4"], [])
    known: dict[str, Any] = {"datasets": [data], "model": model, "evidence": evidence}
    known["params"] = {"a.b": "1"}
    return Run(key=key(), name="It", when=1000.0, **(known | changes))


def only_run() -> tuple[Path, dict[str, Any]]:
    (folder,) = Path("wandb").glob("offline-run-*")
    return folder, wandb_file.read(folder)


@pytest.mark.usefixtures("folder")
def test_a_run_names_its_model_and_the_data_that_it_used() -> None:
    connect("wandb", "bees").log(a_run())
    folder, one = only_run()
    data, model = one["artifacts"]
    assert (data.name, data.type, data.use_after_commit) == ("bees-raw", "dataset", True)
    assert "d" * 32 in data.aliases
    (file,) = data.manifest.contents
    assert json.loads(Path(file.local_path).read_text())["md5"] == "d" * 32
    assert json.loads(data.metadata) == {"address": "s3://b/d", "profile": {"rows": 3}}
    assert (model.name, model.type, model.use_after_commit) == ("bees", "model", False)
    assert {key().commit, "m" * 32} <= set(model.aliases)
    paths = {file.path: Path(file.local_path) for file in model.manifest.contents}
    assert set(paths) == {"model.onnx", "requirements.txt"}
    assert all(path.is_relative_to(folder.resolve()) for path in paths.values())
    assert one["tags"] == ["commit", "gate: passed"]
    assert one["history"]["_timestamp"] == 1000.0


@pytest.mark.usefixtures("folder")
def test_a_run_holds_nothing_of_the_machine_that_logged_it() -> None:
    connect("wandb", "bees").log(a_run())
    folder, one = only_run()
    assert one["host"] == "none"
    names = {path.name for path in (folder / "files").rglob("*")}
    assert not names & {"wandb-metadata.json", "requirements.txt", "output.log"}


@pytest.mark.usefixtures("folder")
def test_the_same_data_is_the_same_version() -> None:
    tracker = connect("wandb", "bees")
    tracker.log(a_run())
    first = only_run()[1]["artifacts"]
    tracker.add(a_run(params={"a.b": "2"}), Evidence())
    folder, one = only_run()
    assert one["config"]["a.b"] == "2"
    assert [made.digest for made in one["artifacts"]] == [made.digest for made in first]
    assert folder.name.endswith(number(key()))


@pytest.mark.usefixtures("folder")
def test_a_run_that_w_and_b_did_not_write_is_not_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = connect("wandb", "bees")
    with monkeypatch.context() as patch:
        patch.setattr(wandb, "PATIENCE", 0)
        patch.setattr(Path, "read_bytes", lambda _: b":W&B")
        with pytest.raises(UserError, match="did not write the whole run"):
            tracker.log(a_run(model=None))
    assert not tracker.complete()
    assert tracker.clear([key()]) == 1


@pytest.mark.usefixtures("folder")
def test_a_long_record_is_read_whole() -> None:
    """Longer than a block of the file: it is in several parts."""
    text = "x" * 100_000
    connect("wandb", "bees").log(a_run(params={"long": text}))
    assert only_run()[1]["config"]["long"] == text


@pytest.mark.usefixtures("folder")
def test_without_an_account_w_and_b_is_offline_and_silent() -> None:
    """No key and no answer to a question: nothing waits, nothing is sent."""
    program = "from mlgitops.tracking.base import connect; print(connect('wandb', 'bees').server)"
    names = ("WANDB_MODE", "WANDB_SERVICE", "WANDB_API_KEY")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env=clean | {"NETRC": os.devnull, "WANDB_BASE_URL": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("None\n", "")


@pytest.mark.usefixtures("folder")
def test_aliases_need_the_server() -> None:
    tracker = connect("wandb", "bees")
    with pytest.raises(UserError, match="wandb login"):
        tracker.version(key().commit)
    with pytest.raises(UserError, match="then make register"):
        tracker.alias("staging", None)


def test_the_pages_are_the_terminals(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("params.yaml").write_text("track: {tracker: wandb}\n")
    Path("pyproject.toml").write_text('[project]\nname = "bees-model"\n')
    calls: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: calls.append(command))
    tracker = connect("wandb", "bees")
    with pytest.raises(UserError, match="nothing is logged yet: make track"):
        tracker.ui()
    (folder / "wandb").mkdir()
    tracker.ui()
    assert [command[1:] for command in calls] == [["leet", "wandb"]]
    assert ui.__module__ == "mlgitops.tracking.ui"


def test_a_tracker_without_its_packages_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name}", name="wandb")

    monkeypatch.setattr(base, "import_module", missing)
    with pytest.raises(UserError, match=r"wandb is not installed.*mlgitops\[track-wandb\]"):
        connect("wandb", "bees")
