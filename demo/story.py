"""Commands one after the other, shown with what they say and how long they take."""

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markdown import Markdown

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build/demo"
PROJECT = FOLDER / "flights"
WIDTH = 100  # of a report, in characters
LONG, LAST = 10, 5  # what prints more lines than LONG is fold to the LAST ones
READ = ("make show", "make monitor", "cat ", "python ")  # read for all that they say


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

    def prove(self, fact: str) -> None:
        """End a part with what it has just proven."""
        print(f"  \033[32m✔ {fact}\033[0m", flush=True)

    def step(self, what: str, *commands: str, cwd: Path | None = None, fails: bool = False) -> None:
        """Run the commands; one that ends otherwise than it should ends the story."""
        started = time.monotonic()
        for command in commands:
            self.run(command, cwd, fails)
        self.done.append(Done(what, time.monotonic() - started))

    def run(self, command: str, cwd: Path | None = None, fails: bool = False) -> None:
        """Run one command, and show what it says: fold, unless it is read or went wrong."""
        done = self.result(command, cwd)
        right = bool(done.returncode) is fails
        self.said = without_noise(done.stdout) if right else done.stdout
        whole = not right or command.startswith(READ)
        print_indented(self.said if whole else fold(self.said))
        if not right:
            sys.exit(
                f"\n`{command}` ended with {done.returncode} in {cwd or PROJECT}; it says why above"
            )

    def result(self, command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Show one command and run it; its exit code and what it said."""
        print(f"  $ {command}", flush=True)
        return subprocess.run(
            shlex.split(command), cwd=cwd or PROJECT, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip

    def show(self, name: str) -> None:
        """A report as a page shows it, up to its first picture or fold part."""
        print(f"  # {name}, which a pull request shows as a page:")
        text = (PROJECT / name).read_text("utf-8")
        top = re.split(r"```mermaid|<details>", re.sub(r"<!--.*?-->", "", text, flags=re.S))[0]
        console = Console(width=WIDTH)
        with console.capture() as page:
            console.print(Markdown(top))
        print_indented(page.get())

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


def fold(text: str) -> str:
    """A long text's last lines, and how many are left out."""
    lines = text.splitlines()
    if len(lines) <= LONG:
        return text
    return "\n".join([f"… {len(lines) - LAST} lines", *lines[-LAST:]])


def without_noise(output: str) -> str:
    """The output without what DVC says about its own files, and Docker of each layer."""
    dull = re.compile(
        r"^\s*$|didn't change, skipping|^Updating lock|^Generating lock|^Use `dvc push`|^make: "
        r"|\(no files to check\)Skipped"
        r"|\d+%\||^Step \d|^#\d| ---> |^Removing intermediate|^[0-9a-f]{12}: |^The push refers"
        r"|^Sending build|^Successfully |^DEPRECATED|^ +(Install the|environment)|^ *https://"
    )
    return "\n".join(line for line in output.splitlines() if not dull.search(line))
