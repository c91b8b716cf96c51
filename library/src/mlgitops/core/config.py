"""params.yaml: one section a stage, each a frozen object that refuses unknown keys."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from mlgitops.core.errors import Mistake

PARAMS = Path("params.yaml")


class Strict(BaseModel):
    """A frozen object that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Section(Strict):
    """A section of params.yaml; its class is named as the section."""


AnyStrict = TypeVar("AnyStrict", bound=Strict)
AnySection = TypeVar("AnySection", bound=Section)


def read(path: Path) -> Any:
    """The contents of a YAML file; a missing or broken one is a Mistake."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Mistake(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Mistake(f"{path}: is not YAML: {' '.join(str(error).split())}") from None


def parse(kind: type[AnyStrict], value: Any, where: str) -> AnyStrict:
    """`value` as a `kind`; a Mistake that names the first wrong key under `where`."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join([where, *map(str, first["loc"])])
        reason = first["msg"].removeprefix("Value error, ")
        given = "" if first["type"] == "missing" else f" (it is {str(first['input'])[:60]})"
        raise Mistake(f"{key}: {reason}{given}") from None


def load(section: type[AnySection], path: Path = PARAMS) -> AnySection:
    """The section of params.yaml that `section` is named after."""
    name = section.__name__.lower()
    sections = read(path) or {}
    if not isinstance(sections, dict):
        raise Mistake(f"{path}: is not a mapping of sections")
    return parse(section, sections.get(name), f"{path}: {name}")
