import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from mlgitops.serving import health


@pytest.fixture
def server():
    """Answers every request with its `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(made.status if self.path == "/v2/health/ready" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    made = HTTPServer(("127.0.0.1", 0), Handler)
    made.status = 200
    Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (404, False)])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", ""])
def test_it_is_healthy_while_it_takes_requests(server, status, healthy, host):
    server.status = status
    assert health.healthy(host, server.server_port) is healthy


def test_nobody_there_is_not_healthy(server, monkeypatch):
    port = server.server_port
    server.shutdown()
    server.server_close()
    monkeypatch.setenv("SERVE_PORT", str(port))
    with pytest.raises(SystemExit) as stopped:
        health.main()
    assert stopped.value.code == 1


def test_it_loads_nothing_of_the_server():
    heavy = "{'fastapi', 'numpy', 'pydantic'}"
    code = f"import sys, mlgitops.serving.health; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout == "set()\n"
