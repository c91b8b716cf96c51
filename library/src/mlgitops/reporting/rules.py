"""What a change alters in the rules: what judges it, says what runs, or runs with rights.

Only Git's objects are read, and nothing of the change runs.
"""

import re
from collections.abc import Iterator
from numbers import Real
from pathlib import Path
from typing import Any

from mlgitops.core import config, paths
from mlgitops.core.rule_files import place
from mlgitops.git import repository
from mlgitops.reporting import diff
from mlgitops.reporting.diff import Change
from mlgitops.training.metrics import HIGHER_IS_BETTER

CONTENT = "left_out"  # of schema.yaml: which columns a model uses is what a change tries
# Keys of gate.yaml by what makes them looser: a higher value, or a lower one.
HIGHER = re.compile(
    r"gate\.(slices\.min_rows|champion\.tolerance|budget\.\w+)|validate\.max_\w+"
    r"|parity\.(tolerance|max_\w+)|retrain\.cooldown_days|monitor\.min_\w+"
)
LOWER = re.compile(
    r"gate\.(confidence|bootstrap_samples)|validate\.min_rows|split\.test_share|parity\.rows"
    r"|evaluate\.(max_slices|bins)|gate\.minimum\.\w+\.at_least"
    r"|monitor\.(false_alarms|max_rows|permutations)"
)
LIMIT = re.compile(r"gate\.(?:minimum\.(\w+)|slices\.limit)(?:\.at_most)?")
PRIVACY = (False, "hash", True)  # of a column in the prediction log, each tighter
LOOSER, CHANGED, TIGHTER = " (looser)", "", " (tighter)"
ORDER = {LOOSER: 0, CHANGED: 1, TIGHTER: 2}


def rule_changes(base: str, head: str | None = None) -> list[str]:
    """One line for each rule that differs since a branch or commit was left, the worst first.

    `head` is a commit; None: what lies here. None of the lines is cut.
    """
    start = repository.fork(base, head or "HEAD")
    if start is None:
        return []
    found = files_of_rules(start, head)
    if paths.RULES.as_posix() not in found and gate_rules(start) != gate_rules(head):
        found.insert(0, paths.RULES.as_posix())  # an older project has limits in params.yaml
    told = {
        paths.RULES.as_posix(): gate_lines,
        paths.SCHEMA.as_posix(): schema_lines,
        paths.STAGES.as_posix(): pipeline_lines,
    }
    lines = [line for path in told if path in found for line in told[path](start, head)]
    lines = [*slices_line(start, head), *lines]
    return lines + [f"{path} is changed" for path in found if path not in told]


def files_of_rules(start: str, head: str | None) -> list[str]:
    """The files of the rules that differ, in the order of FILES."""
    words = ["diff", "--name-only", "--no-renames", "-z", start]
    tracked = repository.git(*words, *([head] if head else []), "--") or ""
    new = "" if head else repository.git("ls-files", "--others", "--exclude-standard", "-z") or ""
    found = {path: place(path) for path in (tracked + new).split("\0") if path}
    kept = {path: order for path, order in found.items() if order is not None}
    return sorted(kept, key=lambda path: (kept[path], path))


def contents(path: Path, commit: str | None) -> dict[str, Any]:
    """A YAML file of a commit, or as it lies here; empty if it is gone or is no mapping."""
    text = repository.text(commit, path.as_posix()) if commit else lying(path)
    found = diff.load(text)
    return found if isinstance(found, dict) else {}


def lying(path: Path) -> str | None:
    """The text of a file as it lies here; None if it is not there."""
    return path.read_text("utf-8", errors="replace") if path.is_file() else None


