import ast
import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import jsonschema
import pytest
from baked import PROJECT
from made_tensors import tensors
from mlgitops.git import repository
from mlgitops.serving import contract, documentation, model
from mlgitops.serving.server import Server, make_app
from mlgitops.serving.settings import Settings
from mlgitops.training import export, exported_model

pytestmark = pytest.mark.slow

SOURCE = Path(documentation.__file__).parent
ALONE = ["unshare", "--fork", "--pid", "--kill-child"]
NAMESPACES = shutil.which("unshare") and not subprocess.call([*ALONE, "true"], stderr=-3)


def refusal(code, folder, **environment):
    """The one line that the server ends with."""
    own = os.environ | {"PYTHONPATH": str(code), "SERVE_PORT": "1"} | environment
    ended = subprocess.run(
        [sys.executable, "-m", "mlgitops.serving", str(folder)],
        env=own, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    return ended.stderr


@pytest.fixture
def change_model(folders, tmp_path):
    """A copy of a model, with a change to its signature."""

    def copy(**changes):
        folder = tmp_path / "model"
        shutil.copytree(folders["binary"], folder)
        file = folder / "signature.json"
        text = json.loads(file.read_text("utf-8")) | changes
        file.write_text(json.dumps(text), encoding="utf-8")
        return folder

    return copy


@pytest.mark.parametrize("name", ["signature.json", "reference.json", "model.onnx"])
def test_an_incomplete_folder_is_refused(name, change_model, code):
    folder = change_model()
    (folder / name).unlink()
    assert f"{name} is missing" in refusal(code, folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": 2}, "signature.json: version: Input should be 1"),
        ({"more": 1}, "signature.json: more: Extra inputs"),
        ({"inputs": []}, "reference.json does not describe"),
        ({"outputs": []}, "model.onnx has other outputs"),
        ({"examples": []}, "signature.json has no examples"),
        ({"examples": [{"count": 1}]}, "its example: code, colour"),
    ],
)
def test_a_folder_of_another_kind_is_refused(changes, told, change_model, code):
    assert told in refusal(code, change_model(**changes))


def test_a_damaged_model_is_refused(change_model, code):
    folder = change_model()
    (folder / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1")
    assert "model.onnx cannot be loaded" in refusal(code, folder)
    (folder / "signature.json").write_text("{")
    assert "signature.json cannot be read" in refusal(code, folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVE_PORT", "many"),
        ("SERVE_MAX_ROWS", "0"),
        ("SERVE_NAME", "a/b"),
        ("SERVE_SECONDS", "inf"),
        ("SERVE_DRAIN_SECONDS", "nan"),
    ],
)
def test_a_wrong_setting_is_refused(name, value, folders, code):
    told = refusal(code, folders["binary"], **{name: value})
    assert told.startswith(f"serve: {name}={value}: ")


def test_a_port_that_is_taken_is_told(folders, code):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"cannot listen on 127.0.0.1:{port}" in refusal(
            code, folders["binary"], SERVE_PORT=port
        )


def test_it_knows_nothing_of_the_rest_of_the_project(code):
    modules = list(SOURCE.glob("*.py"))
    assert len(modules) >= 20
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            own = [name for name in names if name.partition(".")[0] == "mlgitops"]
            assert all(f"{name}.".startswith("mlgitops.serving.") for name in own), path
            assert not {name.partition(".")[0] for name in names} & {"ml", "mlflow"}, path
    loaded = (
        "import sys, mlgitops.serving.server, mlgitops.serving.onnx; print(*sys.modules);"
        "print(mlgitops.__file__)"
    )
    said = subprocess.run(
        [sys.executable, "-c", loaded], env=os.environ | {"PYTHONPATH": str(code)},
        capture_output=True, text=True, timeout=20, check=True,
    ).stdout.split()  # fmt: skip
    assert said[-1] == str(code / "mlgitops/__init__.py")
    assert not {"pandas", "sklearn", "joblib", "ml", "mlflow"} & set(said)
    rooms = {name.split(".")[1] for name in said if name.startswith("mlgitops.")}
    assert rooms == {"serving"}


