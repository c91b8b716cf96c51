"""What real clients send with their defaults."""

import gzip
import json
import shutil
import socket
import subprocess
import zlib

import httpx
import numpy as np
import pandas as pd
import pytest
import requests
from made_tensors import TYPES, tensors

pytestmark = pytest.mark.slow

KIND = "application/json"
JAVA = """
import java.net.URI;
import java.net.http.*;

public class Ask {
    public static void main(String[] given) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        HttpRequest request = HttpRequest.newBuilder(URI.create(given[0]))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(given[1])).build();
        HttpResponse<String> answer = null;
        for (int turn = 0; turn < 3; turn++) {
            answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) break;
        }
        System.out.println(answer.body());
    }
}
"""
GO = """
package main

import (
    "fmt"
    "io"
    "net/http"
    "os"
    "strings"
)

func main() {
    text := ""
    for turn := 0; turn < 3; turn++ {
        answer, err := http.Post(os.Args[1], "application/json", strings.NewReader(os.Args[2]))
        if err != nil {
            panic(err)
        }
        found, _ := io.ReadAll(answer.Body)
        answer.Body.Close()
        text = string(found)
    }
    fmt.Println(text)
}
"""
NODE = """
const [address, body] = process.argv.slice(1);
const headers = {"Content-Type": "application/json"};
let text = "";
for (let turn = 0; turn < 3; turn++) {
    text = await (await fetch(address, {method: "POST", headers, body})).text();
}
console.log(text);
"""


@pytest.fixture
def address(binary):
    return f"http://127.0.0.1:{binary.port}/invocations"


def run_client(program, arguments, address, one, cwd):
    """The predictions that a program prints."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    command = [program, *arguments, address, json.dumps({"inputs": [one]})]
    done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)["predictions"]


def test_java(binary, address, one, tmp_path):
    """It offers HTTP/2 with each request: `Upgrade: h2c`."""
    (tmp_path / "Ask.java").write_text(JAVA, encoding="utf-8")
    found = run_client("java", ["Ask.java"], address, one, tmp_path)
    assert found == binary.predictions({"inputs": [one]})


def test_go(binary, address, one, tmp_path):
    (tmp_path / "ask.go").write_text(GO, encoding="utf-8")
    found = run_client("go", ["run", "ask.go"], address, one, tmp_path)
    assert found == binary.predictions({"inputs": [one]})


def test_node(binary, address, one, tmp_path):
    found = run_client("node", ["--input-type=module", "-e", NODE], address, one, tmp_path)
    assert found == binary.predictions({"inputs": [one]})


def test_curl(binary, address, one, tmp_path):
    """A body of more than a megabyte waits for `100 Continue`."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    for body, status in ((json.dumps({"inputs": [one]}), 200), (" " * 1_500_000, 413)):
        (tmp_path / "body").write_text(body, encoding="utf-8")
        command = ["curl", "-s", "-w", "%{http_code}", "-H", f"Content-Type: {KIND}"]
        command += ["--data-binary", f"@{tmp_path / 'body'}", address]
        done = subprocess.run(command, capture_output=True, timeout=60, check=True)
        assert done.stdout.endswith(str(status).encode())


def test_an_offer_of_another_protocol_is_ignored_and_the_connection_goes_on(binary, one):
    body = json.dumps({"inputs": [one]}).encode()
    head = "POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    head += f"Upgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\nContent-Type: {KIND}\r\n"
    asked = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", binary.port), timeout=20) as connection:
        for pieces in ([asked], [asked[:200], asked[200:]], [asked + asked]):
            for piece in pieces:
                connection.sendall(piece)
            found = b""
            while found.count(b"predictions") < len(b"".join(pieces)) // len(asked):
                piece = connection.recv(10_000)
                assert piece, found
                found += piece
            assert found.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress),
     ("identity", bytes)],
)  # fmt: skip
def test_a_packed_body_is_read(encoding, pack, binary, one):
    body = json.dumps({"inputs": [one]}).encode()
    found = binary.predictions(pack(body), headers={"Content-Encoding": encoding})
    assert found == binary.predictions(body)


