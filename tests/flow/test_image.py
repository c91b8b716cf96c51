"""The two images of a generated project, made, tried and pushed with a real Docker."""

import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import yaml
from baked import PROJECT, REGISTRY, commit, run
from docker import DockerClient
from docker.models.images import Image

pytestmark = pytest.mark.docker
BASE = re.search(r"^ARG BASE=(\S+)", (PROJECT / "Dockerfile").read_text("utf-8"), re.M)[1]
SIZE = 250  # MB, without the base
STEPS = ["start", "ready", "model", "version", "predict", "no writing", "SIGTERM"]
WRITES = "open('/app/log', 'w'); from mlgitops.serving.cli import main; main()"
BROKEN = "open('/app/artifacts/model/model.onnx', 'wb').write(b'no model')"
# What is done to a good image, and what is said of it.
REFUSED = {
    "USER root": "runs as root: USER must be a number other than 0",
    f'ENTRYPOINT ["python", "-c", "{WRITES}"]': "Read-only file system: '/app/log'",
    f'USER 0\nRUN ["python", "-c", "{BROKEN}"]\nUSER 65532': "serve the model of the release",
    "LABEL ml.data=other": "the image's label says other",
    "LABEL ml.model=other": "the image's label says other",
    "ENV COMMIT=other": "the commit at /version is other, the image's label says",
    'ENTRYPOINT ["sh", "-c", "python -m mlgitops.serving; true"]': "SIGTERM did not end it in 6 s",
}


def make(target: str, project: Path, fails: bool = False, **variables: str) -> str:
    """What the target printed, with the registry of the tests."""
    said = [f"{name}={value}" for name, value in variables.items()]
    return run("make", target, *said, cwd=project, fails=fails, REGISTRY=REGISTRY)


def head(project: Path) -> str:
    return run("git", "rev-parse", "HEAD", cwd=project).strip()


def name(build_output: str) -> str:
    """The image that `make image` says it made."""
    return re.search(r"^image  (\S+)$", build_output, re.M)[1]


def layers(image: Image) -> list[str]:
    return image.attrs["RootFS"]["Layers"]


def new(image: Image, other: Image) -> int:
    """How many layers of an image the other has not."""
    return len(set(layers(image)) - set(layers(other)))


@pytest.fixture(scope="module", autouse=True)
def client() -> Iterator[DockerClient]:
    """Docker; what the tests made there is removed at the end."""
    made = docker.from_env(timeout=600)
    before = {one.id for one in made.containers.list(all=True)}
    known = {tag for one in made.images.list() for tag in one.tags}
    yield made
    left = {one.id for one in made.containers.list(all=True, filters={"label": "ml.model"})}
    for one in made.images.list(filters={"label": "ml.model"}):
        for tag in {*one.tags} - known:
            made.images.remove(tag)
    assert not left - before, "a container was left behind"


@pytest.fixture(scope="module")
def build_output(ready: Path) -> str:
    """What `make image` printed."""
    return make("image", ready)


@pytest.fixture(scope="module")
def server(build_output: str, client: DockerClient) -> Image:
    return client.images.get(name(build_output))


@pytest.fixture(scope="module")
def pipeline(ready: Path, client: DockerClient) -> Image:
    return client.images.get(name(make("image", ready, TARGET="pipeline")))


def above_the_base(image: Image, client: DockerClient) -> list[str]:
    """The names of the files in the layers that are not the base's."""
    own = layers(image)[len(layers(client.images.get(BASE))) :]
    names, archive = [], io.BytesIO(b"".join(image.save()))
    with tarfile.open(fileobj=archive) as tar:
        [manifest] = json.load(tar.extractfile("manifest.json"))
        for path in manifest["Layers"][-len(own) :]:
            with tarfile.open(fileobj=tar.extractfile(path)) as layer:
                names += layer.getnames()
    return names


