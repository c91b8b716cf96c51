"""`make manifests`: everything under deploy/ renders, and a cluster would take it."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mlgitops.core.errors import UserError
from mlgitops.manifests import pod_security, schema_check
from mlgitops.releases import release_env

DEPLOY = Path("deploy")
FILE = "kustomization.yaml"
PARTS = ("base", "log", "release")  # no environment of its own, but what environments are made of
# What an environment has from the start, and what it has of a release.
ALWAYS = ("Namespace", "NetworkPolicy", "Service", "ServiceAccount")
RELEASED = ("Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget")
ENTRIES = ("Application", "Kustomization")  # that follow a folder
MISSING = "neither kustomize nor kubectl is installed: https://kubernetes.io/docs/tasks/tools"


def manifests() -> None:
    """Render the environments and the entry points, and judge what comes out and what goes in."""
    found = release_env.problems()
    for folder in folders():
        documents = render(folder)
        texts = [*problems(documents), *strange(folder.name, documents)]
        wrong = [f"{folder.as_posix()}: {text}" for text in texts]
        print(f"{folder.as_posix()}: {len(documents)} objects, {len(wrong) or 'no'} problems")
        found += wrong
    if found:
        print(*found, sep="\n")
        raise UserError(f"{DEPLOY}/ must not be applied: {len(found)} problems, see above")


def folders() -> list[Path]:
    """What is applied: the environments, and all of deploy/ that is no part of others."""
    if not DEPLOY.is_dir():
        raise UserError(f"there is no folder {DEPLOY}/ here: run this in the project's folder")
    there = {path.name for path in DEPLOY.iterdir() if path.is_dir()}
    return [DEPLOY / name for name in sorted(there.union(release_env.ENVIRONMENTS) - {*PARTS})]


def render(folder: Path) -> list[dict[str, Any]]:
    """The objects that kustomize makes of a folder."""
    command = [*renderer(), str(folder)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)  # noqa: S603
    if done.returncode:
        why = " ".join(done.stderr.split())[-400:]
        raise UserError(f"{folder.as_posix()} does not render: {why}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def renderer() -> list[str]:
    """The command that renders a folder; kubectl has kustomize inside."""
    if found := shutil.which("kustomize"):
        return [found, "build"]
    if found := shutil.which("kubectl"):
        return [found, "kustomize"]
    raise UserError(MISSING)


def problems(documents: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong with the objects of one folder."""
    own = [
        f"{schema_check.name(document)}: {text}"
        for document in documents
        for rule in (replica_problems, security_problems, entry_point_problems)
        for text in rule(document)
    ]
    return schema_check.problems(documents) + own


def strange(environment: str, documents: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What an environment lacks, or runs otherwise than its release.env says."""
    if environment not in release_env.ENVIRONMENTS:
        return
    lines = (release_env.file_text(environment) or "").splitlines()
    release = {name: value for name, _, value in (line.partition("=") for line in lines)}
    there = {document.get("kind") for document in documents}
    for kind in (*ALWAYS, *(RELEASED if release.get("IMAGE") else ())):
        if kind not in there:
            yield f"a {kind} is missing"
    for document in documents:
        for container in (
            one for pod in pod_security.pods(document) for one in pod_security.containers(pod)
        ):
            for text in otherwise(container, release):
                yield f"{schema_check.name(document)}: container {container.get('name')}: {text}"


def otherwise(container: Mapping[str, Any], release: Mapping[str, str]) -> Iterator[str]:
    """Where a container is another than release.env says, or tells other values of it."""
    if not release.get("IMAGE") or container.get("image") != release["IMAGE"]:
        yield f"image {container.get('image')} is not the one of release.env"
    for name in release_env.NAMES:
        own = [one.get("value") for one in container.get("env") or [] if one.get("name") == name]
        if own != [release.get(name)]:
            yield f"env {name} is not the one of release.env"
    for name in ("command", "args"):
        if name in container:
            yield f"{name}: leave it out, the image's own was tested"


def replica_problems(document: dict[str, Any]) -> Iterator[str]:
    """A number of pods in Git makes the controller and the autoscaler fight."""
    if pod_security.inside(document, "spec", "replicas") is not None:
        yield "spec.replicas: leave it out, the HorizontalPodAutoscaler decides"


def security_problems(document: dict[str, Any]) -> Iterator[str]:
    """Pods, and the namespaces that enforce the same."""
    for pod in pod_security.pods(document):
        yield from pod_security.problems(pod)
    enforced = "pod-security.kubernetes.io/enforce"
    labels = pod_security.inside(document, "metadata", "labels") or {}
    if document.get("kind") == "Namespace" and labels.get(enforced) != "restricted":
        yield f"metadata.labels: {enforced}: restricted is missing"


def entry_point_problems(document: dict[str, Any]) -> Iterator[str]:
    """An entry point whose folder is not there would follow nothing."""
    path = pod_security.inside(document, "spec", "path") or pod_security.inside(
        document, "spec", "source", "path"
    )
    if document.get("kind") in ENTRIES and path and not Path(path, FILE).exists():
        yield f"spec: path {path} has no {FILE}"