def test_a_body_that_cannot_be_unpacked_is_refused(binary, one):
    packed = gzip.compress(json.dumps({"inputs": [one]}).encode())
    for encoding, body, status, why in [
        ("br", packed, 415, "Content-Encoding 'br' is not read: send gzip, deflate, or none"),
        ("gzip, gzip", packed, 415, "is not read"),
        ("gzip", b"{}", 400, "the body cannot be unpacked"),
        ("gzip", packed[:-9], 400, "it is not whole"),
        ("gzip", packed * 2, 400, "it is not whole"),
        ("gzip", gzip.compress(b" " * 100_001), 413, "bytes when unpacked"),
        ("gzip", gzip.compress(b" " * 99_000), 413, "bytes when unpacked"),
    ]:
        headers = {"Content-Encoding": encoding}
        found, answered, answer = binary.ask("/invocations", body, headers=headers)
        assert (found, why in answer["message"]) == (status, True), (encoding, answer)
        assert ("accept-encoding" in answered) == (status == 415)


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
@pytest.mark.parametrize("raw", [False, True])
def test_the_client_of_triton_may_pack(packing, raw, binary, one):
    client = pytest.importorskip("tritonclient.http")
    kinds = {"FP32": "f4", "INT64": "i8", "FP64": "f8", "BOOL": "?", "BYTES": object}
    inputs = []
    for name, kind in TYPES.items():
        inputs.append(client.InferInput(name, [1], kind))
        array = np.array([one[name]], dtype=kinds[kind])
        inputs[-1].set_data_from_numpy(array, binary_data=raw)
    with client.InferenceServerClient(f"127.0.0.1:{binary.port}") as asking:
        found = asking.infer("model", inputs, request_compression_algorithm=packing)
        label = found.as_numpy("label").tolist()[0]
        assert [label.decode()] == binary.predictions({"inputs": [one]})
        outputs = [client.InferRequestedOutput("label", class_count=2)]
        with pytest.raises(client.InferenceServerException, match="classification is not"):
            asking.infer("model", inputs, outputs=outputs)


def test_the_client_of_mlflow(binary, one):
    """It asks for /ping and /version too, and sends a table as MLflow writes it."""
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    client = ScoringServerClient("127.0.0.1", binary.port)
    client.ping()
    assert json.loads(client.get_version()) == binary.ask("/version")[2]
    found = client.invoke(pd.DataFrame([one])).get_predictions()
    assert found[0].tolist() == binary.predictions({"inputs": [one]})


@pytest.mark.parametrize("session", [requests.Session, httpx.Client])
def test_connections_that_are_kept_survive_a_restart(session, folders, serving, free_port, one):
    """A server leaves without cutting a request, and the client connects to the next one."""
    port, body = free_port(), {"inputs": [one]}
    with session() as asking:
        for _ in range(2):
            with serving(folders["binary"], port=port) as running:
                for _ in range(3):
                    answer = asking.post(f"http://127.0.0.1:{port}/invocations", json=body)
                    assert answer.status_code == 200
                assert running.stop() == 0


@pytest.mark.parametrize(
    "text",
    [
        '{"inputs": [], "inputs": [ROW]}',
        '{"inputs": [{"count": 1, ROW}]}',
        '{"inputs": {"a": {"b": 1, "b": ":"}}}',
    ],
)
def test_a_key_twice_is_refused(text, binary, one):
    row = json.dumps(one)
    body = text.replace("ROW", row if "[ROW]" in text else row[1:-1])
    status, _, answer = binary.ask("/invocations", body.encode())
    assert (status, "stands twice in the same object" in answer["message"]) == (400, True)


def test_a_key_twice_in_tensors_is_refused(binary, one):
    body = json.dumps(tensors([one])).replace('"name": "count"', '"name": "count", "name": "count"')
    status, _, answer = binary.ask("/v2/models/model/infer", body.encode())
    assert (status, answer["error"]) == (400, "name: stands twice in the same object")


def test_a_colon_in_a_value_is_no_key(binary, one):
    assert binary.predictions({"inputs": [one | {"code": "a:b"}]})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/invocations", "/v2/models/model/infer"])
def test_another_method_is_told_which_is_right(method, path, binary):
    status, headers, _ = binary.ask(path, method=method)
    assert (status, headers["allow"]) == (405, "POST")