def test_the_image_is_small_and_says_what_it_is(build_output, server, ready):
    own = re.search(r"without its base (\d+) MB", build_output)[1]
    steps = server.history()
    first = next(i for i, one in enumerate(steps) if "ENV PATH=/venv/bin" in one["CreatedBy"])
    assert round(sum(one["Size"] for one in steps[:first]) / 1e6) == int(own) <= SIZE
    lock = yaml.safe_load((ready / "dvc.lock").read_text("utf-8"))["stages"]
    [model] = [out["md5"] for out in lock["export"]["outs"] if out["path"] == "artifacts/model"]
    [data] = [one["md5"] for one in lock["validate"]["deps"] if one["path"].startswith("data/raw")]
    assert server.labels["org.opencontainers.image.revision"] == head(ready)
    assert (server.labels["ml.model"], server.labels["ml.data"]) == (model, data)
    assert server.attrs["Config"]["User"] == "65532:65532"
    assert f"id     {server.id}" in build_output


def test_it_starts_as_kubernetes_would(build_output, ready):
    told = make("smoke", ready)
    assert [line[:12].strip() for line in told.splitlines()[:-1]] == STEPS
    assert f"{name(build_output)} passed in" in told


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.split("\n")[0][:30])
def test_smoke_refuses_an_image_that(change, build_output, server, ready, client):
    text = f"FROM {name(build_output)}\n{change}\n".encode()
    tag = f"{REGISTRY}/flights-refused:test"
    client.images.build(fileobj=io.BytesIO(text), tag=tag, rm=True, forcerm=True)
    told = make("smoke", ready, fails=True, IMAGE=tag)
    assert REFUSED[change] in told
    assert "Traceback" not in told.split("mlgitops smoke:")[-1]


def test_the_health_check_turns_healthy(server, client):
    container = client.containers.run(
        server.id, detach=True, read_only=True,
        healthcheck={"test": server.attrs["Config"]["Healthcheck"]["Test"], "interval": 10**9},
    )  # fmt: skip
    try:
        for event in client.events(decode=True, filters={"container": container.id}):
            if event["status"].startswith("health_status"):
                assert event["status"] == "health_status: healthy"
                break
    finally:
        container.remove(force=True)


def test_a_new_model_is_one_layer_and_new_code_another(server, copy, client):
    params = copy / "params.yaml"
    text = params.read_text("utf-8")
    params.write_text(text.replace("learning_rate: 0.1", "learning_rate: 0.05"), "utf-8")
    make("pipeline", copy)
    commit(copy, "Learn slower")
    model = client.images.get(name(make("image", copy)))
    assert new(model, server) == 1
    with (copy / "vendor/mlgitops/src/mlgitops/serving/pages.py").open("a") as file:
        file.write("# A change.\n")
    told = make("image", copy)
    code = client.images.get(name(told))
    assert "you can try it, but not release it" in told
    assert new(code, model) == 1
    assert "commit, then `make image`" in make("push", copy, fails=True)


@pytest.mark.nightly
def test_a_machine_without_a_cache_makes_the_same_layers(server, ready, tmp_path, client):
    clone = tmp_path / "clone"
    run("git", "clone", "--quiet", "--no-hardlinks", str(ready), str(clone), cwd=tmp_path)
    shutil.copytree(ready / "artifacts/model", clone / "artifacts/model")
    run("chmod", "-R", "go=", "artifacts", "src", "vendor", cwd=clone)
    tag = f"{REGISTRY}/flights-again:test"
    builder = [f"--build-arg=BUILDER={os.environ['BUILDER']}"] if os.environ.get("BUILDER") else []
    run("docker", "build", "--no-cache", "--target=server", f"--tag={tag}", "--build-arg=MODEL=x",
        *builder, ".", cwd=clone)  # fmt: skip
    assert layers(client.images.get(tag)) == layers(server)


@pytest.mark.nightly
def test_a_model_without_a_converter_brings_its_packages(copy):
    params = copy / "params.yaml"
    text = params.read_text("utf-8")
    params.write_text(re.sub(r"format: onnx", "format: sklearn", text), "utf-8")
    make("pipeline", copy)
    commit(copy, "Serve the pickle")
    make("image", copy)
    assert "passed in" in make("smoke", copy)


