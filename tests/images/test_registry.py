"""What a registry says of an image: asked over HTTP, of a registry that asks for a token."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from mlgitops.core.errors import UserError
from mlgitops.images import registry

LABELS = {"org.opencontainers.image.revision": "c" * 40}


class Registry:
    """Documents by their digests, below /v2/acme/bees."""

    def __init__(self):
        self.documents, self.token, self.asked = {}, "", []

    def put(self, kind, document):
        content = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.documents[f"/v2/acme/bees/{kind}/{digest}"] = content
        return digest

    def image(self, labels):
        config = self.put("blobs", {"config": {"Labels": labels}})
        return self.put("manifests", {"config": {"digest": config}})

    def index(self, *digests):
        """An image of several platforms, with its provenance."""
        unknown = self.put("manifests", {"config": {"digest": "none"}})
        parts = [{"digest": one, "platform": {"os": "linux"}} for one in digests]
        parts.append({"digest": unknown, "platform": {"os": "unknown"}})
        return self.put("manifests", {"manifests": parts})


@pytest.fixture
def there():
    made = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            made.asked.append((self.path, self.headers.get("Authorization", "")))
            path, _, _ = self.path.partition("?")
            if path == "/token":
                self.answer(200, json.dumps({"token": made.token}).encode())
            elif made.token and self.headers.get("Authorization") != f"Bearer {made.token}":
                realm = f"http://127.0.0.1:{server.server_port}/token"
                said = f'Bearer realm="{realm}",service="it",scope="repository:acme/bees:pull"'
                self.answer(401, b"{}", ("Www-Authenticate", said))
            else:
                content = made.documents.get(path)
                self.answer(200 if content else 404, content or b"{}")

        def answer(self, status, content, *headers):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    made.name = f"127.0.0.1:{server.server_port}/acme/bees"
    yield made
    server.shutdown()
    server.server_close()


def labels(there, digest):
    return registry.labels(f"{there.name}@{digest}")


def test_the_labels_of_an_image_are_read_without_pulling_it(there):
    assert labels(there, there.image(LABELS)) == LABELS
    assert labels(there, there.index(there.image(LABELS))) == LABELS
    assert labels(there, there.image(None)) == {}


def test_a_registry_that_asks_for_a_token_gets_the_login(there, monkeypatch):
    there.token = "secret"
    monkeypatch.setenv("REGISTRY_USER", "ada")
    monkeypatch.setenv("REGISTRY_PASSWORD", "pass")
    assert labels(there, there.image(LABELS)) == LABELS
    path, given = next(one for one in there.asked if one[0].startswith("/token"))
    assert "scope=repository%3Aacme%2Fbees%3Apull" in path
    assert given.startswith("Basic ")


def test_what_it_does_not_have_is_said(there):
    with pytest.raises(UserError, match="404"):
        labels(there, f"sha256:{'0' * 64}")


def test_another_document_than_the_digest_is_refused(there):
    digest = there.image(LABELS)
    there.documents[f"/v2/acme/bees/manifests/{digest}"] = b'{"config": {}}'
    with pytest.raises(UserError, match="another document"):
        labels(there, digest)


def test_platforms_of_other_sources_are_refused(there):
    digest = there.index(there.image(LABELS), there.image({"other": "labels"}))
    with pytest.raises(UserError, match="another platform"):
        labels(there, digest)


@pytest.mark.parametrize("document", [[], {"manifests": 3}, {"config": "x"}, {"manifests": ["x"]}])
def test_what_is_no_manifest_is_said(there, document):
    digest = there.put("manifests", document)
    with pytest.raises(UserError, match="does not say what"):
        labels(there, digest)


def test_a_registry_that_is_away_is_said():
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9 does not say"):
        registry.labels(f"127.0.0.1:9/acme/bees@sha256:{'0' * 64}")