def hold(running, body):
    """A connection that has sent its request but for the last byte."""
    connection = socket.create_connection(("127.0.0.1", running.port), timeout=20)
    head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body[:-1])
    return connection


MOST = Settings.model_fields["max_bytes"].default
BODIES = {
    "rows": (b"x,code\n", b"1,a\n", b""),
    "names": (b"", b"".join(b"%x," % k for k in range(50_000)), b"\n1\n"),
    "nothing": (b'{"a": [', b"{},", b"{}]}"),
    "lists": (b'{"inputs": [', b"[],", b"{}]}"),
    "records": (b'{"inputs": [', b'{"": 0},', b"{}]}"),
    "split": (b'{"dataframe_split": {"columns": ["a"], "data": [', b"[0],", b"[0]]}}"),
    "nan": (b'{"inputs": [', b"NaN,", b"NaN]}"),
}


def largest(head, piece, tail):
    """A body of as many pieces as the server takes."""
    return head + piece * ((MOST - len(head + tail)) // len(piece)) + tail


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_no_body_needs_more_memory_than_the_pod_has(folders, serving, one):
    with serving(folders["binary"]) as running, ExitStack() as uploads:
        for _ in range(30):
            uploads.enter_context(hold(running, largest(*BODIES["rows"])))
        status, headers, _ = running.ask("/invocations", largest(*BODIES["rows"]), kind="text/csv")
        assert (status, headers["retry-after"]) == (503, "1")
        assert running.predictions({"inputs": [one]})
        uploads.close()
        for name, parts in BODIES.items():
            kind = "text/csv" if name in ("rows", "names") else "application/json"
            for _ in range(2):
                assert running.ask("/invocations", largest(*parts), kind=kind)[0] in (400, 413)
        assert running.ask("/v2/models/model/infer", largest(*BODIES["lists"]))[0] in (400, 413)
        told = Path(f"/proc/{running.process.pid}/status").read_text()
        assert int(re.search(r"VmHWM:\s+(\d+) kB", told)[1]) / 1024 < 0.75 * memory()


def memory():
    """The limit of a pod, in Mi."""
    text = (PROJECT / "deploy/base/deployment.yaml").read_text("utf-8")
    return int(re.search(r"limits: \{memory: (\d+)Mi\}", text)[1])


def test_a_body_that_does_not_arrive_is_given_up(folders, serving, one):
    body = json.dumps({"inputs": [one]}).encode()
    with serving(folders["binary"], seconds=0.4) as running, hold(running, body) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 408")
        assert running.metric("serve_in_flight ") == 0


def test_the_drain_loses_nothing(folders, serving, one):
    body = json.dumps({"inputs": [one]}).encode()
    with serving(folders["binary"], drain_seconds=3) as running:
        answers, ended = [], threading.Event()

        def client():
            while not ended.is_set():
                answers.append(running.ask("/invocations", body)[0])

        clients = [threading.Thread(target=client) for _ in range(3)]
        waiting = hold(running, body)
        for one_client in clients:
            one_client.start()
        wait_for(lambda: answers)
        running.process.send_signal(signal.SIGTERM)
        wait_for(lambda: running.ask("/v2/health/ready")[0] == 503)
        assert running.ask("/v2/health/live")[0] == 200
        before = len(answers)
        wait_for(lambda: len(answers) > before)
        ended.set()  # Who asks for readiness comes no more.
        for one_client in clients:
            one_client.join()
        wait_for(lambda: not running.listens())
        waiting.sendall(body[-1:])
        assert waiting.recv(1000).startswith(b"HTTP/1.1 200")
        waiting.close()
        assert running.process.wait(10) == 0
        assert set(answers) == {200}


def test_a_signal_ends_it_before_anything_heavy_is_loaded(code):
    program = "import sys; from mlgitops.serving import cli; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(code)},
        capture_output=True, text=True, timeout=20, check=True,
    ).stdout.split()  # fmt: skip
    assert not {"pydantic", "numpy", "uvicorn", "asyncio"} & set(said)


