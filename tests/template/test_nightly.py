"""`.ci/tell`: one issue, whatever the number of nights that fail."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from baked import ROOT, run

TITLE = "The tests fail with the newest packages"


@pytest.fixture
def git_host():
    """A Git host with issues only; `issues` and `comments` are what it remembers."""

    class GitHost(BaseHTTPRequestHandler):
        issues: list = []  # noqa: RUF012
        comments: list = []  # noqa: RUF012

        def log_message(self, *_):
            pass

        def do_GET(self):
            assert self.path == "/repos/acme/template/issues?state=open&per_page=100"
            self.send(200, self.issues)

        def do_POST(self):
            assert self.headers["Authorization"] == "Bearer token"
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.endswith("/comments"):
                self.comments.append((self.path, body["body"]))
                return self.send(201, {})
            self.issues.append({"number": len(self.issues) + 1, **body})
            return self.send(201, self.issues[-1])

        def send(self, status, body):
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    server = ThreadingHTTPServer(("127.0.0.1", 0), GitHost)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    GitHost.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield GitHost
    server.shutdown()
    server.server_close()


def tell(git_host):
    environment = {
        "GITHUB_API_URL": git_host.url, "GITHUB_REPOSITORY": "acme/template", "GITHUB_RUN_ID": "7",
        "GITHUB_SERVER_URL": "https://github.com", "GITHUB_TOKEN": "token",
    }  # fmt: skip
    return run(sys.executable, str(ROOT / ".ci/tell"), cwd=ROOT, **environment)


def test_the_first_failure_opens_an_issue_and_the_next_comments_on_it(git_host):
    assert "opened #1" in tell(git_host)
    assert git_host.issues[0]["title"] == TITLE
    assert "https://github.com/acme/template/actions/runs/7" in git_host.issues[0]["body"]
    assert "commented on #1" in tell(git_host)
    assert len(git_host.issues) == 1
    assert git_host.comments[0][0] == "/repos/acme/template/issues/1/comments"


def test_a_pull_request_of_the_same_title_is_no_issue(git_host):
    git_host.issues.append({"number": 1, "title": TITLE, "pull_request": {}})
    assert "opened #2" in tell(git_host)
