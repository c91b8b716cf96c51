"""`serve [FOLDER]`: answer for the model in a folder."""

import argparse
import errno
import json
import os
import shlex
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlgitops.serving.errors import UserError

if TYPE_CHECKING:
    from mlgitops.serving.settings import Settings

FOLDER = Path("artifacts/model")
RULES = Path("gate.yaml")


def overview() -> str:
    """The settings, their defaults and meanings, for `serve --help`."""
    from mlgitops.serving.settings import PREFIX, Settings

    lines = []
    for name, field in Settings.model_fields.items():
        if name != "release":
            meaning = f"  {field.description}" if field.description else ""
            lines.append(f"  {PREFIX}{name.upper()}={field.default}{meaning}")
    return "\n".join(["environment variables and their defaults:", *lines])


def listening(settings: "Settings") -> socket.socket:
    """A socket on the chosen address; a UserError if it is taken or not ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((settings.host, settings.port))
    except OSError as error:
        made.close()
        taken = " (another port: SERVE_PORT)" if error.errno == errno.EADDRINUSE else ""
        where = f"{settings.host}:{settings.port}"
        raise UserError(f"cannot listen on {where}: {error.strerror}{taken}") from None
    return made


def project() -> str:
    """The name of the project in this folder; "" where there is none, as in an image."""
    import tomllib

    try:
        known = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))
        return str(known["project"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def log_settings(file: Path = RULES) -> dict[str, str]:
    """The section `log` of gate.yaml as environment variables; none where there is no such file."""
    if not file.is_file():
        return {}
    import yaml

    try:
        found = (yaml.safe_load(file.read_text("utf-8")) or {}).get("log") or {}
        return {f"SERVE_LOG_{str(key).upper()}": str(value) for key, value in found.items()}
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise UserError(f"{file} cannot be read: {' '.join(str(error).split())}") from None


def request(folder: Path, address: str) -> str:
    """A command that asks for a prediction of the first row that the model came with."""
    from mlgitops.serving.contract import read

    records = {"dataframe_records": read(folder).examples[:1]}
    row = json.dumps(records, ensure_ascii=sys.stdout.encoding.lower() != "utf-8")
    kind = "Content-Type: application/json"
    return shlex.join(["curl", f"{address}/invocations", "-H", kind, "-d", row])


def serve(folder: Path) -> None:
    """Serve the folder until a signal."""
    from mlgitops.serving.server import Server, make_app
    from mlgitops.serving.settings import Settings

    settings = Settings.read({"SERVE_TITLE": project()} | log_settings() | os.environ)
    if settings.ship:
        from mlgitops.serving.ship import watch

        watch(settings, settings.store)
        return
    server = Server(make_app(folder, settings), settings)
    sock = listening(settings)
    address = f"http://{settings.host}:{settings.port}"
    print(f"serve: {folder} on {address}/docs", flush=True)
    print(request(folder, address), flush=True)
    server.run(sockets=[sock])


def interruptible() -> None:
    """End by a signal until the server has a drain: to process 1 the system's default is none."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))


def main() -> None:
    """Run `serve` with the arguments of this process."""
    interruptible()
    parser = argparse.ArgumentParser(
        "serve",
        description="Answer for the model in a folder, by MLflow's protocol and V2.",
        epilog=overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    try:
        serve(parser.parse_args().folder)
    except UserError as mistake:
        print(f"serve: {mistake}", file=sys.stderr)
        sys.exit(1)
