"""What the demo needs for images: a Docker that answers, a base image, a registry."""

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from story import FOLDER, PROJECT, print_indented

REGISTRY = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "{address}"}}
"""
PATIENCE = 60  # seconds


class Registry:
    """A registry on this machine: the program docker-registry where there is one, or its image."""

    def __init__(self) -> None:
        """Start it; a NoImages says why that cannot be."""
        port = free_port()
        self.address, self.process, self.name = f"localhost:{port}", None, ""
        log = FOLDER / "registry.log"
        if program := shutil.which("docker-registry"):
            config = FOLDER / "registry.yml"
            folder = json.dumps(str(FOLDER / "registry"))
            config.write_text(REGISTRY.format(folder=folder, address=self.address))
            with log.open("wb") as file:
                command = [program, "serve", str(config)]
                self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        else:
            self.name = f"{PROJECT.name}-demo-registry-{os.getpid()}"
            publish = f"127.0.0.1:{port}:5000"
            docker(
                "run", "--detach", "--rm", "--name", self.name, "--publish", publish, "registry:2"
            )
        try:
            wait(f"http://{self.address}/v2/", log)
        except SystemExit as silent:
            self.close()
            raise NoImages(f"the registry does not start: {silent}") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop it, and forget the images."""
        if self.process:
            self.process.terminate()
            self.process.wait()
            shutil.rmtree(FOLDER / "registry", ignore_errors=True)
        else:
            docker("rm", "--force", "--volumes", self.name)


class NoImages(Exception):
    """Why there can be no images here."""


def docker(*arguments: str) -> None:
    """Run a docker command; a NoImages tells the last line of why it failed."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NoImages("Docker is not installed") from None
    if done.returncode != 0:
        *_, last = ["it does not say why", *done.stderr.split("\n")[:-1]]
        raise NoImages(f"docker {arguments[0]}: {last[:200]}")


def check_base() -> None:
    """A NoImages if the image that ours stands on is neither here nor in reach."""
    pinned = re.search(r"^ARG BASE=(\S+)", (PROJECT / "Dockerfile").read_text("utf-8"), re.M)
    base = os.environ.get("BASE") or pinned[1]
    try:
        docker("image", "inspect", base)
    except NoImages:
        docker("pull", "--quiet", base)


def free_port() -> int:
    """A port of this machine on which nothing listens, and that none of its connections gets."""
    with socket.socket() as tried, suppress(OSError):
        tried.bind(("127.0.0.1", random.randrange(20_000, 30_000)))
        return int(tried.getsockname()[1])
    return free_port()


def wait(address: str, log: Path) -> None:
    """Return as soon as the address answers; end the story if it never does."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    print_indented(log.read_text("utf-8", errors="replace") if log.exists() else "")
    sys.exit(f"{address} does not answer")
