"""Bare repositories of a folder over HTTP, as a Git host serves them, for controllers in a cluster.

`python tests/gitserver.py ADDRESS PORT FOLDER`; http://ADDRESS:PORT/NAME.git can be cloned, by
git's own http-backend. Pushing is left to the file system.
"""

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# By the CGI variable of each, the headers that the backend reads.
HEADERS = {
    "CONTENT_TYPE": "Content-Type",
    "CONTENT_LENGTH": "Content-Length",
    "HTTP_CONTENT_ENCODING": "Content-Encoding",
    "GIT_PROTOCOL": "Git-Protocol",
}


class Repositories(BaseHTTPRequestHandler):
    """A request, answered by git."""

    folder = Path()

    def do_GET(self) -> None:
        """Hand the request to git, and its answer back."""
        path, _, query = self.path.partition("?")
        asked = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
        }
        asked |= {name: self.headers.get(header, "") for name, header in HEADERS.items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=asked, stdout=subprocess.PIPE, check=True
        )
        self.answer(done.stdout)

    def do_POST(self) -> None:
        """The same."""
        self.do_GET()

    def answer(self, said: bytes) -> None:
        """Send what a CGI program said: headers, an empty line, the body."""
        head, _, body = said.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    address, port, folder = sys.argv[1:]
    Repositories.folder = Path(folder).resolve()
    ThreadingHTTPServer((address, int(port)), Repositories).serve_forever()
