"""What every pod of this repository must be: of images named by digest, and `restricted`.

The rules are those of Kubernetes' Pod Security Standard; the namespace enforces them too, but
says so only when the pods are refused.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Fields = Mapping[str, Any]

DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
VOLUMES = {
    "name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
PROFILES = ("RuntimeDefault", "Localhost")
REQUESTS = ("httpGet", "tcpSocket")
SELINUX = ("container_t", "container_init_t", "container_kvm_t", "container_engine_t")

HOOKS = (
    ("livenessProbe",), ("readinessProbe",), ("startupProbe",), ("lifecycle", "postStart"),
    ("lifecycle", "preStop"),
)  # fmt: skip


def pods(document: Fields) -> Iterator[Fields]:
    """The specification of the pods that an object makes, if it makes any."""
    if document.get("kind") == "Pod":
        yield document.get("spec") or {}
    template = inside(document, "spec", "template") or inside(
        document, "spec", "jobTemplate", "spec", "template"
    )
    if template and "spec" in template:
        yield template["spec"]


def inside(document: Fields, *path: str) -> Any:
    """The value at a path, or None."""
    value: Any = document
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def problems(pod: Fields) -> Iterator[str]:
    """What a pod must not be, or must be and is not."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield f"{name} shares what belongs to the node"
    yield from context_problems(pod.get("securityContext") or {})
    if inside(pod, "securityContext", "sysctls"):
        yield "securityContext.sysctls changes the kernel's settings"
    for volume in pod.get("volumes") or []:
        for kind in sorted(set(volume) - VOLUMES):
            yield f"volume {volume.get('name')}: {kind} is not a volume of a restricted pod"
    for container in containers(pod):
        for text in container_problems(pod, container):
            yield f"container {container.get('name')}: {text}"


def context_problems(context: Fields) -> Iterator[str]:
    """What neither a pod nor a container may say of its security."""
    if inside(context, "windowsOptions", "hostProcess"):
        yield "windowsOptions.hostProcess makes it a process of the node"
    if inside(context, "appArmorProfile", "type") not in (None, *PROFILES):
        yield "appArmorProfile removes AppArmor's limits"
    linux = context.get("seLinuxOptions") or {}
    if linux.get("user") or linux.get("role") or linux.get("type") not in (None, "", *SELINUX):
        yield "seLinuxOptions chooses another label than a container's"


def containers(pod: Fields) -> Iterator[Fields]:
    """All that a pod starts, whenever it does."""
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(group) or []


def container_problems(pod: Fields, container: Fields) -> Iterator[str]:
    """The same for one container; what it does not say, the pod says."""
    own = container.get("securityContext") or {}
    context = {**(pod.get("securityContext") or {}), **own}
    yield from context_problems(own)
    if not DIGEST.fullmatch(str(container.get("image"))):
        yield f"image {container.get('image')} is not a digest (name@sha256:…)"
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
        yield "may run as root: runAsNonRoot: true, and no runAsUser: 0"
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield "may gain privileges: allowPrivilegeEscalation: false, and no privileged"
    if "ALL" not in (inside(own, "capabilities", "drop") or []):
        yield "keeps capabilities: capabilities: {drop: [ALL]}"
    if set(inside(own, "capabilities", "add") or []) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities other than NET_BIND_SERVICE"
    if inside(context, "seccompProfile", "type") not in PROFILES:
        yield "has no seccompProfile: {type: RuntimeDefault}"
    if own.get("procMount", "Default") != "Default":
        yield "changes procMount"
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield "takes a hostPort, a port of the node"
    if any(inside(container, *hook, way, "host") for hook in HOOKS for way in REQUESTS):
        yield "lets a probe or a hook ask another host: leave host out"
