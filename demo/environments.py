"""Staging and production on this machine: containers where Docker answers, else processes."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol
from urllib.request import Request, urlopen

from images import PATIENCE, NoImages, Registry, check_base, docker, free_port, wait
from story import FOLDER, PROJECT, Done, Story, fold, print_indented, without_noise


class Way(Protocol):
    """How an image is made and how an environment runs."""

    def release(self) -> None:
        """Make the image of HEAD, and deploy/staging/release.env; NoImages if it cannot."""

    def start(self, environment: str, port: int) -> None:
        """Run what the environment's release.env says."""

    def stop(self, environment: str) -> None:
        """End that, if it runs."""

    def close(self) -> None:
        """End everything else that was started."""


class Processes:
    """The server as a process, and the hash of the commit's files instead of an image's."""

    def __init__(self, story: Story, why: str) -> None:
        """Say why there are no images."""
        self.story, self.running = story, dict[str, subprocess.Popen[bytes]]()
        self.story.environment["REGISTRY"] = "process"  # what their names begin with
        print(f"  # {why}: the same server runs as a process, and the hash of the commit's files")
        print("  # stands for the image that would be built from it; OFFLINE=1 trusts it")

    def release(self) -> None:
        """The commit itself, by the hash of its files."""
        archive = subprocess.run(
            ["git", "archive", "HEAD"], cwd=PROJECT, stdout=subprocess.PIPE, check=True
        ).stdout
        image = f"process/{PROJECT.name}@sha256:{hashlib.sha256(archive).hexdigest()}"
        self.story.step("release to staging", f"make release OFFLINE=1 IMAGE={image}")

    def start(self, environment: str, port: int) -> None:
        """`make serve` in a session of its own, so that all of it can be ended."""
        print(f"  $ make serve ENVIRONMENT={environment} SERVE_PORT={port} &", flush=True)
        with (FOLDER / f"{environment}.log").open("wb") as log:
            self.running[environment] = subprocess.Popen(
                ["make", "serve", f"ENVIRONMENT={environment}", f"SERVE_PORT={port}"],
                cwd=PROJECT, env=self.story.environment | {"SERVE_DRAIN_SECONDS": "0"},
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def stop(self, environment: str) -> None:
        """Ask make and all that it started to end; after a while, end them."""
        if process := self.running.pop(environment, None):
            end, number = time.monotonic() + PATIENCE, int(signal.SIGTERM)
            while group_is_there(process, number):
                number = signal.SIGKILL if time.monotonic() > end else 0
                time.sleep(0.05)

    def close(self) -> None:
        """Nothing else was started."""


def group_is_there(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal, or 0 for none, to all that a process started; False if none is left."""
    process.poll()
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


class Containers:
    """Images in a registry of this machine, and containers with the values of release.env."""

    def __init__(self, story: Story) -> None:
        """Use the registry of TEST_REGISTRY, else start one."""
        self.story, self.names = story, set[str]()
        self.registry = None if os.environ.get("TEST_REGISTRY") else Registry()
        address = self.registry.address if self.registry else os.environ["TEST_REGISTRY"]
        self.story.environment["REGISTRY"] = address
        print(f"  # images go to the registry at {address}")

    def release(self) -> None:
        """Build, push, and release what was pushed."""
        for what, command in (
            ("build the image", "make image"), ("try the image", "make smoke"),
            ("push it", "make push"),
        ):  # fmt: skip
            started = time.monotonic()
            done = self.story.result(command)
            if done.returncode != 0:
                raise NoImages(reason(command, done.stdout))
            print_indented(fold(without_noise(done.stdout)))
            self.story.done.append(Done(what, time.monotonic() - started))
        self.story.step("release to staging", "make release")

    def start(self, environment: str, port: int) -> None:
        """The image of release.env, with its lines as environment variables."""
        file = f"deploy/{environment}/release.env"
        image = (PROJECT / file).read_text("utf-8").splitlines()[0].removeprefix("IMAGE=")
        name = f"{PROJECT.name}-demo-{environment}-{os.getpid()}"
        self.names.add(name)
        self.story.run(
            f"docker run --detach --rm --read-only --name {name} --env-file {file} "
            f"--publish 127.0.0.1:{port}:8000 {image}",
        )

    def stop(self, environment: str) -> None:
        """Take the container away."""
        name = f"{PROJECT.name}-demo-{environment}-{os.getpid()}"
        if name in self.names:
            self.names.remove(name)
            subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)

    def close(self) -> None:
        """Stop the containers and the registry."""
        for name in self.names:
            subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
        if self.registry:
            self.registry.close()


def reason(command: str, said: str) -> str:
    """Why a command failed, in one line: what mlgitops says of it, or its last words."""
    lines = [line.strip() for line in said.splitlines() if not line.startswith("make: ")]
    ours = [line for line in lines if line.startswith("mlgitops ")]
    *_, last = ["it does not say why", *filter(None, ours or lines)]
    return f"`{command}` failed: {last[:300]}"


def choose(story: Story) -> Way:
    """Containers, if all that they need is here; else processes."""
    if os.environ.get("WAY") == "process":
        return Processes(story, "WAY=process asks for no containers")
    try:
        docker("version")
        check_base()
        return Containers(story)
    except NoImages as why:
        return Processes(story, str(why))


class Environments:
    """Plays the cluster: makes what runs equal to deploy/, and shows that it is."""

    def __init__(self, story: Story) -> None:
        """Nothing runs."""
        self.story, self.way = story, choose(story)
        self.ports: dict[str, int] = {}

    def release(self) -> None:
        """HEAD to staging, as a file; where Docker answers but makes no image, without one."""
        try:
            self.way.release()
        except NoImages as why:
            self.way.close()
            self.way = Processes(self.story, str(why))
            self.way.release()

    def follow(self, environment: str, rows: Path | None = None) -> dict[str, str]:
        """Run what the file says, ask it for its version and for predictions; the version."""
        started = time.monotonic()
        port = self.ports.setdefault(environment, free_port())
        self.way.stop(environment)
        self.way.start(environment, port)
        wait(f"http://127.0.0.1:{port}/v2/health/ready", FOLDER / f"{environment}.log")
        self.story.done.append(Done(f"{environment} follows", time.monotonic() - started))
        version = json.loads(self.ask(port, "/version"))
        lines = (PROJECT / f"deploy/{environment}/release.env").read_text("utf-8").splitlines()
        said = {line.partition("=")[0].lower(): line.partition("=")[2] for line in lines}
        if not said.items() <= version.items():
            sys.exit(f"{environment} runs {version}, and its file says {said}")
        if rows:
            self.ask(port, "/invocations", rows)
        return version

    def ask(self, port: int, path: str, rows: Path | None = None) -> str:
        """What a server answers, shown with the command that asks it so."""
        address = f"http://127.0.0.1:{port}{path}"
        body = rows.read_bytes() if rows else None
        given = f" -H 'Content-Type: text/csv' --data-binary @{rows.name}" if rows else ""
        print(f"  $ curl {address}{given}")
        request = Request(address, body, {"Content-Type": "text/csv"} if rows else {})
        with urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read().decode()
        print_indented(text)
        return text

    def close(self) -> None:
        """Stop everything that was started."""
        for environment in self.ports:
            self.way.stop(environment)
        self.way.close()
