"""A project made by the template, commands run in it as a person would, and servers asked."""

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "{{cookiecutter.project_slug}}"
REGISTRY = os.environ.get("TEST_REGISTRY") or "localhost:5000"
PATIENCE = 180  # seconds for what a controller sees at its next interval

Run = Callable[..., str]


def bake(folder: Path, **answers: str) -> Path:
    """The project made in `folder` with these answers."""
    return Path(
        cookiecutter(
            str(ROOT), no_input=True, output_dir=str(folder), extra_context=answers,
            default_config=True,
        )
    )  # fmt: skip


def run(*command: str, cwd: Path, fails: bool = False, **extra: str) -> str:
    """What the command printed; the test fails if it ended otherwise than expected."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name
        not in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE", "MAKEFLAGS", "MAKELEVEL")
        and not name.startswith("GIT_")
    }
    done = subprocess.run(
        command, cwd=cwd, env=environment | extra, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert (done.returncode != 0) is fails, f"{' '.join(command)}\n{done.stdout}"
    return done.stdout


def commit(project: Path, message: str) -> None:
    """Commit everything, as `name`, without the hooks that `make check` runs anyway."""
    run("git", "add", "--all", cwd=project)
    run(
        "git", "-c", "user.name=Test", "-c", "user.email=test@example.org", "commit",
        "--quiet", "--no-verify", "--message", message, cwd=project,
    )  # fmt: skip


def release_to_staging(project: Path) -> dict[str, str]:
    """The values of a release of HEAD to staging, its image built and pushed; committed."""
    for target in ("image", "push", "release"):
        run("make", target, cwd=project, REGISTRY=REGISTRY)
    text = (project / "deploy/staging/release.env").read_text("utf-8")
    commit(project, "Release to staging")
    return dict(line.split("=", 1) for line in text.splitlines())


def until(what: str, true: Callable[[], object], seconds: float = PATIENCE) -> float:
    """Seconds until something is true; an error of the question counts as not yet."""
    started = time.monotonic()
    reason: object = ""
    while time.monotonic() - started < seconds:
        try:
            if true():
                return time.monotonic() - started
        except (AssertionError, KeyError, OSError, http.client.HTTPException) as error:
            reason = error
        time.sleep(0.1)
    raise AssertionError(f"not in {seconds} s: {what} {reason}")


@dataclass
class Endpoint:
    """A way to a server from this machine."""

    host: str
    port: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=10)

    def ask(self, path: str, body: str | None = None) -> dict:
        connection = self.connect()
        try:
            return post(connection, path, body)
        finally:
            connection.close()

    def commits(self) -> set[str]:
        """The commits that ten answers in a row name."""
        return {self.ask("/version")["commit"] for _ in range(10)}


def post(connection: http.client.HTTPConnection, path: str, body: str | None = None) -> dict:
    """The answer to a request; other than 200 is an error."""
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request("POST" if body else "GET", path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise OSError(f"{path}: {answer.status} {text[:200]!r}")
    return json.loads(text)


def clone(ready: Path, folder: Path) -> Path:
    """A copy in the folder, with an environment of its own, which runs its own vendor/."""
    project = folder / ready.name
    shutil.copytree(ready, project, ignore=shutil.ignore_patterns(".venv"), symlinks=True)
    borrow(ready / ".venv", project)
    program = "import mlgitops; print(mlgitops.__file__)"
    found = run(".venv/bin/python", "-c", program, cwd=project).strip()
    assert Path(found).is_relative_to(project / "vendor"), found
    return project


def borrow(environment: Path, project: Path) -> None:
    """An environment for a project with the packages of another, but for the library: its own.

    A real one has tens of thousands of files, which takes long to make and longer to remove.
    """
    own = project / ".venv"
    [packages] = environment.glob("lib/python*/site-packages")
    place = own / packages.relative_to(environment)
    place.mkdir(parents=True)
    # In this order. A path in a .pth file has its own .pth files not read, so the library is ours.
    lines = [str(project / "vendor/mlgitops/src"), str(packages)]
    (place / "borrowed.pth").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    shutil.copy(environment / "pyvenv.cfg", own)
    (own / "bin").mkdir()
    for entry in (environment / "bin").iterdir():
        script = entry.read_bytes() if entry.is_file() and not entry.is_symlink() else b""
        if script.startswith(b"#!"):
            path = own / "bin" / entry.name
            path.write_bytes(script.replace(bytes(environment), bytes(own)))
            path.chmod(0o755)
        else:
            (own / "bin" / entry.name).symlink_to(entry.readlink() if entry.is_symlink() else entry)
    (own / ".made").touch()
