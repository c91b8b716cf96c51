"""pyproject.toml of the project, read in one place."""

import tomllib
from typing import Any, NamedTuple

from mlgitops.core import paths
from mlgitops.core.errors import UserError


class Project(NamedTuple):
    """The section `project`: its name, a line about it, who owns it, and the page of its code."""

    name: str
    description: str
    owner: str
    repository: str

    @property
    def title(self) -> str:
        """The name without the ending that the distribution has."""
        return self.name.removesuffix("-model")


def document() -> dict[str, Any]:
    """All of pyproject.toml; a UserError if it is missing or no TOML."""
    try:
        return tomllib.loads(paths.PROJECT.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            f"{paths.PROJECT}: cannot be read ({error}): run this in its folder"
        ) from None


def project() -> Project:
    """The project as pyproject.toml describes it; a UserError if it has no name there."""
    found = document().get("project") or {}
    if "name" not in found:
        raise UserError(f"{paths.PROJECT} names no project: run this in its folder")
    page = str(found.get("urls", {}).get("repository", ""))
    owner = page.rstrip("/").split("/")[-2] if page.count("/") > 3 else ""
    return Project(str(found["name"]), str(found.get("description", "")), owner, page)
