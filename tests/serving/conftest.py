"""Models of each task over one small table of every type, and real servers that answer for them."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import mlgitops
import pandas as pd
import pytest
from mlgitops.data import contract
from mlgitops.training import exported_model, features
from served_models import export_model, table

SOURCE = Path(mlgitops.__file__).parent


@pytest.fixture(scope="session")
def code(tmp_path_factory):
    """A folder in which there is the server and nothing else of the library, as in an image."""
    folder = tmp_path_factory.mktemp("code")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCE / "serving", folder / "mlgitops/serving", ignore=ignored)
    shutil.copy(SOURCE / "__init__.py", folder / "mlgitops")
    return folder


class Running:
    """A server process, and one request to it."""

    def __init__(self, process, port, folder):
        self.process, self.port, self.folder = process, port, folder

    def ask(self, path, body=None, kind="application/json", method=None, headers=()):
        """Status, headers and body of the answer; JSON is read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        told = dict(headers) | ({"Content-Type": kind} if data is not None and kind else {})
        connection.request(method or ("GET" if data is None else "POST"), path, data, told)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        found = dict(answer.getheaders())
        if found.get("content-type") == "application/json" and text:
            return answer.status, found, json.loads(text)
        return answer.status, found, text

    def predictions(self, body, **options):
        """What /invocations answers; it must be 200."""
        status, _, answer = self.ask("/invocations", body, **options)
        assert status == 200, answer
        return answer["predictions"]

    def metric(self, line):
        """A value of /metrics, by the beginning of its line."""
        text = self.ask("/metrics")[2].decode()
        return sum(float(one.split()[-1]) for one in text.splitlines() if one.startswith(line))

    def peak(self):
        """The most memory that it had so far, in MB."""
        about = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return int(re.search(r"VmHWM:\s+(\d+) kB", about)[1]) / 1024

    def listens(self):
        """Whether it still takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=20).close()
        except ConnectionRefusedError:
            return False
        return True

    def stop(self):
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@pytest.fixture(scope="session")
def serving(code, free_port):
    """Starts a server for a folder, with settings; it is stopped at the end."""

    @contextmanager
    def start(folder, program=("-m", "mlgitops.serving"), **settings):
        port = settings.pop("port", None) or free_port()
        own = {f"SERVE_{name.upper()}": str(value) for name, value in settings.items()}
        own |= {"SERVE_PORT": str(port), "PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
        own = {"SERVE_DRAIN_SECONDS": "0"} | own
        command = [sys.executable, *program, str(folder)]
        process = subprocess.Popen(command, env=os.environ | own, stdout=subprocess.DEVNULL)
        running = Running(process, port, folder)
        try:
            wait(running)
            yield running
        finally:
            process.kill()
            process.wait()

    return start


def wait(running, seconds=60):
    """Until it is ready."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert running.process.poll() is None, "the server ended"
        try:
            if running.ask("/v2/health/ready")[0] == 200:
                return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the server is not ready")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """artifacts/model/ of each task."""
    place = tmp_path_factory.mktemp("models")
    return {
        task: export_model(place / task, task) for task in ("binary", "multiclass", "regression")
    }


@pytest.fixture(scope="session")
def servers(folders, serving):
    """A server for each task."""
    with (
        serving(
            folders["binary"], max_rows=50, max_bytes=100_000, title="binary-project"
        ) as binary,
        serving(folders["multiclass"]) as multiclass,
        serving(folders["regression"]) as regression,
    ):
        yield {"binary": binary, "multiclass": multiclass, "regression": regression}


@pytest.fixture(scope="session")
def binary(servers):
    """The server that most tests ask."""
    return servers["binary"]


@pytest.fixture(scope="session")
def score_of():
    """What `score` predicts with a folder for records."""

    def predict(folder, records):
        exported = exported_model.load(folder)
        typed, _ = contract.check(pd.DataFrame(records), exported.signature.columns)
        return exported.predict(features.inputs(typed, exported.signature.columns))

    return predict


@pytest.fixture
def records():
    """Five rows that the contract allows; they cover missing values."""
    rows = table().iloc[[0, 1, 3, 5, 8]].astype(object)
    return json.loads(rows.to_json(orient="records"))


@pytest.fixture
def one(records):
    """A row without missing values."""
    return records[0]


@pytest.fixture(scope="session")
def make():
    """Exports a model."""
    return export_model
