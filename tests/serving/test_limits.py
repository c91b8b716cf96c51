"""Nothing small brings the server down: memory, time and connections of a real process."""

import gzip
import http.client
import json
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from made_tensors import tensors
from mlgitops.serving import bodies
from mlgitops.serving.settings import Settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak"),
]

MOST = Settings.model_fields["max_bytes"].default
PEAK = 400  # MB, where a pod may have 512
SECONDS = 10  # to an answer, with slack for a busy machine; a quadratic reading takes minutes
NAMES = [f"{k:x}" for k in range(100_000)]
JSON, CSV = "application/json", "text/csv"


def fill(head, piece, tail):
    """A body of as many pieces as the server takes."""
    return head + piece * ((MOST - len(head + tail)) // len(piece)) + tail


def dump(body):
    return json.dumps(body, separators=(",", ":")).encode()


BODIES = {
    "records with different keys": dump({"inputs": [{name: 0} for name in NAMES]}),
    "one record of many keys": dump({"inputs": [dict.fromkeys(NAMES, 0)]}),
    "many columns of one row": dump({"inputs": {name: [0] for name in NAMES}}),
    "a name twice": dump({"dataframe_split": {"columns": [*NAMES, "0"], "data": [[0]]}}),
    "many names, many rows": dump({"dataframe_split": {"columns": NAMES, "data": [[]] * 10_000}}),
    "a key twice": b'{"inputs":{' + b",".join(b'"%x":1' % k for k in range(100_000)) + b',"0":1}}',
    "empty objects": fill(b'{"a":[', b"{},", b"{}]}"),
    "empty lists": fill(b'{"inputs":[', b"[],", b"[]]}"),
    "lists in lists": fill(b'{"inputs":[', b"[" * 500 + b"]" * 500 + b",", b"0]}"),
    "lists that do not end": fill(b'{"inputs":[', b"[", b""),
    "records": fill(b'{"inputs":[', b'{"count":1},', b'{"count":1}]}'),
    "records of a colon": fill(b'{"inputs":[', b'{"code":":"},', b'{"code":":"}]}'),
    "rows": fill(b'{"dataframe_split":{"columns":["count"],"data":[', b"[1],", b"[1]]}}"),
    "numbers": fill(b'{"inputs":{"count":[', b"1.5,", b"1.5]}}"),
    "NaN": fill(b'{"inputs":{"count":[', b"NaN,", b"NaN]}}"),
    "texts": fill(b'{"inputs":{"code":[', b'"ab",', b'"ab"]}}'),
    "wide characters": fill(b'{"inputs":{"count":[NaN,', '"😀",'.encode(), b"0]}}"),
}
TABLES = {
    "rows of CSV": fill(b"count\n", b"1\n", b""),
    "names of CSV": fill(b"", b"ab,", b"a\n1\n"),
    "cells of CSV": fill(b"count\n", b"1,", b"1\n"),
    "quotes of CSV": fill(b"count\n", b'"1"\n', b""),
}
OUTPUTS = [{"name": "probabilities"}] * 3000
V2 = {
    "one output many times": lambda one: tensors([one] * 1000) | {"outputs": OUTPUTS},
    "many tensors": lambda _: {"inputs": [{"name": name, "shape": [1]} for name in NAMES[:50_000]]},
    "many rows": lambda one: tensors([one], count={"shape": [10**6], "data": [1] * 10**6}),
    "lists of one": lambda one: tensors([one], count={"shape": [10**6], "data": [[1]] * 900_000}),
}


@pytest.fixture(scope="module")
def server(folders, serving):
    """The limits of a pod as they are by default."""
    with serving(folders["binary"]) as running:
        yield running


def took(running, path, body, kind=JSON, headers=()):
    """The status of an answer that came in time."""
    started = time.monotonic()
    status, _, answer = running.ask(path, body, kind=kind, headers=headers)
    assert time.monotonic() - started < SECONDS
    return status, answer


@pytest.mark.parametrize("name", BODIES)
def test_no_body_of_json_needs_much_memory_or_time(name, server):
    status, answer = took(server, "/invocations", BODIES[name])
    assert status in (400, 413), answer
    assert server.peak() < PEAK


@pytest.mark.parametrize("name", TABLES)
def test_no_csv_needs_much_memory_or_time(name, server):
    assert took(server, "/invocations", TABLES[name], CSV)[0] in (400, 413)
    assert server.peak() < PEAK


@pytest.mark.parametrize("name", V2)
def test_no_tensors_need_much_memory_or_time(name, server, one):
    status, answer = took(server, "/v2/models/model/infer", dump(V2[name](one)))
    assert status in (400, 413), answer
    assert server.peak() < PEAK


@pytest.mark.parametrize("data", [b"\x01", b"\x00", b"["])
@pytest.mark.parametrize("datatype", ["INT8", "BYTES"])
def test_no_binary_data_needs_much_memory(data, datatype, server, one):
    size = MOST - 2000
    about = {"datatype": datatype, "shape": [size], "parameters": {"binary_data_size": size}}
    name = "count" if datatype == "INT8" else "code"
    head = dump(tensors([one], **{name: about}))
    headers = {"Inference-Header-Content-Length": str(len(head))}
    status, _ = took(server, "/v2/models/model/infer", head + data * size, headers=headers)
    assert status == 413
    assert server.peak() < PEAK


def test_a_table_of_the_largest_size_is_answered(server, one):
    columns = {name: [value] * 100_000 for name, value in one.items()}
    columns["größe"] = list(range(100_000))
    body = dump({"inputs": columns})
    assert 2_000_000 < len(body) < MOST
    assert len(server.predictions(body)) == 100_000
    packed = gzip.compress(body)
    assert len(server.predictions(packed, headers={"Content-Encoding": "gzip"})) == 100_000
    assert server.peak() < PEAK


def test_many_large_bodies_at_once_need_no_more(server, one):
    asked = [BODIES[name] for name in ("empty lists", "records", "rows", "texts")] * 4
    with ThreadPoolExecutor(16) as clients:
        found = set(clients.map(lambda body: server.ask("/invocations", body)[0], asked))
    assert found <= {400, 413, 503}
    assert server.predictions({"inputs": [one]})
    assert server.peak() < PEAK


def test_bodies_are_admitted_by_what_they_may_become():
    memory = bodies.Memory(100_000, 1_000_000)
    first, second = bodies.Hold(memory), bodies.Hold(memory)
    first.read(600_000)
    with pytest.raises(bodies.Refusal, match="at once: try again") as busy:
        second.read(600_000)
    assert busy.value.status == 503
    first.release()
    second.read(600_000)
    with pytest.raises(bodies.Refusal, match="more memory than this server has") as vast:
        first.read(1_000_001)
    assert vast.value.status == 413


@pytest.mark.parametrize(
    "text", [b"[[]]," * 9999, b"{}," * 9999, b'{"":0},' * 9999, b"[0]," * 9999, b"1.5," * 9999]
)
def test_no_json_becomes_more_than_was_told(text):
    import tracemalloc

    body = b"[" + text + b"0]"
    tracemalloc.start()
    found = json.loads(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found
    assert peak < bodies.becomes(body, len(body))


# What comes before a body.


def answer(running, *pieces, seconds=15):
    """The first bytes that come back after some bytes; nothing if the connection is cut."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=seconds) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except OSError:
            pass
        try:
            return connection.recv(1000)
        except ConnectionError:
            return b""


MEGABYTE = b"a" * 1_000_000
GET = b"GET /version HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
PRELUDES = {
    "a URL": ([b"GET /", *[MEGABYTE] * 30], b"414"),
    "a URL that is only long": ([b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"], b"414"),
    "a header": ([GET, b"x: ", *[MEGABYTE] * 30], b"431"),
    "a name of a header": ([GET, *[MEGABYTE] * 30], b"431"),
    "many headers": ([GET, *[b"a: b\r\n" * 100_000] * 30], b"431"),
    "one header too many": ([GET + b"a: b\r\n" * 100 + b"\r\n"], b"431"),
    "headers behind a body": ([POST, b"0\r\n", *[b"a: b\r\n" * 100_000] * 9], b""),
    "a header behind a body": ([POST, b"0\r\na: ", *[MEGABYTE] * 30], b""),
    "an extension of a chunk": ([POST, b"5;a=", *[MEGABYTE] * 30], b""),
    "empty lines": ([b"\r\n" * 500_000] * 30, b""),
    "many requests at once": ([(GET + b"\r\n") * 30_000], b""),
    "no HTTP": ([b"\x16\x03\x01" + MEGABYTE], b"400"),
}


@pytest.mark.parametrize("name", PRELUDES)
def test_nothing_before_a_body_needs_much_memory_or_time(name, server):
    pieces, status = PRELUDES[name]
    started = time.monotonic()
    found = answer(server, *pieces)
    assert time.monotonic() - started < SECONDS
    assert found[9:12] == status or not status
    assert server.peak() < PEAK
    assert quick(server) < 2


def quick(running):
    """Seconds until health answers."""
    started = time.monotonic()
    assert running.ask("/v2/health/live")[0] == 200
    return time.monotonic() - started


def test_a_head_that_does_not_come_and_an_idle_connection_are_ended(folders, serving, one):
    with serving(folders["binary"], head_seconds=1, idle_seconds=2) as running:
        assert answer(running, GET)[9:12] == b"408"
        assert answer(running) == b""
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
        body = dump({"inputs": [one]})
        for wait in (0.1, 1.5, 0):
            connection.request("POST", "/invocations", body, {"Content-Type": JSON})
            assert len(json.load(connection.getresponse())["predictions"]) == 1
            time.sleep(wait)
        assert connection.sock.recv(10) == b""


def test_what_is_refused_early_is_read_to_its_end(server):
    """A client that sends on before it reads still gets the answer, and the connection lasts."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for _ in range(2):
        connection.request("POST", "/invocations", b" " * (MOST + 1), {"Content-Type": JSON})
        answer = connection.getresponse()
        assert answer.status == 413
        answer.read()


@pytest.fixture
def many():
    """As many open files as the system allows."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("sent", [b"", GET])
def test_idle_connections_keep_nobody_out(sent, folders, serving, one):
    with serving(folders["binary"]) as running, ExitStack() as idle:
        for _ in range(4200):
            connection = socket.create_connection(("127.0.0.1", running.port), timeout=20)
            idle.enter_context(connection)
            connection.sendall(sent)
        assert sorted(quick(running) for _ in range(9))[4] < 0.3
        assert running.predictions({"inputs": [one]})
        assert running.ask("/metrics")[0] == 200
        assert running.peak() < PEAK


def upload(running, body):
    """A connection that has sent its request but for the last byte."""
    connection = socket.create_connection(("127.0.0.1", running.port), timeout=20)
    head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body[:-1])
    return connection


@pytest.mark.parametrize("limit", ["connections", "client_connections"])
def test_health_and_metrics_answer_where_all_connections_are_at_work(limit, folders, serving, one):
    body = dump({"inputs": [one]})
    settings = {limit: 50, "concurrency": 2}
    with serving(folders["binary"], **settings) as running, ExitStack() as uploads:
        for _ in range(300):
            uploads.enter_context(upload(running, body))
        time.sleep(0.5)  # until it has read them: before, they are at no work
        for path in ("/v2/health/live", "/v2/health/ready", "/health", "/ping", "/metrics"):
            status, headers, _ = running.ask(path)
            assert (status, headers["connection"]) == (200, "close")
        status, headers, _ = running.ask("/invocations", body)
        assert (status, headers["retry-after"]) == (503, "1")
        uploads.close()
        time.sleep(0.5)
        assert running.predictions(body)