@pytest.mark.skipif(not NAMESPACES, reason="unshare makes no process 1 here")
@pytest.mark.parametrize("seconds", [0, 0.1, 0.3, 0.6, 1])
def test_as_process_one_it_ends_by_a_signal_at_any_moment(seconds, folders, code, free_port):
    own = {"PYTHONPATH": str(code), "SERVE_PORT": str(free_port()), "SERVE_DRAIN_SECONDS": "0"}
    command = [*ALONE, sys.executable, "-m", "mlgitops.serving", str(folders["binary"])]
    with subprocess.Popen(command, env=os.environ | own, stdout=subprocess.DEVNULL) as outer:
        try:
            children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
            inner = int(wait_for(children.read_text))
            wait_for(lambda: handles_sigterm(inner))
            time.sleep(seconds)
            os.kill(inner, signal.SIGTERM)
            assert outer.wait(30) == 0
        finally:
            outer.kill()


def wait_for(found, seconds=10):
    """What a function returns as soon as it returns something."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return value


def handles_sigterm(process):
    """Whether Python has come to run a line of ours: until then, no program can do anything."""
    caught = re.search(r"SigCgt:\s+(\w+)", Path(f"/proc/{process}/status").read_text())
    return int(caught[1], 16) >> (signal.SIGTERM - 1) & 1


SLOW = """
import time
from mlgitops.serving import cli, onnx
run = onnx.Onnx.__call__
def slow(self, table, likely):
    time.sleep(3 if len(table["count"]) > 1 else 0)
    return run(self, table, likely)
