import io
import json
import tarfile

import pytest
from mlgitops.core.errors import UserError
from mlgitops.git.repository import digest
from mlgitops.images import smoke as module
from mlgitops.images.smoke import smoke

pytestmark = pytest.mark.slow

SIGNATURE = {"examples": [{"x": 1.0}], "labels": ["a", "b"]}
FILES = {"signature.json": json.dumps(SIGNATURE).encode(), "model.onnx": b"1"}
FACTS = {"commit": "c" * 40, "model": digest(FILES), "data": "d"}
RUNNING = {"Running": True, "OOMKilled": False, "ExitCode": 0}
USER = ("image", "inspect", "--format", "{{.Config.User}}")


def archive():
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(f"model/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue().decode()


@pytest.fixture
def daemon(docker, monkeypatch):
    docker.answer("image", "inspect", out=json.dumps(labels()))
    docker.answer(*USER, out="65532:65532\n")
    docker.answer("create", out="box\n")
    docker.answer("cp", out=archive())
    docker.answer("inspect", out=json.dumps(RUNNING))
    docker.answer("logs", out="starting\n", error="serve: the model is broken\n")
    answers(monkeypatch)
    return docker


def labels(**other):
    return {module.LABELS[name]: value for name, value in (FACTS | other).items()}


def answers(monkeypatch, **other):
    """What the container answers by path; `ask` itself is tried with a real container."""
    told = {
        "ready": (200, "{}"),
        "version": (200, json.dumps(FACTS)),
        "invocations": (200, '{"predictions": ["a"]}'),
    } | other
    monkeypatch.setattr(
        module, "ask", lambda container, path, body="": told[path.rpartition("/")[2]]
    )


def assert_refusal(daemon, match):
    with pytest.raises(UserError, match=match):
        smoke("image:1")
    if any(call for call in daemon.calls("create")):
        assert daemon.calls("rm") == [["rm", "--force", "--volumes", "box"]]


def test_it_starts_as_kubernetes_would_and_cleans_up(daemon, capsys):
    smoke("image:1")
    [call] = daemon.calls("create")
    for option in ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"):
        assert option in call
    assert "--memory=512m" in call
    assert call[-1] == "image:1"
    assert daemon.calls("rm") == [["rm", "--force", "--volumes", "box"]]
    said = capsys.readouterr().out
    steps = [line.rsplit(maxsplit=2)[0] for line in said.splitlines()[:-1]]
    assert steps == ["start", "ready", "model", "version", "predict", "no writing", "SIGTERM"]


@pytest.mark.parametrize("user", ["", "root", "0", "0:0", "app"])
def test_a_user_that_kubernetes_cannot_tell_from_root_is_refused(daemon, user):
    daemon.answer(*USER, out=user)
    assert_refusal(daemon, f"runs as {user or 'root'}: USER must be a number")
    assert daemon.calls("create") == []


def test_labels_that_differ_are_refused(daemon):
    daemon.answer("image", "inspect", "--format", "{{json", out="{}")
    daemon.answer("image", "inspect", "--format", "{{json .Config.Labels}}",
                  out=json.dumps(labels(data="other")))  # fmt: skip
    assert_refusal(daemon, "the data at /version is d, the image's label says other")


def test_a_model_that_is_not_the_labels_is_refused(daemon):
    daemon.answer("image", "inspect", "--format", "{{json .Config.Labels}}",
                  out=json.dumps(labels(model="other")))  # fmt: skip
    assert_refusal(daemon, "the model is .*dir, the image's label says other")


@pytest.mark.parametrize(
    ("path", "answer", "match"),
    [
        ("ready", (503, "busy"), "not ready in 30 s: .* 503 busy"),
        ("version", (404, "not found"), "/version says 404"),
        ("version", (200, "{}"), "the commit at /version is empty"),
        ("invocations", (400, "no column x"), "is answered with 400: no column x"),
        ("invocations", (200, '{"predictions": ["z"]}'), "answered with 'z', no possible value"),
    ],
)
def test_a_wrong_answer_is_refused(daemon, monkeypatch, path, answer, match):
    answers(monkeypatch, **{path: answer})
    assert_refusal(daemon, match)


@pytest.mark.parametrize("value", [None, float("nan"), "a"])
def test_a_regression_that_gives_no_number_is_refused(monkeypatch, value):
    answers(monkeypatch, invocations=(200, json.dumps({"predictions": [value]})))
    with pytest.raises(UserError, match="no possible value"):
        module.predict("box", {"examples": [{"x": 1.0}]})
    answers(monkeypatch, invocations=(200, '{"predictions": [3]}'))
    module.predict("box", {"examples": [{"x": 1.0}]})


def test_a_root_file_system_that_takes_writes_is_refused(daemon):
    daemon.answer("exec", out="/app\n/tmp\n")
    assert_refusal(daemon, "/app can be written to")


@pytest.mark.parametrize(
    ("code", "match"),
    [(137, "did not end it in 6 s"), (143, "ended it with 143, not 0: serve: the model is")],
)
def test_an_end_other_than_zero_is_refused(daemon, code, match):
    daemon.answer("inspect", out=json.dumps(RUNNING | {"Running": False, "ExitCode": code}))
    assert_refusal(daemon, match)


def test_a_container_that_ended_tells_its_last_words(docker):
    docker.answer("exec", error="container is not running", code=1)
    docker.answer("logs", out="starting\n", error="serve: model.onnx cannot be loaded\n")
    ended = {"Running": False, "OOMKilled": False, "ExitCode": 1}
    docker.answer("inspect", out=json.dumps(ended))
    with pytest.raises(UserError, match=r"ended with 1: serve: model\.onnx cannot be loaded"):
        module.ask("box", "/version")
    docker.answer("inspect", out=json.dumps(ended | {"OOMKilled": True, "ExitCode": 137}))
    with pytest.raises(UserError, match="ended with 137: it ran out of memory"):
        module.ask("box", "/version")