def sort_lines(path: Path, found: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Lines with what they do to the rule, what is looser first; one where nothing is read."""
    lines = sorted(found, key=lambda one: ORDER[one[1]])
    yield from (f"{path}: {words}{effect}" for words, effect in lines)
    if not lines:
        yield f"{path} is changed, but says the same"


def gate_rules(commit: str | None) -> dict[str, Any]:
    """The rules of a commit: gate.yaml, and what an older project has of it in params.yaml."""
    return config.complete(*(contents(path, commit) for path in (paths.RULES, paths.PARAMS)))


def gate_lines(start: str, head: str | None) -> Iterator[str]:
    """What differs in gate.yaml, key by key; what it lacks is read from params.yaml."""
    before, now = (diff.flat(gate_rules(one)) for one in (start, head))
    if not contents(paths.RULES, head) and contents(paths.RULES, start):
        yield f"{paths.RULES} is gone, or cannot be read"
    own, changes = contents(paths.RULES, head), diff.differences(before, now)
    lines = [(words(one) + elsewhere(one, own), effect(one)) for one in changes]
    if lines or now:
        yield from sort_lines(paths.RULES, iter(lines))


def elsewhere(change: Change, rules: dict[str, Any]) -> str:
    """That a value is not in gate.yaml, where it is not."""
    absent = change.now is not None and change.name.partition(".")[0] not in rules
    return f", in {paths.PARAMS}" * absent


def effect(change: Change) -> str:
    """Whether a key of gate.yaml judges less, more, or otherwise."""
    limit = LIMIT.fullmatch(change.name)
    if change.now is None:
        return LOOSER
    if change.before is None:
        return TIGHTER if limit else CHANGED
    if change.name.startswith("requests."):
        return LOOSER if change.now == "accept" else TIGHTER
    if not (isinstance(change.before, Real) and isinstance(change.now, Real)):
        return LOOSER if limit and change.before == "dummy" else CHANGED
    rose = change.now > change.before
    if HIGHER.fullmatch(change.name) or (limit and limit[1] not in HIGHER_IS_BETTER):
        return LOOSER if rose else TIGHTER
    if LOWER.fullmatch(change.name) or limit:
        return TIGHTER if rose else LOOSER
    return CHANGED


def slices_line(start: str, head: str | None) -> Iterator[str]:
    """How many slices are judged, of those that the base's model was measured on, if it changes."""
    found = diff.load(repository.text(start, paths.SLICES.as_posix()))
    before, now = (slices_judged(found, commit) for commit in (start, head))
    if before != now:
        yield f"slices judged: {before} → {now}{LOOSER if now < before else TIGHTER}"


def slices_judged(found: Any, commit: str | None) -> int:
    """The slices that have enough rows by the rules of a commit."""
    section = gate_rules(commit).get("gate")
    limits = section.get("slices") if isinstance(section, dict) else None
    fewest = limits.get("min_rows") if isinstance(limits, dict) else None
    names = bounds(contents(paths.SCHEMA, commit).get("slices"))
    parts = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    enough = isinstance(fewest, Real)
    return sum(enough and one["column"] in names and one["rows"] >= fewest for one in parts)


def schema_lines(start: str, head: str | None) -> Iterator[str]:
    """What differs in schema.yaml, but for the columns that are left out."""
    before, now = (contract(contents(paths.SCHEMA, one)) for one in (start, head))
    if not now:
        yield f"{paths.SCHEMA} is gone, or cannot be read"
        return
    left_out = contents(paths.SCHEMA, head).get(CONTENT)
    gone = {name.split(".")[1] for name in before} - {name.split(".")[1] for name in now}
    told = gone - {""} - set(map(str, left_out or ()))
    changes = [
        one
        for one in diff.differences(before, now)
        if one.name.split(".")[0] != CONTENT and one.name.split(".")[1] not in gone
    ]
    lines = [(f"the column {name} is gone", LOOSER) for name in sorted(told)]
    lines += [(words(one), effect_on_column(one)) for one in changes]
    if lines or before == now:
        yield from sort_lines(paths.SCHEMA, iter(lines))


def contract(document: dict[str, Any]) -> dict[str, Any]:
    """The keys of a schema as part.name.key; what stands on top is part. and its name."""
    columns = document.get("columns")
    columns = columns if isinstance(columns, dict) else {}
    found = {f"{key}.": value for key, value in document.items() if key != "columns"}
    for name, column in columns.items():
        inner = column if isinstance(column, dict) else {"type": column}
        found |= {f"column.{str(name).replace('.', '·')}.{key}": one for key, one in inner.items()}
    return found


def effect_on_column(change: Change) -> str:
    """Whether a rule of a column lets more in, or less."""
    key = change.name.split(".")[-1]
    if key in ("range", "categories", "min", "max"):
        before, now = bounds(change.before), bounds(change.now)
        if change.now is None or (before and now and contains(now, before)):
            return LOOSER
        return TIGHTER if before and now and contains(before, now) else CHANGED
    if key == "private":
        rank = {value: k for k, value in enumerate(PRIVACY)}
        return TIGHTER if rank.get(change.now, 0) > rank.get(change.before, 0) else LOOSER
    if key in ("nullable", "missing"):
        return LOOSER if change.now else TIGHTER
    return CHANGED


def bounds(value: Any) -> list[Any]:
    """A list of a rule; empty where it is none."""
    return value if isinstance(value, list) else []


def contains(outer: list[Any], inner: list[Any]) -> bool:
    """Whether a range holds another, or a list of categories all of another."""
    numbers = all(isinstance(one, Real) for one in (*outer, *inner))
    if numbers and len(outer) == len(inner) == 2:
        return bool(outer[0] <= inner[0] and inner[1] <= outer[1])
    return set(map(str, inner)) <= set(map(str, outer))


def pipeline_lines(start: str, head: str | None) -> Iterator[str]:
    """Which stages of dvc.yaml are new, gone or changed."""
    before, now = (contents(paths.STAGES, one).get("stages") for one in (start, head))
    if not isinstance(before, dict) or not isinstance(now, dict):
        yield f"{paths.STAGES} has no stages"
        return
    lines = [(f"the stage {name} is gone", LOOSER) for name in before if name not in now]
    lines += [(f"the stage {name} is new", CHANGED) for name in now if name not in before]
    for name in now:
        if name in before and now[name] != before[name]:
            lines.append((f"the stage {name} is changed", CHANGED))
    yield from sort_lines(paths.STAGES, iter(lines))


def words(change: Change) -> str:
    """A value before and now."""
    name = change.name.rstrip(".").removeprefix("column.")
    if change.before is None:
        return f"{name} is new: {change.now}"
    if change.now is None:
        return f"{name} is removed (it was {change.before})"
    return f"{name}: {change.before} → {change.now}"
