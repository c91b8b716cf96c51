"""The JSON schemas by which `make manifests` checks custom resources, made from their CRDs.

`python tests/crds.py FOLDER` makes them again from a folder of CRDs of Argo CD and Flux.
"""

import json
import sys
from pathlib import Path

import yaml
from baked import ROOT

SCHEMAS = ROOT / "library/src/mlgitops/manifests/schemas"
KINDS = (
    "Application.argoproj.io",
    "AppProject.argoproj.io",
    "GitRepository.source.toolkit.fluxcd.io",
    "Kustomization.kustomize.toolkit.fluxcd.io",
)
KEPT = ("additionalProperties", "enum", "maxLength", "minimum", "maximum", "pattern", "required")


def strict(schema: dict) -> dict:
    """The part of an OpenAPI schema that refuses something; unknown fields are refused too."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {name: schema[name] for name in ("type", *KEPT) if name in schema}
    if "properties" in schema:
        made["properties"] = {name: strict(s) for name, s in sorted(schema["properties"].items())}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = False
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = strict(schema["additionalProperties"])
    if "items" in schema:
        made["items"] = strict(schema["items"])
    return made


def schemas(crd: dict) -> dict[str, dict]:
    """By file name, the schema of each served version: apiVersion, kind, metadata and spec."""
    if crd["kind"] != "CustomResourceDefinition":
        return {}
    group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
    if f"{kind}.{group}" not in KINDS:
        return {}
    return {
        f"{kind}.{group}.{version['name']}.json": {
            "type": "object",
            "required": ["apiVersion", "kind", "metadata", "spec"],
            "additionalProperties": False,
            "properties": {
                "apiVersion": {"const": f"{group}/{version['name']}"},
                "kind": {"const": kind},
                "metadata": {"type": "object"},
                "spec": strict(version["schema"]["openAPIV3Schema"]["properties"]["spec"]),
            },
        }
        for version in crd["spec"]["versions"]
        if version["served"] and version["storage"]
    }


def write(folder: Path) -> None:
    """Write the schemas of the CRDs in a folder."""
    SCHEMAS.mkdir(exist_ok=True)
    for path in sorted(folder.glob("*.yaml")):
        for crd in filter(None, yaml.safe_load_all(path.read_text("utf-8"))):
            for name, schema in schemas(crd).items():
                text = json.dumps(schema, separators=(",", ":"))
                (SCHEMAS / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
