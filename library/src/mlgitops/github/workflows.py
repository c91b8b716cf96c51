"""`mlgitops workflows`: whether no change can choose its judge, by the files of .github/."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from mlgitops.core import config
from mlgitops.core.errors import UserError
from mlgitops.github import approvals
from mlgitops.github.settings import RULESET, WORKFLOWS, read
from mlgitops.github.workflow_rules import (
    NEEDED,
    owner_faults,
    ruleset_faults,
    workflow_faults,
)

# What Gitea and Forgejo read instead of .github/workflows.
INSTEAD = (Path(".gitea/workflows"), Path(".forgejo/workflows"))


def workflows() -> None:
    """Refuse workflows, owners and a ruleset by which a change could choose its judge."""
    found = list(faults())
    for one in found:
        print(one)
    if found:
        raise UserError(
            f"{len(found)} of what protects main broken, as above: docs/github.md, `Who judges`, "
            "says why; `git diff main -- .github` shows the change"
        )


def faults() -> Iterator[str]:
    """What is wrong, a line each, with the file."""
    for name in NEEDED:
        if not (WORKFLOWS / f"{name}.yml").is_file():
            yield f"{WORKFLOWS / name}.yml: it is not there, and nothing is judged without it"
    for folder in INSTEAD:
        if folder.exists():
            yield f"{folder}: the Git host may read it instead of {WORKFLOWS}"
    for path in sorted([*WORKFLOWS.glob("*.yml"), *WORKFLOWS.glob("*.yaml")]):
        yield from (f"{path}: {what}" for what in faults_of(path))
    yield from (f"{approvals.OWNERS}: {what}" for what in owner_faults(owners()))
    by = approvals.load().by
    yield from (f"{RULESET}: {what}" for what in ruleset_faults(read(RULESET), by))


def faults_of(path: Path) -> Iterator[str]:
    """What is wrong in one workflow."""
    try:
        text = path.read_text("utf-8")
        document = config.load_yaml(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        yield f"it cannot be read: {' '.join(str(error).split())[:200]}"
        return
    name = document.get("name") if isinstance(document, dict) else None
    if name in NEEDED and path.name != f"{name}.yml":
        yield f"another workflow is called {name}"
    yield from workflow_faults(path.stem, text, document)


def owners() -> str:
    """The text of CODEOWNERS; empty if it is not there."""
    return approvals.OWNERS.read_text("utf-8") if approvals.OWNERS.is_file() else ""
