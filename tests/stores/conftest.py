"""A small project with a history of objects, and stores of three clouds on this machine."""

import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from made_project import IDENTITY
from mlgitops.stores import move, reach

# No SDK asks anybody but 127.0.0.1, whatever it finds or does not find.
CLOSED = {
    "NO_GCE_CHECK": "true", "GCE_METADATA_HOST": "127.0.0.1:9", "AWS_EC2_METADATA_DISABLED": "true",
    "HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
    "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
}  # fmt: skip
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # read at import
ACCOUNT = "devstoreaccount1"  # Azurite's own, as its key
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
BUCKET = "dvc"
GRAPH = """\
stages:
  train:
    cmd: train
    deps: [data/raw.parquet]
    outs:
      - model
      - own: {push: false}
    metrics:
      - metrics.json: {cache: false}
"""
CONFIG = """\
[core]
    remote = store
    analytics = false
['remote "store"']
    url = ../store
    verify = true
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def md5(content: bytes) -> str:
    import hashlib

    return hashlib.md5(content).hexdigest()


class Small:
    """A project whose commits name objects, without a run of anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = {
            ".dvc/config": CONFIG, ".dvc/.gitignore": "/cache\n/tmp\n", "dvc.yaml": GRAPH,
            ".gitignore": "/data/raw.parquet\n/model\n", "store/.keep": "",
            "pyproject.toml": '[dependency-groups]\ntrain = ["mlgitops[train,store-git]"]\n',
        }  # fmt: skip
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env=os.environ | IDENTITY, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    def keep(self, content: bytes, ending: str = "", pushed: bool = True) -> str:
        """An object in the cache, and in the store."""
        name = md5(content) + ending
        for place in (".dvc/cache", *["store"] * pushed):
            path = self.folder / place / "files/md5" / name[:2] / name[2:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return name

    def version(self, text: str, commit: bool = True, **kept: bool) -> set[str]:
        """Data and a model of two files, made of a text; the names of the objects."""
        raw = self.keep(f"raw {text}".encode(), **kept)
        files = [self.keep(f"{name} {text}".encode(), **kept) for name in ("a", "b")]
        listing = [{"md5": one, "relpath": f"{n}.bin"} for n, one in enumerate(files)]
        model = self.keep(json.dumps(listing).encode(), ".dir", **kept)
        here = {"md5": raw, "size": 5, "hash": "md5"}
        (self.folder / "data").mkdir(exist_ok=True)
        (self.folder / "data/raw.parquet.dvc").write_text(
            json.dumps({"outs": [here | {"path": "raw.parquet"}]})
        )
        outs = [
            {"path": "model", "hash": "md5", "md5": model},
            {"path": "metrics.json", "hash": "md5", "md5": "1" * 32},
            {"path": "own", "hash": "md5", "md5": "2" * 32},
        ]
        stage = {"cmd": "train", "deps": [here | {"path": "data/raw.parquet"}], "outs": outs}
        lock = {"schema": "2.0", "stages": {"train": stage}}
        (self.folder / "dvc.lock").write_text(json.dumps(lock))
        if commit:
            self.commit(text)
        return {raw, *files, model}

    def commit(self, subject: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--no-verify", "--allow-empty", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def place_in_store(self, name: str) -> Path:
        """Where the folder store/ has an object."""
        return self.folder / "store/files/md5" / name[:2] / name[2:]

    def forget(self) -> None:
        """Empty the cache, as in a new clone."""
        shutil.rmtree(self.folder / ".dvc/cache", ignore_errors=True)


@pytest.fixture(autouse=True)
def _close_network(monkeypatch, tmp_path_factory):
    for name, value in CLOSED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT", "AWS_ENDPOINT_URL",
                 "STORAGE_EMULATOR_HOST", "AWS_PROFILE", "AWS_CONFIG_FILE",
                 "GOOGLE_APPLICATION_CREDENTIALS"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(move, "uv", lambda command: None)
    monkeypatch.setattr(reach, "SECONDS", 60.0)  # on a machine that is busy with other tests


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The project in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", os.devnull)
    return Small(tmp_path)


@pytest.fixture
def history(small):
    """The objects of a project with three versions: main's, a branch's, and one that a tag has."""
    return make_history(small)


@pytest.fixture
def apart(small):
    """The same, where Git has nothing of the folder, as on a share."""
    (small.folder / ".git/info/exclude").write_text("/store/files\n")
    return make_history(small)


def make_history(small):
    objects = small.version("tagged")
    small.git("tag", "v1")
    small.git("switch", "--quiet", "--create", "side")
    objects |= small.version("side")
    small.git("switch", "--quiet", "main")
    small.git("reset", "--quiet", "--hard", small.git("commit-tree", "HEAD^{tree}", "-m", "New"))
    return objects | small.version("main")


@pytest.fixture(scope="session")
def azurite(tmp_path_factory):
    """The login to a store of Azure; its containers are in memory."""
    port, folder = free_port(), tmp_path_factory.mktemp("azurite")
    options = ("--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry")
    server = subprocess.Popen(
        ["azurite-blob", *options, "--blobHost", "127.0.0.1", "--blobPort", str(port)],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until_it_listens(port)
    yield (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    )
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def moto():
    """The address of a store of S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    until_it_listens(port)
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def gcs():
    """The address of a store of Google's."""
    from gcp_storage_emulator.server import create_server

    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True)
    server.start()
    until_it_listens(port)
    yield f"http://127.0.0.1:{port}"
    server.stop()


def until_it_listens(port: int) -> None:
    for _ in range(600):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens at {port}")


def containers(login: str):
    from azure.storage.blob import BlobServiceClient

    return BlobServiceClient.from_connection_string(login)


@pytest.fixture
def azure(request, monkeypatch, tmp_path):
    """The URL of an empty place in a container."""
    login = request.getfixturevalue("azurite")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", login)
    with containers(login) as service:
        if not service.get_container_client(BUCKET).exists():
            service.create_container(BUCKET)
    return f"azure://{BUCKET}/{md5(bytes(tmp_path))}"


@pytest.fixture
def s3(moto, monkeypatch, tmp_path):
    """The URL of an empty place in a bucket of S3."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    boto3.client("s3", endpoint_url=moto).create_bucket(Bucket=BUCKET)
    return f"s3://{BUCKET}/{md5(bytes(tmp_path))}"


@pytest.fixture
def gs(gcs, monkeypatch, tmp_path):
    """The URL of an empty place in a bucket of Google's."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs)
    body = json.dumps({"name": BUCKET}).encode()
    headers = {"Content-Type": "application/json"}
    with suppress(HTTPError):  # it is there
        urlopen(Request(f"{gcs}/storage/v1/b?project=test", body, headers), timeout=10).close()
    return f"gs://{BUCKET}/{md5(bytes(tmp_path))}"


@pytest.fixture(params=[pytest.param("azure", marks=pytest.mark.azurite), "s3", "gs"])
def cloud(request):
    """The URL of an empty place in each of the clouds."""
    return request.getfixturevalue(request.param)
