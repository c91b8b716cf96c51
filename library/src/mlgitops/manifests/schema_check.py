"""Whether objects are what Kubernetes knows: strictly, so that a misspelt field is refused.

Kubernetes' own kinds are judged by kubernetes-validate, which holds the schemas of each version:
over 100 MB, so uv runs it beside the project. Custom ones are judged by schemas/, which were made
from the definitions that Argo CD and Flux install, or by the project's own in deploy/schemas/.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from mlgitops.core import project
from mlgitops.core.errors import UserError

VALIDATOR = "kubernetes-validate==1.37.0"
SCHEMAS = files("mlgitops.manifests") / "schemas"
OWN = Path("deploy/schemas")  # the project's
# Kubernetes' own groups, beside those whose name has no dot.
BUILT_IN = {
    f"{name}.k8s.io"
    for name in (
        "admissionregistration", "apiextensions", "apiregistration", "authentication",
        "authorization", "certificates", "coordination", "discovery", "events",
        "flowcontrol.apiserver", "internal.apiserver", "networking", "node", "rbac.authorization",
        "resource", "scheduling", "storage", "storagemigration",
    )
}  # fmt: skip
ERROR = re.compile(r"ERROR - did not validate for resource (\S+) against version \S+: (.*)", re.S)


def schema(document: dict[str, Any]) -> Traversable | None:
    """The schema of a custom object's kind: the library's, or the project's own.

    The project's takes the place of no other.
    """
    group, _, version = str(document.get("apiVersion")).rpartition("/")
    name = f"{document.get('kind')}.{group}.{version}.json"
    if "/" in name or "\\" in name:
        return None
    places = (SCHEMAS, *[OWN] * ("." in group and group not in BUILT_IN))
    return next((one / name for one in places if (one / name).is_file()), None)


def problems(documents: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong with rendered objects."""
    custom = [document for document in documents if schema(document)]
    built_in = [document for document in documents if not schema(document)]
    return [
        text for document in custom for text in custom_object_problems(document)
    ] + builtin_problems(built_in)


def custom_object_problems(document: dict[str, Any]) -> Iterator[str]:
    """What the schema of a custom object refuses."""
    found = schema(document)
    assert found is not None
    for error in sorted(rules(found.read_text(encoding="utf-8")).iter_errors(document), key=str):
        where = ".".join(map(str, error.absolute_path))
        yield f"{name(document)}: {where}: {error.message[:200]}"


@cache
def rules(text: str) -> Any:
    """The validator of a schema."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(text))


def name(document: dict[str, Any]) -> str:
    """An object's kind and name, as kubectl writes them."""
    return f"{str(document.get('kind')).lower()}/{document.get('metadata', {}).get('name')}"


def version() -> str:
    """The version of Kubernetes that runs the project, as pyproject.toml tells it."""
    return str(project.document()["tool"]["manifests"]["kubernetes"])


def builtin_problems(documents: Sequence[dict[str, Any]]) -> list[str]:
    """What kubernetes-validate says about objects of Kubernetes' own kinds."""
    if not documents:
        return []
    command = [
        "uv", "tool", "run", "--quiet", "--from", VALIDATOR, "kubernetes-validate", "--strict",
        "--quiet", "--kubernetes-version", version(), "-",
    ]  # fmt: skip
    given = "\n---\n".join(json.dumps(document) for document in documents)
    try:
        done = subprocess.run(  # noqa: S603
            command, input=given, capture_output=True, encoding="utf-8", check=False
        )
    except FileNotFoundError:
        raise UserError("uv is not installed: make setup, or https://docs.astral.sh/uv") from None
    if done.returncode and not re.match("ERROR|WARN", done.stdout):
        raise UserError(f"{VALIDATOR} did not run: {(done.stdout + done.stderr).strip()[-300:]}")
    return [
        explain(line) for line in re.split(r"\n(?=ERROR|WARN|FATAL)", done.stdout.strip()) if line
    ]


def explain(line: str) -> str:
    """A line of the validator, in our words; a kind that it does not know is no pass."""
    if error := ERROR.match(line):
        return f"{error[1]}: {error[2][:300]}"
    unknown = re.sub(r"^WARN - Couldn't find schema for ", "no schema is known of ", line)
    return f"{unknown}: a misspelt kind, or put its JSON schema into {OWN}/"