def test_the_image_that_serves_has_no_other_code(server, pipeline, client):
    library, found = "app/vendor/mlgitops/src/mlgitops/", above_the_base(server, client)
    inside = {name.removeprefix(library).split("/")[0] for name in found if library in name}
    assert inside - {""} == {"__init__.py", "__pycache__", "serving"}
    compiled = re.compile(r"serving/__pycache__/server\.cpython-\d+\.pyc$")
    assert any(compiled.search(name) for name in found)
    assert not [name for name in found if name.startswith("app/src")]
    assert not [name for name in found if "site-packages/mlgitops" in name]
    whole = above_the_base(pipeline, client)
    assert {f"{library}core/cli.py", "app/src/ml/train.py", "app/gate.yaml"} <= set(whole)
    assert not [name for name in whole if "site-packages/mlgitops" in name]


@pytest.mark.registry
def test_the_digest_that_push_prints_can_be_pulled(build_output, server, ready, client):
    line = make("push", ready).splitlines()[-1]
    image = line.removeprefix("IMAGE=")
    assert re.fullmatch(rf"{re.escape(REGISTRY)}/flights@sha256:[0-9a-f]{{64}}", image)
    assert (ready / "artifacts/image.env").read_text("utf-8") == f"{line}\n"
    assert run("git", "status", "--porcelain", cwd=ready) == ""
    assert client.images.pull(image).labels == server.labels


def test_the_image_of_the_pipeline_runs_it_on_a_project(pipeline, copy, client):
    told = client.containers.run(
        pipeline.id, ["pipeline", "--force"], user=f"{os.getuid()}:{os.getgid()}", remove=True,
        volumes={str(copy): {"bind": "/app"}}, stderr=True,
    ).decode()  # fmt: skip
    assert re.findall(r"Running stage '(\w+)'", told)[-1] == "evaluate"


def test_the_image_of_the_pipeline_scores_with_the_model_inside(pipeline, ready, client):
    told = client.containers.run(
        pipeline.id, ["score", "/data/test.parquet", "/tmp/scores.csv"], remove=True,
        volumes={str(ready / "data"): {"bind": "/data", "mode": "ro"}}, stderr=True,
    ).decode()  # fmt: skip
    assert "scores.csv" in told


def test_the_sbom_lists_what_is_in_the_image_and_nothing_else(build_output, server, ready, client):
    ci = ("uv", "run", "--locked", "--no-default-groups", "--group", "train", "mlgitops", "ci")
    told = run(*ci, "sbom", cwd=ready, REGISTRY=REGISTRY)
    document = json.loads((ready / "artifacts/sbom.json").read_text("utf-8"))
    found = {one["name"]: one["version"] for one in document["components"]}
    assert f"Python {found['python']} and {len(document['components']) - 1} packages" in told
    assert len(found) == len(document["components"])
    program = "import platform, numpy; print(platform.python_version(), numpy.__version__)"
    asked = client.containers.run(server.id, ["-c", program], entrypoint="python", remove=True)
    assert asked.decode().split() == [found["python"], found["numpy"]]
    paths = "\n".join(above_the_base(server, client))
    own = set(re.findall(r"site-packages/([^/\n]+)-[^/\n]+\.dist-info$", paths, re.M))
    listed = {re.sub(r"[-.]", "_", name).lower() for name in found}
    assert own <= listed
    assert listed - own <= {"python", "pip", "setuptools", "wheel"}  # the base's
    assert "scikit-learn" not in found


@pytest.mark.parametrize("which", ["server", "pipeline"])
def test_what_the_builder_had_leaves_no_trace(which, request, client):
    image = request.getfixturevalue(which)
    for text in (json.dumps(image.attrs["Config"]), json.dumps(image.history())):
        assert not re.search(r"SSL_CERT|PIP_|UV_|bundle|pip\.conf|_proxy", text)
    names = above_the_base(image, client)
    assert any(path.endswith("model.onnx") for path in names)
    suspects = [path for path in names if re.search(r"pip\.conf|uv\.toml|\.(crt|pem)$", path)]
    assert [path for path in suspects if not path.endswith("certifi/cacert.pem")] == []
    assert not [path for path in names if re.search(r"^root/|\.cache/|(^|/)uv$", path)]
