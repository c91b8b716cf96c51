"""What a registry says of an image, which is not pulled for it: the OCI distribution protocol.

Own requests, since oras waits two minutes before it says that a registry is away or refuses.
"""

import hashlib
import json
from typing import Any

from mlgitops.core.errors import UserError
from mlgitops.images import docker, login

TIMEOUT = 15  # seconds of one request
LOCAL = ("localhost", "127.0.0.1")  # registries that speak HTTP
HUB = "registry-1.docker.io"  # where Docker Hub answers
TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
UNKNOWN = "unknown"  # the platform of what is attached to an image, as its provenance


def labels(image: str) -> dict[str, str]:
    """The labels of an image of a registry, host/owner/name@sha256:…; of each platform the same.

    A UserError says why the registry does not tell.
    """
    import requests

    try:
        found = Repository(image).labels(image.partition("@")[2])
    except (requests.RequestException, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{docker.host(image)} does not say what {image} is: {str(error)[:200]}"
        ) from None
    if any(other != found[0] for other in found):
        raise UserError(f"{image} has other labels on another platform")
    return found[0]


class Repository:
    """The images of one name in a registry."""

    def __init__(self, image: str) -> None:
        """Name the repository by an image of it; nothing is asked yet."""
        import requests

        self.session = requests.Session()
        name = image.partition("@")[0]
        self.host = docker.host(name)
        path = name.removeprefix(f"{self.host}/")
        if self.host == docker.HUB and "/" not in path:
            path = f"library/{path}"
        scheme = "http" if self.host.partition(":")[0] in LOCAL else "https"
        place = HUB if self.host == docker.HUB else self.host
        self.url = f"{scheme}://{place}/v2/{path}"

    def labels(self, digest: str) -> list[dict[str, str]]:
        """The labels of each platform."""
        top = self.document("manifests", digest)
        parts = [
            self.document("manifests", one["digest"])
            for one in top.get("manifests", ())
            if one.get("platform", {}).get("os") != UNKNOWN
        ]
        configs = [self.document("blobs", one["config"]["digest"]) for one in parts or [top]]
        return [dict(one.get("config", {}).get("Labels") or {}) for one in configs]

    def document(self, kind: str, digest: str) -> dict[str, Any]:
        """What lies under a digest; a ValueError if it is another, or no document."""
        answer = self.ask(f"{self.url}/{kind}/{digest}")
        if answer.status_code == 401:
            self.log_in(answer.headers.get("Www-Authenticate", ""))
            answer = self.ask(f"{self.url}/{kind}/{digest}")
        if answer.status_code != 200:
            raise ValueError(f"it answers {answer.status_code} {answer.reason}")
        if f"sha256:{hashlib.sha256(answer.content).hexdigest()}" != digest:
            raise ValueError(f"it gives another document for {digest}")
        found: dict[str, Any] = json.loads(answer.content)
        return found

    def ask(self, url: str, **more: Any) -> Any:
        """An answer."""
        return self.session.get(url, headers={"Accept": ", ".join(TYPES)}, timeout=TIMEOUT, **more)

    def log_in(self, challenge: str) -> None:
        """Get what the registry asks for: a token, or user and password."""
        from requests.utils import parse_dict_header

        kind, _, rest = challenge.partition(" ")
        known = login.credentials(self.host)
        if kind.lower() == "basic" and known:
            self.session.auth = known
        if kind.lower() != "bearer":
            return
        said = parse_dict_header(rest)
        wanted = {name: said[name] for name in ("service", "scope") if name in said}
        answer = self.ask(str(said["realm"]), params=wanted, auth=known)
        answer.raise_for_status()
        found = answer.json()
        self.session.headers["Authorization"] = (
            f"Bearer {found.get('token') or found['access_token']}"
        )
