"""What differs between a commit and the working tree, or another one: parameters, data, code."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mlgitops.core import config, paths
from mlgitops.core.errors import UserError
from mlgitops.data import schema
from mlgitops.git import repository

DATA = paths.DATA
# Sections of gate.yaml and params.yaml, and keys of schema.yaml, that decide what is judged.
RULE_SECTIONS = (*config.SECTIONS, "data")
RULES = ("task", "target", "time", "slices", "left_out")


class Change(NamedTuple):
    """A thing with its value before and now; None where it is not there."""

    name: str
    before: Any
    now: Any


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted names."""
    if not isinstance(value, Mapping) or not value:
        return {name: value} if name else {}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= flat(inner, f"{name}.{key}" if name else str(key))
    return found


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """The keys with another value, in the order of `now`."""
    names = [*now, *(name for name in before if name not in now)]
    pairs = (Change(name, before.get(name), now.get(name)) for name in names)
    return [change for change in pairs if change.before != change.now]


def load(text: str | None) -> Any:
    """The contents of a YAML or JSON file of a commit; an empty mapping if it is not there."""
    try:
        return config.load_yaml(text or "") or {}
    except yaml.YAMLError:
        return {}


def document(path: Path, commit: str | None) -> Any:
    """A YAML file of a commit, or as it lies here."""
    return load(repository.text(commit, path.as_posix())) if commit else config.read(path)


def parameters(base: str, now: str | None = None) -> list[Change]:
    """The parameters that differ here, or in a commit, rules first."""
    before, after = (flat(settings(one)) for one in (base, now))
    return sorted(differences(before, after), key=lambda change: not is_rule(change))


def settings(commit: str | None) -> dict[str, Any]:
    """The sections of both files, params.yaml and gate.yaml."""
    files = [config.PARAMS, *[config.RULES] * (bool(commit) or config.RULES.exists())]
    return {name: value for file in files for name, value in document(file, commit).items()}


def contract(base: str, now: str | None = None) -> list[Change]:
    """The columns and rules of schema.yaml that differ here, or in a commit, columns last."""
    before, after = (_rules(document(schema.SCHEMA, one)) for one in (base, now))
    return sorted(differences(before, after), key=lambda change: not is_rule(change))


def is_rule(change: Change) -> bool:
    """Whether it may loosen a judgement or choose what is judged by, so that it is never cut."""
    return change.name.split(".")[0] in (*RULE_SECTIONS, *RULES)


def _rules(document: Mapping[str, Any]) -> dict[str, Any]:
    columns = {f"column {name}": rule for name, rule in (document.get("columns") or {}).items()}
    return {key: value for key, value in document.items() if key != "columns"} | columns


def select(found: list[Change], most: int) -> list[Change]:
    """The changes to show where there is room for `most`: rules are first, and all."""
    return found[: max(most, sum(map(is_rule, found)))]


def profiles(base: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `validate` wrote of the data, before and now; empty where it is not there."""
    try:
        now = json.loads(DATA.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{DATA} is not there: run `make pipeline`") from None
    try:
        before = json.loads(repository.text(base, DATA.as_posix()) or "{}")
    except ValueError:
        before = {}
    return before, now


def column_moves(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Columns and what moved in them, the largest move first; profiles as `validate` writes."""
    found = []
    columns = before.get("columns", {})
    for name, column in now.get("columns", {}).items():
        if name in columns and columns[name].get("type") == column["type"]:
            found += [(size, name, what) for size, what in moves(columns[name], column)]
    return [(name, what) for size, name, what in sorted(found, reverse=True) if size > 0]


def moves(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[float, str]]:
    """What moved in one column, with its size: a share, or a shift in spreads of the column."""
    missing = (before["missing"] or 0, now["missing"] or 0)
    found = [(abs(missing[1] - missing[0]), "missing: {:.1%} → {:.1%}".format(*missing))]
    if "shares" in now:
        for name in {*before["shares"], *now["shares"]}:
            shares = (before["shares"].get(name) or 0, now["shares"].get(name) or 0)
            size = abs(shares[1] - shares[0])
            found.append((size, f"share of {name[:40]}: {shares[0]:.1%} → {shares[1]:.1%}"))
        return found
    if "quantiles" in now and None not in (*before["quantiles"], *now["quantiles"]):
        return found + quantiles(before["quantiles"], now["quantiles"])
    ends = [(before.get(end), now.get(end)) for end in ("first", "last")]
    return found + [(1.0, f"{then} → {later}") for then, later in ends if then != later]


def quantiles(before: list[float], now: list[float]) -> list[tuple[float, str]]:
    """Moves of the lowest value, the median and the highest, in spreads (10 to 90 %)."""
    middle, tenth = len(before) // 2, len(before) // 10
    spread = (before[-1 - tenth] - before[tenth]) or abs(before[middle]) or 1.0
    return [
        (abs(now[k] - before[k]) / spread, f"{word}: {before[k]:g} → {now[k]:g}")
        for word, k in (("lowest", 0), ("median", middle), ("highest", -1))
    ]


def folders(base: str) -> list[tuple[str, int, int]]:
    """Folders of files that people wrote, with lines added and removed, most lines first."""
    added, removed = Counter[str](), Counter[str]()
    found = repository.git("diff", "--numstat", "--no-renames", "-z", base, "--") or ""
    for entry in filter(None, found.split("\0")):
        plus, minus, path = entry.split("\t", 2)
        if not paths.is_made(path):
            folder = "/".join(path.split("/")[:-1][:2]) or path
            added[folder] += int(plus) if plus.isdigit() else 0
            removed[folder] += int(minus) if minus.isdigit() else 0
    names = sorted(added, key=lambda name: (-added[name] - removed[name], name))
    return [(name, added[name], removed[name]) for name in names]


def importance() -> list[dict[str, Any]]:
    """The columns that the model of the last run relies on; empty if nothing measured it."""
    path = paths.IMPORTANCE
    return list(load(path.read_text("utf-8") if path.exists() else None))
