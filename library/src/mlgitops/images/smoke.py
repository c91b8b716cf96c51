"""`make smoke`: start the image as Kubernetes would, and try what a release rests on."""

import json
import math
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from io import BytesIO
from time import perf_counter
from typing import Annotated, Any

import typer

from mlgitops.core.errors import UserError
from mlgitops.git.repository import digest
from mlgitops.images import build, docker

HARDENED = (
    "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pids-limit=256",
)  # fmt: skip
MODEL = "/app/artifacts/model"
READY_SECONDS = 30
DRAIN_SECONDS = 1
STOP_SECONDS = DRAIN_SECONDS + 5
LABELS = {"commit": build.REVISION, "model": build.MODEL, "data": build.DATA}
CLIENT = resources.files("mlgitops.images") / "probe.py"
WRITE = """
import os
for folder in ("/", "/app", "/app/artifacts/model", "/venv", "/tmp"):
    try:
        open(os.path.join(folder, "written"), "w").close()
        print(folder)
    except OSError:
        pass
"""


def smoke(
    image: Annotated[str, typer.Option(help="Another image than that of this commit.")] = "",
    memory: Annotated[str, typer.Option(help="The limit of its memory.")] = "512m",
) -> None:
    """Start the image as Kubernetes would: ready, version, prediction, no writing, SIGTERM."""
    docker.require()
    name, begun = image or docker.reference(), perf_counter()
    labels = docker.labels(name)
    check_user(name)
    with run_container(name, memory) as container:
        with step("ready"):
            ready(container)
        with step("model"):
            files = model(container)
            same("model", digest(files), labels.get(LABELS["model"]))
        with step("version"):
            version(container, labels)
        with step("predict"):
            predict(container, json.loads(files["signature.json"]))
        with step("no writing"):
            unwritable(container)
        with step("SIGTERM"):
            stop(container)
    print(f"{name} passed in {perf_counter() - begun:.1f} s")


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print the step with its seconds when it is done."""
    begun = perf_counter()
    yield
    print(f"{name:12}{perf_counter() - begun:6.2f} s", flush=True)


def check_user(image: str) -> None:
    """A UserError if Kubernetes would not run it as non-root: it needs a number other than 0."""
    user = docker.docker("image", "inspect", "--format", "{{.Config.User}}", image)
    number = user.partition(":")[0]
    if not number.isdigit() or int(number) == 0:
        raise UserError(f"{image} runs as {user or 'root'}: USER must be a number other than 0")


@contextmanager
def run_container(image: str, memory: str) -> Iterator[str]:
    """A container of the image, removed at the end, whatever happens."""
    drain = f"--env=SERVE_DRAIN_SECONDS={DRAIN_SECONDS}"
    with step("start"):
        container = docker.docker("create", *HARDENED, f"--memory={memory}", drain, image)
    try:
        docker.docker("start", container)
        yield container
    finally:
        docker.docker("rm", "--force", "--volumes", container)


def ready(container: str) -> None:
    """Wait until it takes requests."""
    status, text = ask(container, "/v2/health/ready")
    if status != 200:
        raise UserError(f"not ready in {READY_SECONDS} s: /v2/health/ready says {status} {text}")


def ask(container: str, path: str, body: str = "") -> tuple[int, str]:
    """Status and text of an answer; a UserError tells the last words of a container that ended."""
    program = CLIENT.read_text("utf-8") + "\nmain()\n"
    arguments = ("python", "-c", program, path, body, str(READY_SECONDS))
    try:
        status, text = json.loads(docker.docker("exec", container, *arguments))
    except UserError:
        check_running(container)
        raise
    check_running(container)
    return int(status), str(text)


def check_running(container: str) -> None:
    """A UserError if the container ended."""
    state = inspect(container)
    if not state["Running"]:
        why = "it ran out of memory" if state["OOMKilled"] else words(container)
        raise UserError(f"the container ended with {state['ExitCode']}: {why}")


def inspect(container: str) -> dict[str, Any]:
    """The state of a container."""
    state = docker.docker("inspect", "--format", "{{json .State}}", container)
    found: dict[str, Any] = json.loads(state)
    return found


def words(container: str) -> str:
    """The last line that a container said, on stdout or stderr."""
    return docker.last(docker.both("logs", "--tail=20", container))


def model(container: str) -> dict[str, bytes]:
    """The files of the model in the image, by their path in its folder."""
    archive = docker.raw("cp", f"{container}:{MODEL}", "-")
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        files = {one.name: tar.extractfile(one) for one in tar.getmembers() if one.isfile()}
        return {name.partition("/")[2]: file.read() for name, file in files.items() if file}


def version(container: str, labels: dict[str, str]) -> None:
    """A UserError if /version and the image's labels differ."""
    status, text = ask(container, "/version")
    if status != 200:
        raise UserError(f"/version says {status}: {text[:200]}")
    answer = json.loads(text)
    for fact, label in LABELS.items():
        same(f"{fact} at /version", answer.get(fact), labels.get(label))


def same(what: str, found: str | None, label: str | None) -> None:
    """A UserError if what is found is not what the label says."""
    if not found or found != label:
        raise UserError(f"the {what} is {found or 'empty'}, the image's label says {label}")


def predict(container: str, signature: dict[str, Any]) -> None:
    """Ask for the first example of the signature."""
    body = json.dumps({"dataframe_records": signature["examples"][:1]})
    status, text = ask(container, "/invocations", body)
    if status != 200:
        raise UserError(f"the signature's example is answered with {status}: {text[:200]}")
    [value] = json.loads(text)["predictions"]
    labels = signature.get("labels")
    finite = isinstance(value, int | float) and math.isfinite(value)
    if not (value in labels if labels else finite):
        raise UserError(f"the signature's example is answered with {value!r}, no possible value")


def unwritable(container: str) -> None:
    """A UserError if the server could write to its own files."""
    found = docker.docker("exec", container, "python", "-c", WRITE).split()
    if found:
        raise UserError(f"{found[0]} can be written to: the root file system is not read-only")


def stop(container: str) -> None:
    """End it as Kubernetes does; a UserError if it does not end by itself, with 0, in time."""
    docker.docker("stop", "-t", str(STOP_SECONDS), container)
    code = inspect(container)["ExitCode"]
    if code == 137:
        raise UserError(f"SIGTERM did not end it in {STOP_SECONDS} s: it had to be killed")
    if code != 0:
        raise UserError(f"SIGTERM ended it with {code}, not 0: {words(container)}")
