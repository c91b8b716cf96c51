"""What the resources of infra/ take, by their providers: tests/template/schemas/PROVIDER.json.

`python tests/providers.py WHEEL…` makes them again from the wheels `cdktn-provider-…` of PyPI,
which are generated from the providers' own schemas. The format is that of
`tofu providers schema -json`.
"""

import ast
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

from baked import ROOT

INFRA = ROOT / "library/infra"
SCHEMAS = ROOT / "tests/template/schemas"
LANGUAGE = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider",
            "provisioners", "id", "timeouts"}  # fmt: skip
NAME = re.compile(r":param (\w+):.*?\{@link \S+?#(\w+) ")
NESTED = re.compile(r"Union\['(\w+)', typing\.Dict")
# Blocks that the provider fills in itself: its schema has these as values, which no wheel tells.
VALUES = {"kubelet_identity"}
KINDS = (("Mapping", ["map", "string"]), ("Number", "number"), ("bool", "bool"))
Block = dict[str, Any]


def camel(name: str) -> str:
    """A name as classes are called, in lower case."""
    return name.replace("_", "").lower()


class Module:
    """The module of one resource: its classes by their names."""

    def __init__(self, text: str) -> None:
        found = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
        self.classes = {node.name: node for node in found}

    def functions(self, name: str) -> list[ast.FunctionDef]:
        """The methods of a class."""
        return [one for one in self.classes[name].body if isinstance(one, ast.FunctionDef)]

    def block(self, name: str) -> Block:
        """What a class of settings takes."""
        init = next(one for one in self.functions(name) if one.name == "__init__")
        names = dict(NAME.findall(ast.get_docstring(init) or ""))
        made: Block = {"attributes": {}, "block_types": {}}
        whole = any(arg.arg == "depends_on" for arg in init.args.kwonlyargs)  # no block in it
        for arg, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
            if arg.annotation and not (whole and arg.arg in LANGUAGE):
                key = names.get(arg.arg, arg.arg)
                self.enter(made, key, ast.unparse(arg.annotation), default is None)
        return {kind: entries for kind, entries in made.items() if entries}

    def enter(self, made: Block, key: str, annotation: str, needed: bool) -> None:
        """Enter an argument, or a block with all that it takes."""
        nested = NESTED.search(annotation)
        many = "Sequence" in annotation
        if nested and not nested[1].startswith("_"):
            entry = {"nesting_mode": "list", "block": self.block(nested[1])}
            if key in VALUES:
                inner = {k: one["type"] for k, one in entry["block"]["attributes"].items()}
                shape = ["list", ["object", inner]]
                made["attributes"][key] = {"type": shape, "optional": True, "computed": True}
                return
            entry |= {} if many else {"max_items": 1}
            made["block_types"][key] = entry | ({"min_items": 1} if needed else {})
            return
        kind = next((type_ for word, type_ in KINDS if word in annotation), "string")
        shape = ["list", kind] if many else kind
        entry = {"type": shape, "required" if needed else "optional": True}
        made["attributes"][key] = entry | ({"write_only": True} if key.endswith("_wo") else {})

    def schema(self, kind: str) -> Block:
        """What a resource takes, and what can be asked of it."""
        whole = [name.removesuffix("Config") for name in self.classes if name.endswith("Config")]
        (name,) = [one for one in whole if one.lower() in (camel(kind), f"{camel(kind)}a")]
        made = self.block(f"{name}Config")
        for one in self.functions(name):
            decorators = [ast.unparse(node) for node in one.decorator_list]
            known = {*made.get("attributes", {}), *made.get("block_types", {}), "timeouts"}
            asked = "builtins.property" in decorators and not one.name.endswith("_input")
            if asked and one.name not in known and not one.name.startswith("tf_"):
                shape = ast.unparse(one.returns) if one.returns else ""
                kind = next((type_ for word, type_ in KINDS if word in shape), "string")
                made.setdefault("attributes", {})[one.name] = {"type": kind, "computed": True}
        return {"block": made}


def uses(provider: str) -> list[str]:
    """The resources and data sources of a provider that infra/ names: data_ before the latter."""
    text = "".join(path.read_text("utf-8") for path in sorted(INFRA.glob("*/*.tf")))
    found = re.findall(rf'^(resource|data) "{provider}_(\w+)"', text, re.M)
    return sorted(
        {f"data_{provider}_{name}" if kind == "data" else name for kind, name in found}
    )  # fmt: skip


def write(wheel: Path) -> None:
    """Write the schema of the provider that a wheel is made of."""
    with zipfile.ZipFile(wheel) as opened:
        (about,) = [name for name in opened.namelist() if name.endswith("/METADATA")]
        text = opened.read(about).decode()
        provider, version = re.search(r"for \w+/(\w+) provider version (\S+)", text).groups()
        made: Block = {"version": version, "resource_schemas": {}, "data_source_schemas": {}}
        modules = f"cdktn_provider_{provider}/{{}}/__init__.py"
        settings = Module(opened.read(modules.format("provider")).decode())
        made["provider"] = settings.block(f"{provider.capitalize()}ProviderConfig")
        for name in uses(provider):
            module = Module(opened.read(modules.format(name)).decode())
            source = name.startswith("data_")
            kind = name.removeprefix("data_") if source else f"{provider}_{name}"
            part = "data_source_schemas" if source else "resource_schemas"
            made[part][kind] = module.schema(name)
    SCHEMAS.mkdir(exist_ok=True)
    path = SCHEMAS / f"{provider}.json"
    path.write_text(json.dumps(made, separators=(",", ":"), sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(Path(name))
