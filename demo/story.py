"""Commands one after the other, shown with what they say and how long they take."""

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build/demo"
PROJECT = FOLDER / "penguins"


class Done(NamedTuple):
    """A step that went well: what it was for, and how long it took."""

    what: str
    seconds: float


class Story:
    """Runs commands one after the other, shows them, and remembers their times."""

    def __init__(self) -> None:
        """Start with nothing done."""
        self.done: list[Done] = []
        self.said = ""
        environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
        # What `source .venv/bin/activate` does, and a name for the commits.
        self.environment = environment | {
            "PATH": f"{PROJECT / '.venv/bin'}{os.pathsep}{environment['PATH']}",
            "VIRTUAL_ENV": str(PROJECT / ".venv"),
            "PYTHONDONTWRITEBYTECODE": "",
            "GIT_AUTHOR_NAME": "Demo", "GIT_AUTHOR_EMAIL": "demo@example.org",
            "GIT_COMMITTER_NAME": "Demo", "GIT_COMMITTER_EMAIL": "demo@example.org",
        }  # fmt: skip

    def act(self, title: str) -> None:
        """Announce a new part of the story."""
        print(f"\n\033[1m{title}\033[0m", flush=True)

    def step(self, what: str, *commands: str, cwd: Path = PROJECT, fails: bool = False) -> None:
        """Run the commands; one that ends otherwise than it should ends the story."""
        started = time.monotonic()
        for command in commands:
            self.run(command, cwd, fails)
        self.done.append(Done(what, time.monotonic() - started))

    def run(self, command: str, cwd: Path = PROJECT, fails: bool = False) -> None:
        """Run one command, and show what it says."""
        print(f"  $ {command}", flush=True)
        done = subprocess.run(
            shlex.split(command), cwd=cwd, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        right = bool(done.returncode) is fails
        self.said = without_noise(done.stdout) if right else done.stdout
        print_indented(self.said)
        if not right:
            sys.exit(f"\n`{command}` ended with {done.returncode} in {cwd}; it says why above")

    def show(self, name: str) -> None:
        """The first lines of a report: the verdict and the gate."""
        print(f"  $ head -24 {name}")
        print_indented("\n".join((PROJECT / name).read_text("utf-8").splitlines()[:24]))

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one value of a file, as a person would in an editor."""
        path = PROJECT / name
        text = path.read_text("utf-8")
        if text.count(old) != 1:
            sys.exit(f"{name} does not hold {old!r} once")
        print(f"  # in {name}: {old} -> {new}")
        path.write_text(text.replace(old, new), "utf-8")

    def summary(self) -> str:
        """The table of what happened."""
        width = max(len(done.what) for done in self.done)
        lines = [f"  {done.what:{width}}  {done.seconds:6.1f} s" for done in self.done]
        total = sum(done.seconds for done in self.done)
        return "\n".join([*lines, f"  {'together':{width}}  {total:6.1f} s"])


def print_indented(text: str) -> None:
    """Print what a command said."""
    print("".join(f"      {line}\n" for line in text.splitlines()), end="", flush=True)


def without_noise(output: str) -> str:
    """The output without what DVC says about its own files, and Docker of each layer."""
    dull = re.compile(
        r"^\s*$|didn't change, skipping|^Updating lock|^Generating lock|^Use `dvc push`|^make: "
        r"|\(no files to check\)Skipped"
        r"|\d+%\||^Step \d|^#\d| ---> |^Removing intermediate|^[0-9a-f]{12}: |^The push refers"
        r"|^Sending build|^Successfully |^DEPRECATED|^ +(Install the|environment)|^ *https://"
    )
    return "\n".join(line for line in output.splitlines() if not dull.search(line))
