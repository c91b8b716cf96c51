"""What differs from HEAD, as a patch."""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from mlgitops.core.errors import UserError


def difference(paths: list[str]) -> bytes:
    """The difference of paths to HEAD, new files too, as a binary patch; empty if there is none.

    In an index of its own: what a person has staged stays as it is.
    """
    with TemporaryDirectory() as folder:
        environment = os.environ | {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        there = [path for path in paths if Path(path).exists()]
        for command in (["read-tree", "HEAD"], ["add", "--all", "--", *there]):
            _git(command, environment)
        return _git(["diff", "--cached", "--binary", "--no-renames", "HEAD"], environment)


def _git(command: list[str], environment: dict[str, str]) -> bytes:
    call = ["git", *command]
    done = subprocess.run(call, capture_output=True, check=False, env=environment)  # noqa: S603
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise UserError(f"git {command[0]} failed: {why[-1] if why else 'no reason given'}")
    return done.stdout
