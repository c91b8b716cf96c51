"""What a machine may lack, by the marker of the tests that need it, and why it is missing."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from urllib.request import urlopen

from baked import PROJECT, REGISTRY


def answers(*command: str) -> bool:
    """Whether there is such a program here, and it succeeds."""
    found = shutil.which(command[0]) and subprocess.run(command, capture_output=True, check=False)
    return bool(found) and found.returncode == 0


@cache
def docker() -> str:
    """Why no image can be built here, or nothing; tried once, as the project's own build begins.

    A daemon may answer and still build nothing: it has no base image, or what it starts does not
    trust the certificates of a proxy.
    """
    if not answers("docker", "version", "--format", "{{.Server.Version}}"):
        return "no Docker answers"
    text = (PROJECT / "Dockerfile").read_text("utf-8")
    base = os.environ.get("BUILDER") or re.search(r"^ARG BASE=(\S+)", text, re.M)[1]
    tools = re.search(r"^RUN python3 -m venv /uv.*$", text, re.M)[0]
    done = subprocess.run(
        ["docker", "build", "--quiet", "-"], input=f"FROM {base}\n{tools}\n", text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    *_, last = ["it does not say why", *(line for line in done.stderr.splitlines() if line.strip())]
    return f"the Docker cannot build an image: {last[:300]}" if done.returncode else ""


def compose() -> str:
    """Why compose.yaml cannot be read here, or nothing."""
    return "" if answers("docker", "compose", "version") else "docker has no compose"


@cache
def stack() -> str:
    """Why the parts of compose.yaml cannot run together here, or nothing."""
    for image in re.findall(r"^ +image: ([^$\s]+)$", (PROJECT / "compose.yaml").read_text(), re.M):
        if not (answers("docker", "image", "inspect", image) or answers("docker", "pull", image)):
            return f"the image {image} can neither be found nor pulled"
    return ""


def registry() -> str:
    """Why no image can be pushed from here, or nothing."""
    try:
        urlopen(f"http://{REGISTRY}/v2/", timeout=5).close()
    except OSError as error:
        return f"no registry at {REGISTRY}: {error}"
    return ""


def promtool() -> str:
    """Why no rule can be tried here, or nothing."""
    return "" if shutil.which("promtool") else "promtool is not installed"


def runner() -> str:
    """Why no workflow can be run here, or nothing."""
    return "" if shutil.which("act") else "act is not installed"


def git_host() -> str:
    """Why no project can be pushed to a Git host with a runner, or nothing."""
    found = Path(os.environ.get("GIT_HOST_ENV") or "/nowhere")
    return "" if found.is_file() else "no GIT_HOST_ENV: .ci/git-host starts a Git host for tests"


def cluster() -> str:
    """Why nothing can be deployed here, or nothing."""
    # Somebody's own cluster must not be changed by tests: the other two are set for tests only.
    unset = [
        name for name in ("KUBECONFIG", "GITOPS_ROOT", "GITOPS_URL") if not os.environ.get(name)
    ]
    if unset or not shutil.which("kubectl"):
        return f"no {' and '.join(unset) or 'kubectl'}: .ci/lab starts a cluster for tests"
    found = answers("kubectl", "get", "nodes", "--request-timeout=5s")
    return "" if found else "the cluster of KUBECONFIG does not answer"


def azurite() -> str:
    """Why no store of Azure can be emulated here, or nothing."""
    return "" if shutil.which("azurite-blob") else "azurite is not installed: .ci/azurite does it"


# OpenTofu, and what stands in for its providers, where .ci/tofu builds them.
INFRA = Path.home() / ".cache/gitops-lab/infra"
OPENTOFU = shutil.which("tofu") or INFRA / "bin/tofu", INFRA / "provider/provider"


def tofu() -> str:
    """Why nothing can be planned here, or nothing."""
    there = all(Path(one).exists() for one in OPENTOFU)
    return "" if there else "OpenTofu is not here: .ci/tofu build"


PARTS = {
    "azurite": azurite, "tofu": tofu,
    "docker": docker, "compose": compose, "stack": stack, "registry": registry,
    "promtool": promtool, "act": runner, "git_host": git_host, "cluster": cluster,
}  # fmt: skip
