"""The one way in which the library runs git."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from mlgitops.core.errors import UserError

# No question at a terminal, and words that are the same in every language.
ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


class Failed(UserError):
    """A command of Git failed; `words` is what it said."""

    def __init__(self, command: str, words: str) -> None:
        """Say the last lines of Git's words."""
        self.words = words
        super().__init__(f"git {command} failed: {' '.join(words.split())[-300:]}")


def run(
    *arguments: str,
    given: bytes = b"",
    env: Mapping[str, str] | None = None,
    folder: str | Path | None = None,
) -> bytes:
    """What a git command prints, with `given` on its standard input; a Failed if it fails."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            capture_output=True, check=False, input=given, cwd=folder,
            env={**os.environ, **ENVIRONMENT, **(env or {})},
        )  # fmt: skip
    except FileNotFoundError:
        raise UserError("git is not installed: see https://git-scm.com/downloads") from None
    if done.returncode != 0:
        raise Failed(arguments[0], done.stderr.decode("utf-8", errors="replace"))
    return done.stdout
