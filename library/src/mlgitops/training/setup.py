"""`make setup`: a repository, its hooks, the data, the first pipeline run."""

import shutil
import subprocess
import sys
from pathlib import Path

from mlgitops.core.errors import UserError, join_names
from mlgitops.git import repository
from mlgitops.stores import transfer
from mlgitops.training.pipeline import pipeline

HOOKS = ("pre-commit", "pre-push")


def setup() -> None:
    """Make what is missing here; what is already there stays as it is."""
    start()
    install_hooks()
    transfer.pull(*paths_to_pull())
    if absent := transfer.missing_data():
        raise UserError(
            f"the store does not have {join_names(absent)} as it should be: make store says more; "
            "make store FIX=1 sends it, on a machine that has it"
        )
    pipeline(force=False)


def paths_to_pull() -> list[str]:
    """What to pull: all, which is an empty list; without a dvc.lock only the data's versions.

    DVC warns of each output that no lock file has a hash of.
    """
    return [] if Path(repository.LOCK).exists() else sorted(map(str, Path("data").glob("*.dvc")))


def start() -> None:
    """A repository of the project's own: not that of a folder above, unless that has its files."""
    if Path(".git").exists():  # a folder; a file in a worktree and in a submodule
        return
    if repository.git("ls-files", "--error-unmatch", "--", "dvc.yaml") is None:
        run("git", "init", "--quiet", "--initial-branch=main")


def install_hooks() -> None:
    """The checks before a commit and a push, where Git looks for hooks in its usual place."""
    chosen = (repository.git("config", "core.hooksPath") or "").strip()
    if chosen:
        print(
            f"Git hooks not installed: core.hooksPath is {chosen}, set by hand. They would run "
            "`make check` before a push",
            file=sys.stderr,
        )
        return
    program = shutil.which("pre-commit", path=Path(sys.executable).parent) or "pre-commit"
    run(program, "install", *(word for hook in HOOKS for word in ("--hook-type", hook)))


def run(*command: str) -> None:
    """Run a command that says itself why it fails."""
    try:
        done = subprocess.run(command, check=False)  # noqa: S603
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not installed") from None
    if done.returncode != 0:
        raise UserError(f"`{Path(command[0]).name} {command[1]}` failed; the reason is above")
