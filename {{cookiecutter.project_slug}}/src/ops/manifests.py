"""`make manifests`: everything under deploy/ renders, and a cluster would take it."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from ml.errors import Mistake
from ops import environments, kinds, pods

DEPLOY = Path("deploy")
FILE = "kustomization.yaml"
PARTS = ("base", "release")  # no environment of its own, but what environments are made of
ENTRIES = ("Application", "Kustomization")  # that follow a folder
MISSING = "neither kustomize nor kubectl is installed: https://kubernetes.io/docs/tasks/tools"


def manifests() -> None:
    """Render the environments and the entry points, and judge what comes out and what goes in."""
    found = environments.problems()
    for folder in folders():
        documents = render(folder)
        told = [*problems(documents), *strange(folder.name, documents)]
        wrong = [f"{folder.as_posix()}: {text}" for text in told]
        print(f"{folder.as_posix()}: {len(documents)} objects, {len(wrong) or 'no'} problems")
        found += wrong
    if found:
        print(*found, sep="\n")
        raise Mistake(f"{DEPLOY}/ must not be applied: {len(found)} problems are told above")


def folders() -> list[Path]:
    """What is applied: the folders of deploy/ that are not parts of others."""
    there = sorted(path.parent for path in DEPLOY.glob(f"*/{FILE}"))
    found = [folder for folder in there if folder.name not in PARTS]
    if not found:
        raise Mistake(f"{DEPLOY}/ has no folder with a {FILE}: run this in the project's folder")
    return found


def render(folder: Path) -> list[dict[str, Any]]:
    """The objects that kustomize makes of a folder."""
    command = [*renderer(), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        told = " ".join(done.stderr.split())[-400:]
        raise Mistake(f"{folder.as_posix()} does not render: {told}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def renderer() -> list[str]:
    """The command that renders a folder; kubectl has kustomize inside."""
    if found := shutil.which("kustomize"):
        return [found, "build"]
    if found := shutil.which("kubectl"):
        return [found, "kustomize"]
    raise Mistake(MISSING)


def problems(documents: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong with the objects of one folder."""
    own = [
        f"{kinds.name(document)}: {text}"
        for document in documents
        for rule in (counted, restricted, followed)
        for text in rule(document)
    ]
    return kinds.problems(documents) + own


def strange(environment: str, documents: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Images of an environment that are not the one of its release.env."""
    if environment not in environments.ENVIRONMENTS:
        return
    line = (environments.stored(environment) or "").partition("\n")[0]
    released = line.removeprefix("IMAGE=")
    for document in documents:
        for container in (one for pod in pods.pods(document) for one in pods.containers(pod)):
            if not released or container.get("image") != released:
                where = f"{kinds.name(document)}: container {container.get('name')}"
                yield f"{where}: image {container.get('image')} is not the one of release.env"


def counted(document: dict[str, Any]) -> Iterator[str]:
    """A number of pods in Git makes the controller and the autoscaler fight."""
    if pods.inside(document, "spec", "replicas") is not None:
        yield "spec.replicas: leave it out, the HorizontalPodAutoscaler decides"


def restricted(document: dict[str, Any]) -> Iterator[str]:
    """Pods, and the namespaces that enforce the same."""
    for pod in pods.pods(document):
        yield from pods.problems(pod)
    enforced = "pod-security.kubernetes.io/enforce"
    labels = pods.inside(document, "metadata", "labels") or {}
    if document.get("kind") == "Namespace" and labels.get(enforced) != "restricted":
        yield f"metadata.labels: {enforced}: restricted is missing"


def followed(document: dict[str, Any]) -> Iterator[str]:
    """An entry point whose folder is not there would follow nothing."""
    path = pods.inside(document, "spec", "path") or pods.inside(document, "spec", "source", "path")
    if document.get("kind") in ENTRIES and path and not Path(path, FILE).exists():
        yield f"spec: path {path} has no {FILE}"
