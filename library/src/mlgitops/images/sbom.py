"""`mlgitops ci sbom`: Python and the packages in the image, as CycloneDX, as the image tells."""

import json
import re
from uuid import NAMESPACE_URL, uuid5

from mlgitops.core import paths
from mlgitops.core.files import write_json
from mlgitops.images import docker

SBOM = paths.SBOM
# Also what the base brings beside the environment, such as pip.
PROGRAM = """
import json, platform, site, sys
from importlib.metadata import distributions
places = [*sys.path, *site.getsitepackages([sys.base_prefix])]
found = {(one.metadata["Name"], one.version) for one in distributions(path=places)}
print(json.dumps([platform.python_version(), sorted(found)]))
"""


def sbom() -> None:
    """Write artifacts/sbom.json for the image of what is checked out."""
    docker.require()
    name = docker.reference()
    docker.labels(name)
    identity = docker.docker("image", "inspect", "--format", "{{.Id}}", name)
    python, packages = list_packages(name)
    parts = [interpreter(python), *(package(*one) for one in packages)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": uuid5(NAMESPACE_URL, identity).urn,  # The same image, the same document.
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name, "version": identity}},
        "components": parts,
    }
    write_json(document, SBOM)
    print(f"{SBOM}: Python {python} and {len(packages)} packages")


def list_packages(image: str) -> tuple[str, list[tuple[str, str]]]:
    """The version of the image's Python, and the names and versions of its packages."""
    run = ("run", "--rm", "--network=none", "--read-only", "--entrypoint=python")
    python, packages = json.loads(docker.docker(*run, image, "-c", PROGRAM))
    return python, [(name, version) for name, version in packages]


def interpreter(version: str) -> dict[str, str]:
    """Python itself, by the name under which its weaknesses are published."""
    cpe = f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*"
    purl = f"pkg:generic/python@{version}"
    return {"type": "platform", "bom-ref": purl, "name": "python", "version": version,
            "cpe": cpe, "purl": purl}  # fmt: skip


def package(name: str, version: str) -> dict[str, str]:
    """A package by its address on PyPI."""
    purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version.replace('+', '%2B')}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
