"""The image that environments are made in, with what this machine needs to reach an index.

It is a throw-away: the Dockerfile's stages take the finished environment out of it, so neither a
certificate nor an address or its password gets into an image that is pushed.
"""

import os
import re
import shutil
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mlgitops.core.errors import UserError
from mlgitops.images import docker

# Where pip and uv keep their settings here: the first that exists, by its place in the image.
FILES = {
    "etc/pip.conf": ("$PIP_CONFIG_FILE", "~/.config/pip/pip.conf", "~/.pip/pip.conf",
                     "~/Library/Application Support/pip/pip.conf", "/etc/pip.conf"),
    "etc/uv/uv.toml": ("$UV_CONFIG_FILE", "~/.config/uv/uv.toml", "/etc/uv/uv.toml"),
}  # fmt: skip
CERTIFICATES = ("$SSL_CERT_FILE", "$REQUESTS_CA_BUNDLE", "$PIP_CERT")
BUNDLE = "/etc/ssl/certs/of-the-host.pem"
VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "UV_DEFAULT_INDEX",
             "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INSECURE_HOST", "UV_NATIVE_TLS",
             "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")  # fmt: skip
LOCAL = "`make image LOCAL=1` hands it this machine's certificates and package index"
# What the log of a build that failed says, and what it means.
CAUSES = {
    r"x509: ": "the Docker daemon does not trust a certificate: give it that of your proxy, or "
    "name a base image that is here: BASE=image",
    r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer|self-signed certificate":
    f"the build does not trust the certificate of a proxy or an index: {LOCAL}",
    r"No matching distribution|Failed to establish a new connection|name resolution|dns error"
    r"|Connect(ion)? ?(refused|timeout|timed out)|401 Unauthorized|403 Forbidden":
    f"the build does not reach the package index: {LOCAL}",
}  # fmt: skip


def cause(log: Sequence[str]) -> str:
    """The likely cause in a build's log and the way out, as the end of a message; or nothing."""
    text = "\n".join(log)
    found = next((why for pattern, why in CAUSES.items() if re.search(pattern, text, re.I)), "")
    return f"\n{found}; docs/runbook.md" if found else ""


def first(places: Sequence[str]) -> Path | None:
    """The first of these files that exists."""
    paths = (Path(os.path.expandvars(place)).expanduser() for place in places)
    return next((path for path in paths if path.is_file()), None)


def dockerfile(base: str, folder: Path) -> str:
    """Copy this machine's settings into `folder`; the Dockerfile of a builder with them."""
    lines = [f"FROM {base}"]
    for place, candidates in FILES.items():
        if found := first(candidates):
            shutil.copyfile(found, folder / Path(place).name)
            lines.append(f"COPY {Path(place).name} /{place}")
    bundle = first(CERTIFICATES) or first([ssl.get_default_verify_paths().cafile or ""])
    if bundle:
        shutil.copyfile(bundle, folder / "bundle.pem")
        lines += [f"COPY bundle.pem {BUNDLE}"]
        lines += [f"ENV {name[1:]}={BUNDLE}" for name in CERTIFICATES]
    for name in variables_here():
        lines += [f"ARG {name}", f"ENV {name}=${{{name}}}"]
    return "\n".join([*lines, ""])


def variables_here() -> list[str]:
    """The settings that are variables of this environment."""
    return [name for name in VARIABLES if os.environ.get(name)]


@contextmanager
def local(base: str) -> Iterator[str]:
    """The name of a builder with this machine's settings, which is removed afterwards."""
    if os.environ.get("BUILDER"):
        raise UserError("say LOCAL=1 or BUILDER=image: both name what environments are made in")
    name = f"{docker.image_name().rpartition('/')[2]}-builder:local"
    with TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text(dockerfile(base, Path(folder)), encoding="utf-8")
        # A name without a value is read from the environment: no password in a list of processes.
        arguments = [part for variable in variables_here() for part in ("--build-arg", variable)]
        docker.run_visibly("build", "--quiet", "--tag", name, *arguments, folder)
    try:
        yield name
    finally:
        docker.both("image", "rm", "--force", name)
