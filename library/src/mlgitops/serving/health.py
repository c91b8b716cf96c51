"""The image's health check: whether the server on this machine takes requests."""

import os
import sys
from http.client import HTTPConnection, HTTPException

EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104


def healthy(host: str, port: int) -> bool:
    """Whether the server at this address is ready."""
    connection = HTTPConnection("127.0.0.1" if host in EVERYWHERE else host, port, timeout=2)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    """Exit with 0 or 1, as SERVE_HOST and SERVE_PORT say where."""
    host, port = os.environ.get("SERVE_HOST", ""), os.environ.get("SERVE_PORT", "8000")
    sys.exit(0 if healthy(host, int(port)) else 1)
