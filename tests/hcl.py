"""The resources of a folder of OpenTofu's files, held against the provider's own schema."""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hcl2
from providers import SCHEMAS

LANGUAGE = {"count", "for_each", "depends_on", "lifecycle", "provider"}
REFERENCE = re.compile(r"\b(data\.)?((?:azurerm|aws|google)_\w+)\.(\w+)(?:\[[^\]]*\])?\.(\w+)")
Block = dict[str, Any]


class Resource(NamedTuple):
    """A resource or a data source: its kind, its name, and what it is given."""

    kind: str
    name: str
    body: Block
    data: bool = False


def plain(node: Any) -> Any:
    """What the parser returns, without its quotes and remarks."""
    if isinstance(node, dict):
        kept = {k: v for k, v in node.items() if k not in ("__is_block__", "__comments__")}
        return {plain(key): plain(value) for key, value in kept.items()}
    if isinstance(node, list):
        return [plain(one) for one in node]
    quoted = isinstance(node, str) and len(node) > 1 and node[0] == node[-1] == '"'
    return node[1:-1].replace('\\"', '"') if quoted else node


@functools.cache
def parse(text: str) -> Block:
    """The blocks of a file, by their kinds."""
    return plain(hcl2.loads(text))


class Module:
    """The files of a folder, read."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.blocks: dict[str, list[Block]] = {}
        for text in texts.values():
            for kind, found in parse(text).items():
                self.blocks.setdefault(kind, []).extend(found)

    def resources(self) -> Iterator[Resource]:
        """Every resource and data source."""
        for group in ("resource", "data"):
            for entry in self.blocks.get(group, []):
                for kind, named in entry.items():
                    for name, body in named.items():
                        yield Resource(kind, name, body, group == "data")

    def entries(self, group: str) -> dict[str, Block]:
        """The variables or the outputs, by their names."""
        return {name: body for entry in self.blocks[group] for name, body in entry.items()}

    def every(self, kind: str) -> dict[str, Block]:
        """The resources of one kind, by their names."""
        return {one.name: one.body for one in self.resources() if one.kind == kind}


def read(folder: Path) -> dict[str, str]:
    """The texts of a folder's files."""
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.tf"))}


def mistakes(module: Module, provider: str) -> list[str]:
    """Where a module does not fit the schema of its provider, or names what it does not have."""
    known = json.loads((SCHEMAS / f"{provider}.json").read_text("utf-8"))
    found = []
    for one in module.resources():
        part = known["data_source_schemas" if one.data else "resource_schemas"]
        label = f"{one.kind}.{one.name}"
        if one.kind not in part:
            found.append(f"{label}: the provider has no such resource, or its schema is not kept")
            continue
        body = {key: value for key, value in one.body.items() if key not in LANGUAGE}
        found += [f"{label}: {what}" for what in misfits(body, part[one.kind]["block"])]
    return found + dangling(module, known)


def misfits(body: Block, schema: Block) -> Iterator[str]:
    """What a block has and may not have, and what it lacks."""
    arguments, blocks = schema.get("attributes", {}), schema.get("block_types", {})
    for key, value in body.items():
        if key in blocks:
            for entry in value if isinstance(value, list) else [value]:
                yield from (f"{key}.{what}" for what in misfits(entry, blocks[key]["block"]))
        elif set(arguments.get(key, {"computed": True})) & {"required", "optional"} == set():
            yield f"{key} is no argument"
        elif not fits(value, arguments[key]["type"]):
            yield f"{key} is not {arguments[key]['type']}"
    needed = {key for key, entry in arguments.items() if "required" in entry}
    needed |= {key for key, entry in blocks.items() if "min_items" in entry}
    yield from (f"{key} is missing" for key in sorted(needed - set(body)))


def fits(value: Any, shape: Any) -> bool:
    """Whether a literal is of a type; an expression may be of any."""
    if isinstance(value, str) and value.startswith("${"):
        return True
    if isinstance(shape, list):
        return isinstance(value, {"list": list, "map": dict}[shape[0]])
    if isinstance(value, bool) or shape == "bool":
        return isinstance(value, bool) and shape == "bool"
    return isinstance(value, {"string": str, "number": int | float}[shape])


def dangling(module: Module, known: Block) -> list[str]:
    """References to what is not declared, or has no such attribute."""
    there = {(one.data, one.kind, one.name) for one in module.resources()}
    found = []
    for text in module.texts.values():
        for data, kind, name, attribute in REFERENCE.findall(text):
            part = known["data_source_schemas" if data else "resource_schemas"]
            block = part.get(kind, {}).get("block", {})
            has = {*block.get("attributes", {}), *block.get("block_types", {}), "id"}
            if (bool(data), kind, name) not in there or attribute not in has:
                found.append(f"{data}{kind}.{name}.{attribute}: there is no such value")
    used = set(re.findall(r"\bvar\.(\w+)", "".join(module.texts.values())))
    declared = set(module.entries("variable"))
    found += [f"var.{name} is not declared" for name in sorted(used - declared)]
    return found + [f"var.{name} is not used" for name in sorted(declared - used)]