onnx.Onnx.__call__ = slow
cli.main()
"""


def test_the_drain_cuts_no_answer_short(folders, serving, one):
    """The body takes half of the 3 s that the request has, then the model takes all of them."""
    body = json.dumps({"inputs": [one, one]}).encode() + b" " * 20_000
    options = {"program": ("-c", SLOW), "seconds": 3, "drain_seconds": 0}
    with serving(folders["binary"], **options) as running, hold(running, body) as connection:
        running.process.send_signal(signal.SIGTERM)
        time.sleep(1.5)
        connection.sendall(body[-1:])
        answer = b"".join(iter(lambda: connection.recv(1000), b""))
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"the answer took longer" in answer
        assert running.process.wait(10) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
def test_connections_that_wait_are_taken_many_in_a_turn(folders):
    """By ones, a probe would wait behind them: a turn of a busy loop takes long."""
    import uvloop

    async def story():
        settings = Settings()
        server = Server(make_app(folders["binary"], settings), settings)
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        with socket.socket() as listener, ExitStack() as clients:
            listener.bind(("127.0.0.1", 0))
            await server.startup([listener])
            for _ in range(64):
                client = socket.create_connection(listener.getsockname(), timeout=20)
                clients.enter_context(client)
            turns = 0
            while len(server.all.open) < 64 and turns < 64:
                await asyncio.sleep(0)
                turns += 1
            await server.shutdown([listener])
            return turns

    assert uvloop.run(story()) <= 32


def test_what_the_policy_accepts_is_predicted_and_counted(make, serving, tmp_path, one):
    folder = make(tmp_path / "accepting", "binary", policy="accept")
    odd = one | {"colour": "blue", "count": 99}
    with serving(folder) as running:
        assert len(running.predictions({"inputs": [odd, one, odd]})) == 3
        assert running.metric('serve_unknown_category_total{column="colour"}') == 2
        assert running.metric('serve_out_of_range_total{column="count"}') == 2
        assert running.metric('serve_rows_total{endpoint="invocations"}') == 3
        assert running.ask("/invocations", {"inputs": [one | {"count": 1e39}]})[0] == 400
        assert running.ask("/invocations", {"inputs": [one | {"colour": [5]}]})[0] == 400


def test_what_the_model_cannot_compute_is_refused_by_row(make, serving, tmp_path, one):
    linear = {"class": "sklearn.linear_model.LinearRegression"}
    folder = make(tmp_path / "linear", "regression", policy="accept", estimator=linear)
    told = "the model computes no finite number for row 2"
    with serving(folder) as running:
        body = {"inputs": [one, one | {"length in mm": 3.4e38}]}
        status, _, answer = running.ask("/invocations", body)
        assert (status, answer["message"]) == (400, told)
        status, _, answer = running.ask("/v2/models/model/infer", tensors(body["inputs"]))
        assert (status, answer) == (400, {"error": told})
        assert running.predictions({"inputs": [one]})


def test_the_release_is_told(folders, serving, monkeypatch):
    values = {name: f"{name.lower()}-1" for name in ("COMMIT", "DATA", "IMAGE")}
    values["MODEL"] = repository.content(folders["binary"])
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with serving(folders["binary"]) as running:
        release = {name.lower(): value for name, value in values.items()}
        assert running.ask("/version")[2] == release | {"format": 1}
        assert running.metric('serve_model_info{commit="commit-1"') == 1
        assert running.ask("/v2/models/model")[2]["versions"] == [values["MODEL"]]


def test_another_model_than_that_of_the_release_is_refused(change_model, code):
    folder = change_model()
    released = repository.content(folder)
    (folder / "reference.json").write_text(
        (folder / "reference.json").read_text("utf-8") + "\n", encoding="utf-8"
    )
    assert f"not MODEL={released}" in refusal(code, folder, MODEL=released)


def test_the_hash_of_a_folder_is_that_of_dvc(tmp_path, monkeypatch, folders):
    monkeypatch.chdir(tmp_path)
    for name in ("b", "ü", "a/b", "a.b", "A"):
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_text(name, encoding="utf-8")
    for folder in (tmp_path / "model", *folders.values()):
        assert model.content(folder) == repository.content(folder)


def test_the_documentation_needs_no_other_server(binary):
    status, headers, _ = binary.ask("/")
    assert (status, headers["location"]) == (307, "docs")
    page = binary.ask("/docs")[2].decode()
    assert "<title>binary-project - Swagger UI</title>" in page
    addresses = re.findall(r"""(?:src|href|url)=?:? ?["']([^"']+)["']""", page)
    assert len(addresses) >= 4
    for address in addresses:
        assert address.startswith("/"), address
        assert binary.ask(address)[0] == 200
    assert len(binary.ask(next(one for one in addresses if one.endswith(".js")))[2]) > 1_000_000


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_it_prints_a_request_that_works(encoding, folders, code, free_port):
    own = {"PYTHONPATH": str(code), "SERVE_PORT": str(free_port()), "SERVE_DRAIN_SECONDS": "0"}
    own |= {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "mlgitops.serving", str(folders["binary"])]
    with subprocess.Popen(command, env=os.environ | own, stdout=subprocess.PIPE) as running:
        try:
            lines = [running.stdout.readline().decode() for _ in range(2)]
            assert lines[1].startswith("curl ")
            asked = [*shlex.split(lines[1]), "--silent", "--retry", "9", "--retry-connrefused"]
            done = subprocess.run(asked, capture_output=True, check=True, timeout=60)
            assert json.loads(done.stdout)["predictions"][0] in ("no", "yes")
        finally:
            running.kill()


def test_the_own_rows_of_the_table_are_taken(binary, one):
    """With the target and what else is no input, as `make score` takes them."""
    row = one | {"target": "yes"}
    forms = [
        {"inputs": [row]},
        {"inputs": {name: [value] for name, value in row.items()}},
        {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}},
    ]
    wanted = binary.predictions({"inputs": [one]})
    assert [binary.predictions(form) for form in forms] == [wanted] * 3
    text = b"target,count,wild,code,colour,gr\xc3\xb6\xc3\x9fe,length in mm\nyes,1,true,e,red,1,1\n"
    assert len(binary.predictions(text, kind="text/csv")) == 1
    asked = tensors([one])
    target = {"name": "target", "datatype": "BYTES", "shape": [1], "data": ["yes"]}
    asked["inputs"].append(target)
    assert binary.ask("/v2/models/model/infer", asked)[0] == 200


def test_more_columns_than_are_named_are_counted(binary, one):
    status, _, answer = binary.ask("/invocations", {"inputs": [{f"x{k}": 1 for k in range(11)}]})
    assert (status, answer["message"]) == (
        400,
        "x0, x1, x2, x3, x4, x5, x6, x7 and 3 more: not among the model's columns",
    )


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_both_readers_of_a_signature_agree(task, folders):
    ours, theirs = contract.read(folders[task]), exported_model.read(folders[task])
    assert ours.model_dump(mode="json") == theirs.model_dump(mode="json")
    assert ours.ignored == ("target",)
    written = json.loads((folders[task] / "signature.json").read_text("utf-8"))
    assert export.plain(theirs) == written
    older = {name: value for name, value in written.items() if name != "ignored"}
    assert contract.Signature.model_validate(older).ignored == ()
    assert exported_model.Signature.model_validate(older).ignored == ()


def test_the_examples_of_the_documentation_work(binary):
    described = binary.ask("/openapi.json")[2]["paths"]
    assert binary.ask("/docs")[0] == 200
    taken = described["/invocations"]["post"]["requestBody"]["content"]
    schema = taken["application/json"]["schema"]
    bodies = [one["value"] for one in taken["application/json"]["examples"].values()]
    assert len(bodies) == 5
    for body in bodies:
        jsonschema.validate(body, schema)
        assert len(binary.predictions(body)) == 3
    assert len(binary.predictions(taken["text/csv"]["example"].encode(), kind="text/csv")) == 3
    infer = described["/v2/models/model/infer"]["post"]["requestBody"]["content"]
    example = infer["application/json"]["example"]
    jsonschema.validate(example, infer["application/json"]["schema"])
    assert binary.ask("/v2/models/model/infer", example)[0] == 200
    codes = {"200", "400", "408", "413", "415", "503"}
    assert set(described["/v2/models/model/infer"]["post"]["responses"]) == codes
    assert set(described["/invocations"]["post"]["responses"]) == codes


@pytest.mark.parametrize(
    ("name", "change", "status"),
    [
        ("count", {"data": [None]}, 400),
        ("größe", {"datatype": "INT64", "data": [None]}, 400),
        ("größe", {"data": [None]}, 200),
        ("count", {"data": None}, 400),
        ("count", {"data": [[1]], "shape": [1, 1]}, 200),
        ("count", {"datatype": "BYTES", "data": ["many"]}, 400),
        ("wild", {"data": [None]}, 400),
        ("year", {}, 400),
    ],
)
def test_the_documentation_refuses_the_tensors_that_the_server_refuses(
    name, change, status, binary, one
):
    described = binary.ask("/openapi.json")[2]["paths"]["/v2/models/model/infer"]["post"]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    body = tensors([one], **{name: change})
    if name == "year":
        body["inputs"].append({"name": name, "datatype": "INT64", "shape": [1], "data": [1]})
    assert binary.ask("/v2/models/model/infer", body)[0] == status
    assert jsonschema.Draft202012Validator(schema).is_valid(body) == (status == 200)


@pytest.mark.parametrize("policy", ["refuse", "accept"])
@pytest.mark.parametrize("change", [{"count": 99}, {"colour": "blue"}])
def test_the_documentation_states_as_a_rule_what_is_refused(policy, change, folders, one):
    signature = contract.read(folders["binary"]).model_copy(
        update={"unknown_category": policy, "out_of_range": policy}
    )
    operation = documentation.paths(signature, Settings())["/invocations"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    checked = jsonschema.Draft202012Validator(schema)
    odd = one | change
    for body in ({"inputs": [odd]}, {"instances": odd}, {"inputs": {k: [odd[k]] for k in odd}}):
        assert checked.is_valid(body) == (policy == "accept")
    assert not checked.is_valid({"inputs": [one | {"wild": 1}]})
