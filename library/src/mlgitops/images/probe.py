"""What `make smoke` runs inside the container: one request, repeated until the server is ready.

Only the standard library is there. It asks by the container's own address, as a probe does.
"""

import json
import socket
import sys
import time
from http.client import HTTPConnection

PORT = 8000


def ask(path: str, body: str) -> tuple[int, str]:
    """Status and text of one answer."""
    connection = HTTPConnection(socket.gethostname(), PORT, timeout=30)
    headers = {"Content-Type": "application/json"}
    connection.request("POST" if body else "GET", path, body or None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def patient(path: str, body: str, seconds: float) -> tuple[int, str]:
    """The first answer that is not 503, in so many seconds; else the last one, or why not."""
    end, last = time.monotonic() + seconds, (0, "nothing listens")
    while True:
        try:
            last = ask(path, body)
        except OSError as error:
            last = 0, str(error)
        if last[0] not in (0, 503) or time.monotonic() > end:
            return last
        time.sleep(0.02)


def main() -> None:
    """Print status and text of the answer to PATH BODY SECONDS, as JSON."""
    print(json.dumps(patient(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
