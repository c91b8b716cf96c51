"""params.yaml and gate.yaml: sections, each a frozen object that refuses unknown keys.

params.yaml has what is tried, gate.yaml what judges it.
"""

import re
import sys
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from mlgitops.core import paths
from mlgitops.core.errors import UserError

PARAMS = paths.PARAMS
RULES = paths.RULES
# The metrics of a task that are the mean of a loss for each row; the first is its own.
LOSSES: Mapping[str, tuple[str, ...]] = {
    "binary": ("log_loss", "brier", "accuracy"),
    "multiclass": ("log_loss", "brier", "accuracy"),
    "regression": ("rmse", "mae"),
}
# The sections of gate.yaml.
SECTIONS = (
    "gate", "validate", "split", "parity", "requests", "evaluate", "monitor", "log", "retrain",
    "approve",
)  # fmt: skip
# Where keys of gate.yaml stood in params.yaml before there was gate.yaml.
MOVED = {
    "split.by": "prepare.split",
    "split.test_share": "prepare.test_share",
    "split.seed": "prepare.seed",
    "parity.rows": "export.rows",
    "parity.tolerance": "export.tolerance",
    "parity.max_differing": "export.max_differing",
    "parity.max_flipped": "export.max_flipped",
    "requests.unknown_category": "export.unknown_category",
    "requests.out_of_range": "export.out_of_range",
}


BOOL, TEXT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"
TRUE_OR_FALSE = re.compile("(?:true|True|TRUE|false|False|FALSE)$")


class Loader(yaml.CSafeLoader):
    """YAML 1.2, as DVC reads it: yes, no, on and off are words. A key is the text that it is.

    So a class may be called `yes`, a column `on`, and neither has to be quoted.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, TRUE_OR_FALSE if tag == BOOL else pattern) for tag, pattern in found]
        for first, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping, its keys as text."""
        self.flatten_mapping(node)
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = TEXT
        return super().construct_mapping(node, deep)


class Strict(BaseModel):
    """A frozen object that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Section(Strict):
    """A section of params.yaml; its class is named as the section."""

    file: ClassVar[Path] = PARAMS


class Rule(Section):
    """A section of gate.yaml; its class is named as the section."""

    file: ClassVar[Path] = RULES


AnyStrict = TypeVar("AnyStrict", bound=Strict)
AnySection = TypeVar("AnySection", bound=Section)


def load_yaml(text: str) -> Any:
    """The contents of a YAML text; a yaml.YAMLError if it is none."""
    return yaml.load(text, Loader)  # noqa: S506 - it is a safe one


def read(path: Path) -> Any:
    """The contents of a YAML file; a missing or broken one is a UserError."""
    try:
        return load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None


def sections(path: Path) -> dict[str, Any]:
    """The sections of params.yaml or gate.yaml by name."""
    found = read(path) or {}
    if not isinstance(found, dict):
        raise UserError(f"{path}: is not a mapping of sections")
    return found


def parse(kind: type[AnyStrict], value: Any, where: str) -> AnyStrict:
    """`value` as a `kind`; a UserError that names the first wrong key under `where`."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join([where, *map(str, first["loc"])])
        reason = first["msg"].removeprefix("Value error, ")
        given = "" if first["type"] == "missing" else f" (it is {str(first['input'])[:60]})"
        raise UserError(f"{key}: {reason}{given}") from None


def load(section: type[AnySection], path: Path | None = None) -> AnySection:
    """The section that `section` is named after, of its file or of another path.

    What an older project still has in params.yaml is read from there, with a hint.
    """
    name, file = section.__name__.lower(), path or section.file
    if section.file == RULES:
        return load_rule(section, name, file)
    value = sections(file).get(name)
    return parse(
        section, drop_moved_keys(name, value) if path is None else value, f"{file}: {name}"
    )


def load_optional(section: type[AnySection]) -> AnySection:
    """A section whose keys all have usual values; these where an older project's file lacks it."""
    found = sections(section.file) if section.file.exists() else {}
    absent = found.get(section.__name__.lower()) is None
    return section() if absent else load(section)


def load_rule(section: type[AnySection], name: str, file: Path) -> AnySection:
    """A section of gate.yaml; of params.yaml if it has what gate.yaml, or the file, lacks."""
    found = sections(file) if file.exists() else {}
    if strange := sorted(set(map(str, found)) - set(SECTIONS)):
        raise UserError(f"{file}: {strange[0]} is no section; there are {', '.join(SECTIONS)}")
    old = sections(PARAMS) if PARAMS.exists() else {}
    if name in found:
        if name in old:
            hint(f"{PARAMS}: {name} is not read, for {file} has it: remove it")
        return parse(section, found[name], f"{file}: {name}")
    values = old_values(name, old)
    if values is None:
        return parse(section, sections(file).get(name), f"{file}: {name}")
    hint(f"{PARAMS}: what `{name}` needs belongs in {RULES}, section {name}")
    return parse(section, values, f"{PARAMS}: {name}")


def old_values(name: str, old: Mapping[str, Any]) -> Any:
    """A section of gate.yaml from where params.yaml had it; None if it has nothing of it."""
    if name in old:
        return old[name]
    values = {}
    for new, before in MOVED.items():
        (section, _, key), (place, _, last) = new.partition("."), before.partition(".")
        inner = old.get(place)
        if section == name and isinstance(inner, Mapping) and last in inner:
            values[key] = inner[last]
    return values or None


def complete(rules: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of gate.yaml, those that it lacks from where params.yaml has them."""
    absent = {name: old_values(name, old) for name in SECTIONS if name not in rules}
    return {**rules, **{name: one for name, one in absent.items() if one is not None}}


def drop_moved_keys(name: str, value: Any) -> Any:
    """A section of params.yaml without the keys that belong into gate.yaml by now."""
    old = {place: new for new, place in MOVED.items()}
    if name == "prepare" and not (isinstance(value, dict) and "split" in value):
        old.pop("prepare.seed")  # the project's own
    if not isinstance(value, dict):
        return value
    for key in [key for key in value if f"{name}.{key}" in old]:
        hint(f"{PARAMS}: {name}.{key} belongs in {RULES}: {old[f'{name}.{key}']}")
    return {key: one for key, one in value.items() if f"{name}.{key}" not in old}


def hint(text: str) -> None:
    """Say it on stderr, so that what a command prints stays what it is."""
    print(f"hint: {text}", file=sys.stderr)
