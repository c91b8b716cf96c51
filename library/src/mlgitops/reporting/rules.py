"""What a change alters in the rules: what judges it, says what runs, or runs with rights.

Only Git's objects are read, and nothing of the change runs.
"""

import re
from collections.abc import Iterator

from mlgitops.core import paths
from mlgitops.git import repository
from mlgitops.reporting import diff
from mlgitops.reporting.diff import Change

# Files and folders that an owner answers for; CODEOWNERS names the same. The first that fits.
FILES = (
    "gate.yaml", "schema.yaml", "dvc.yaml", ".github/", "vendor/", "Makefile", "pyproject.toml",
    "uv.lock", "Dockerfile", ".dvc/config", ".dvcignore", ".mlgitops.yaml",
    ".pre-commit-config.yaml", "deploy/",
)  # fmt: skip
# What a command writes, and its own checks look at.
RELEASE = re.compile(r"deploy/[\w-]+/release\.env")
CONTENT = ("left_out",)  # of schema.yaml: which columns a model uses is what a change tries


def rule_changes(base: str, head: str | None = None) -> list[str]:
    """One line for each rule that differs since a branch or commit was left, the worst first.

    `head` is a commit; None: what lies here. None of the lines is cut.
    """
    start = repository.fork(base)
    if start is None:
        return []
    found = changed_files(start, head)
    lines = [*gate_lines(start, head, found), *schema_lines(start, head, found)]
    return lines + [f"{path} is changed" for path in found if path not in read_by_key()]


def read_by_key() -> tuple[str, ...]:
    """The files of which each key is told."""
    return (paths.RULES.as_posix(), paths.SCHEMA.as_posix())


def changed_files(start: str, head: str | None) -> list[str]:
    """The files of the rules that differ, in the order of FILES."""
    words = ["diff", "--name-only", "--no-renames", "-z", start]
    tracked = repository.git(*words, *([head] if head else []), "--") or ""
    new = "" if head else repository.git("ls-files", "--others", "--exclude-standard", "-z") or ""
    found = {path: place(path) for path in (tracked + new).split("\0") if path}
    kept = {path: order for path, order in found.items() if order is not None}
    return sorted(kept, key=lambda path: (kept[path], path))


def place(path: str) -> int | None:
    """Where a file stands among the rules; None if it is none of them."""
    if RELEASE.fullmatch(path):
        return None
    for order, rule in enumerate(FILES):
        if path == rule or (rule.endswith("/") and path.startswith(rule)):
            return order
    return None


def gate_lines(start: str, head: str | None, found: list[str]) -> Iterator[str]:
    """What differs in gate.yaml, key by key."""
    path = paths.RULES
    if path.as_posix() not in found:
        return
    before, now = (diff.flat(diff.document(path, one)) for one in (start, head))
    for change in diff.differences(before, now):
        yield f"{path}: {words(change)}"


def schema_lines(start: str, head: str | None, found: list[str]) -> Iterator[str]:
    """What differs in schema.yaml, but for the columns that are left out."""
    path = paths.SCHEMA
    if path.as_posix() not in found:
        return
    for change in diff.contract(start, head):
        if change.name not in CONTENT:
            yield f"{path}: {words(change)}"


def words(change: Change) -> str:
    """A value before and now."""
    if change.before is None:
        return f"{change.name} is new: {change.now}"
    if change.now is None:
        return f"{change.name} is removed (it was {change.before})"
    return f"{change.name}: {change.before} → {change.now}"
