"""A process for what a change made: no token, no network, bounded memory and time."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from mlgitops.core.errors import UserError
from mlgitops.github.client import escape_commands

SECONDS = 1800
GIGABYTES = 12  # of addresses; a runner has 16
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONDONTWRITEBYTECODE")
# Ways to take the network away; the first one that works here is taken.
ISOLATIONS = (
    ("unshare", "--net"),
    ("unshare", "--net", "--map-current-user"),
    ("sudo", "--non-interactive", "unshare", "--net", "setpriv", f"--reuid={os.getuid()}",
     f"--regid={os.getgid()}", "--clear-groups"),
)  # fmt: skip


def run(arguments: Sequence[str], folder: Path) -> None:
    """Run `mlgitops` in a folder; a UserError with its last words if it fails."""
    command = [*isolation(), sys.executable, "-I", "-m", "mlgitops", *arguments]
    try:
        with TemporaryDirectory() as home:
            done = subprocess.run(  # noqa: S603
                command, cwd=folder, env=environment(home), encoding="utf-8", timeout=SECONDS,
                check=False, stdin=subprocess.DEVNULL, capture_output=True, preexec_fn=limit_memory,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"the model could not be judged within {SECONDS // 60} minutes") from None
    for line in done.stdout.splitlines():
        print(escape_commands(line))
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["it was ended: too little memory?"]
        raise UserError(escape_commands(words[-1].removeprefix("mlgitops ci examine: "))[:500])


def environment(home: str) -> dict[str, str]:
    """The variables of the process: none of a workflow's, so no token."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {
        "HOME": home,
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


def limit_memory() -> None:
    """In the new process, before it starts."""
    most = GIGABYTES * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


@lru_cache(maxsize=1)
def isolation() -> tuple[str, ...]:
    """The command that takes the network away; none, said in the log, where nothing can."""
    for words in ISOLATIONS:
        if shutil.which(words[0]) and succeeds([*words, "true"]):
            return words
    print("this machine cannot take the network away from a process: the model has it")
    return ()


def succeeds(command: Sequence[str]) -> bool:
    """Whether a command ends well."""
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    return done.returncode == 0
