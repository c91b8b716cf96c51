"""From a commit to pods that answer and back, by Argo CD and by Flux, on a real cluster.

KUBECONFIG names the cluster, TEST_REGISTRY a registry from which it pulls, GITOPS_ROOT a folder of
bare repositories that its controllers reach at GITOPS_URL: `.ci/lab` and a workflow provide them.
"""

import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from baked import REGISTRY, Endpoint, bake, clone, commit, post, release_to_staging, run, until
from crds import SCHEMAS, schemas

pytestmark = [pytest.mark.cluster, pytest.mark.docker]
OWNER = "https://github.com/acme"
ENVIRONMENTS = ("staging", "production")
IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
PAUSE = 0.02  # seconds between the requests of a client in light load


@dataclass(frozen=True)
class Controller:
    """How one of the two is told that there is a commit, as a webhook would, and what it says."""

    name: str

    def notify(self, slug: str) -> None:
        if self.name == "argocd":
            told = [
                "-n=argocd",
                "annotate",
                "--all",
                "applications",
                "argocd.argoproj.io/refresh=normal",
            ]
        else:
            now = f"reconcile.fluxcd.io/requestedAt={time.time_ns()}"
            told = ["-n=flux-system", "annotate", f"gitrepository/{slug}", now]
        kubectl(*told, "--overwrite")

    def state(self, slug: str, environment: str) -> tuple[str, bool]:
        """The commit that it has made, or tries to make; and whether what runs is healthy."""
        if self.name == "argocd":
            status = get_object("argocd", "application", f"{slug}-{environment}")["status"]
            synced = status.get("sync", {}).get("status") == "Synced"
            healthy = status.get("health", {}).get("status") == "Healthy"
            return status.get("sync", {}).get("revision", ""), synced and healthy
        status = get_object("flux-system", "kustomization", f"{slug}-{environment}")["status"]
        conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
        applied = status.get("lastAppliedRevision") == status.get("lastAttemptedRevision")
        revision = status.get("lastAttemptedRevision", "").rpartition(":")[2]
        return revision, applied and conditions.get("Ready") == "True"

    def has_failed(self, slug: str, environment: str) -> bool:
        """Whether it says that the roll did not succeed."""
        if self.name == "argocd":
            status = get_object("argocd", "application", f"{slug}-{environment}")["status"]
            return status["health"]["status"] == "Degraded"
        status = get_object("flux-system", "kustomization", f"{slug}-{environment}")["status"]
        conditions = {one["type"]: one for one in status["conditions"]}
        return conditions["Ready"]["reason"] == "HealthCheckFailed"


def kubectl(*arguments: str, fails: bool = False) -> str:
    return run("kubectl", "--request-timeout=20s", *arguments, cwd=Path.cwd(), fails=fails)


def get_object(namespace: str, kind: str, name: str) -> dict:
    return json.loads(kubectl("-n", namespace, "get", kind, name, "--output=json"))


@dataclass
class Load:
    """Clients that ask all the time; what failed is kept."""

    endpoint: Endpoint
    body: str
    answers: int = 0
    errors: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def client(self, pause: float, *, keep: bool) -> None:
        """Ask until told to stop, by one connection or by a new one each time."""
        connection = self.endpoint.connect()
        while not self.stopped.wait(pause):
            try:
                post(connection, "/invocations", self.body)
                self.answers += 1
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(f"{time.strftime('%X')} keep={keep} {error!r}")
                connection.close()
            if not keep:
                connection.close()


@contextmanager
def load(endpoint: Endpoint, body: str, clients: int = 4, pause: float = PAUSE) -> Iterator[Load]:
    """Requests while the block runs; half of the clients keep their connections.

    The others always pause: a port is free again only a minute after its connection has ended.
    """
    made = Load(endpoint, body)
    threads = [
        threading.Thread(target=made.client, args=(each,), kwargs={"keep": keep})
        for each, keep in [(pause, True), (max(pause, PAUSE), False)] * (clients // 2)
    ]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.stopped.set()
        for thread in threads:
            thread.join()


@dataclass
class Deployed:
    """A project whose repository a controller follows; `first` and `second` are its releases."""

    project: Path
    controller: Controller
    first: dict[str, str]
    second: dict[str, str]
    endpoints: dict[str, Endpoint]

    @property
    def slug(self) -> str:
        return self.project.name

    def namespace(self, environment: str) -> str:
        return f"{self.slug}-{environment}"

    def git(self, *arguments: str) -> str:
        return run("git", *IDENTITY, *arguments, cwd=self.project)

    def push(self) -> str:
        """Push main and tell the controller; the commit."""
        self.git("push", "--quiet", "--no-verify", "origin", "main")
        self.controller.notify(self.slug)
        return self.git("rev-parse", "HEAD").strip()

    def write(self, environment: str, release: dict[str, str], subject: str) -> str:
        """Commit a release to an environment and push it."""
        text = "".join(f"{name}={value}\n" for name, value in release.items())
        (self.project / "deploy" / environment / "release.env").write_text(text, encoding="utf-8")
        commit(self.project, subject)
        return self.push()

    def revert(self) -> str:
        self.git("revert", "--no-edit", "HEAD")
        return self.push()

    def answers(self, environment: str, release: dict[str, str]) -> float:
        """Seconds until every answer comes from the release."""
        return until(
            f"{environment} answers as {release['COMMIT'][:7]}",
            lambda: self.endpoints[environment].commits() == {release["COMMIT"]},
        )

    def seconds_to_settle(self, environment: str, pushed: str) -> float:
        """Seconds until the controller says that a commit is made and healthy."""
        return until(
            f"{environment} is healthy at {pushed[:7]}",
            lambda: self.controller.state(self.slug, environment) == (pushed, True),
        )

    def deployment(self, environment: str) -> dict:
        return get_object(self.namespace(environment), "deployment", "server")

    def example(self) -> str:
        signature = json.loads((self.project / "artifacts/model/signature.json").read_text())
        return json.dumps({"dataframe_records": signature["examples"][:1]})


def print_figures(controller: Controller, **figures: object) -> None:
    """Print figures, for `pytest -s` and the log of a failure."""
    print(
        f"\n{controller.name}: " + ", ".join(f"{name} {value}" for name, value in figures.items())
    )


@pytest.fixture(scope="module")
def project(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a model."""
    return clone(ready, tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="module")
def first(project: Path) -> dict[str, str]:
    return release_to_staging(project)


@pytest.fixture(scope="module")
def second(project: Path, first: dict[str, str]) -> dict[str, str]:
    """A release of another model, made but not in staging any more."""
    params = project / "params.yaml"
    params.write_text(params.read_text("utf-8").replace("max_iter: 100", "max_iter: 50"), "utf-8")
    run("make", "pipeline", cwd=project)
    commit(project, "Fewer iterations")
    made = release_to_staging(project)
    run("git", *IDENTITY, "revert", "--no-edit", "HEAD", cwd=project)
    run("git", "tag", "start", cwd=project)
    assert made["MODEL"] != first["MODEL"]
    return made


# What a controller does after the first release, daily with one of them, at night with the other.
FLUX_AT_NIGHT = pytest.mark.parametrize(
    "controller", ["argocd", pytest.param("flux", marks=pytest.mark.nightly)], indirect=True
)


@pytest.fixture(scope="module", params=["argocd", "flux"])
def controller(request: pytest.FixtureRequest) -> Controller:
    return Controller(request.param)


@pytest.fixture(scope="module")
def cluster_release(
    project: Path, first: dict[str, str], second: dict[str, str], controller: Controller,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployed]:  # fmt: skip
    """The first release in both environments."""
    run("git", "reset", "--quiet", "--hard", "start", cwd=project)
    origin(project)
    made = Deployed(project, controller, first, second, {})
    with apply_entry_points(controller, project.name, tmp_path_factory.mktemp("entry")):
        pushed = made.write("production", first, "Promote")
        for environment in ENVIRONMENTS:
            until("a namespace", lambda e=environment: kubectl("get", "ns", made.namespace(e)))
            made.endpoints[environment] = endpoint(made.namespace(environment))
            print_figures(
                controller,
                **{environment: f"healthy in {made.seconds_to_settle(environment, pushed):.1f} s"},
            )
            made.answers(environment, first)
        yield made


def origin(project: Path) -> Path:
    """The repository that the cluster's controllers follow, new, with what the project has."""
    bare = Path(os.environ["GITOPS_ROOT"], f"{project.name}.git")
    if not bare.exists():
        run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare), cwd=project)
    if "origin" not in run("git", "remote", cwd=project).split():
        run("git", "remote", "add", "origin", str(bare), cwd=project)
    run("git", "push", "--quiet", "--no-verify", "--force", "origin", "HEAD:main", cwd=project)
    return bare


@contextmanager
def apply_entry_points(controller: Controller, slug: str, folder: Path) -> Iterator[Path]:
    """Apply the entry points as the template makes them, but for the repository's address."""
    made = bake(folder, gitops=controller.name, project_slug=slug) / "deploy" / controller.name
    for path in made.glob("*.yaml"):
        text = path.read_text("utf-8")
        here = f"{os.environ['GITOPS_URL']}/{slug}.git"
        path.write_text(text.replace(f"{OWNER}/{slug}", here), encoding="utf-8")
    kubectl("apply", "--kustomize", str(made))
    try:
        yield made
    finally:
        kubectl("delete", "--kustomize", str(made))
        names = [f"{slug}-{environment}" for environment in ENVIRONMENTS]
        run("kubectl", "delete", "namespace", *names, "--timeout=120s", "--ignore-not-found",
            cwd=folder)  # fmt: skip


def endpoint(namespace: str) -> Endpoint:
    """A port of the node for the server of a namespace."""
    kubectl("-n", namespace, "create", "service", "nodeport", "endpoint", "--tcp=80:8000")
    label = '{"spec": {"selector": {"app": null, "app.kubernetes.io/name": "server"}}}'
    kubectl("-n", namespace, "patch", "service", "endpoint", "--patch", label)
    port = get_object(namespace, "service", "endpoint")["spec"]["ports"][0]["nodePort"]
    nodes = json.loads(kubectl("get", "nodes", "--output=json"))["items"]
    (address, *_) = [
        a["address"] for a in nodes[0]["status"]["addresses"] if a["type"] == "InternalIP"
    ]
    return Endpoint(address, port)


def test_what_release_env_says_is_what_answers(cluster_release):
    for environment in ENVIRONMENTS:
        said = cluster_release.endpoints[environment].ask("/version")
        assert {name: said[name.lower()] for name in cluster_release.first} == cluster_release.first
        predicted = cluster_release.endpoints[environment].ask(
            "/invocations", cluster_release.example()
        )
        assert len(predicted["predictions"]) == 1

    def replicas() -> list[int]:
        return [
            cluster_release.deployment(environment)["spec"]["replicas"]
            for environment in ENVIRONMENTS
        ]

    until("the autoscaler has made production two", lambda: replicas() == [1, 2], 60)


def test_the_namespace_refuses_a_pod_that_may_be_root(cluster_release):
    image = cluster_release.first["IMAGE"]
    said = kubectl(
        "-n", cluster_release.namespace("staging"), "run", "root", f"--image={image}", fails=True
    )
    assert "violates PodSecurity" in said


def test_a_commit_rolls_and_a_revert_rolls_back_without_a_failed_request(cluster_release):
    before = cluster_release.git("rev-parse", "HEAD").strip()
    body = cluster_release.example()
    with (
        load(cluster_release.endpoints["staging"], body) as staging,
        load(cluster_release.endpoints["production"], body) as production,
    ):
        cluster_release.write("staging", cluster_release.second, "Release")
        there = cluster_release.answers("staging", cluster_release.second)
        run("make", "promote", cwd=cluster_release.project, REGISTRY=REGISTRY)
        commit(cluster_release.project, "Promote")
        cluster_release.push()
        promoted = cluster_release.answers("production", cluster_release.second)
        cluster_release.revert()
        back = cluster_release.answers("production", cluster_release.first)
        assert cluster_release.endpoints["staging"].commits() == {cluster_release.second["COMMIT"]}
        cluster_release.git("revert", "--no-edit", f"{before}..HEAD~2")
        pushed = cluster_release.push()
        staging_back = cluster_release.answers("staging", cluster_release.first)
        cluster_release.seconds_to_settle("staging", pushed)
        time.sleep(10)  # the last pods that were replaced answer on, and leave
    controller = cluster_release.controller
    print_figures(controller, staging=f"{there:.1f} s", production=f"{promoted:.1f} s",
         reverted=f"{back:.1f} s and {staging_back:.1f} s",
         answered=staging.answers + production.answers,
         failed=len(staging.errors + production.errors))  # fmt: skip
    assert staging.errors + production.errors == []
    assert staging.answers > 500
    assert max(there, promoted, back, staging_back) < 30


@FLUX_AT_NIGHT
def test_a_broken_image_is_told_and_the_old_pods_go_on(cluster_release):
    nowhere = cluster_release.first["IMAGE"].partition("@")[0] + "@sha256:" + "0" * 64
    with load(cluster_release.endpoints["production"], cluster_release.example()) as asking:
        cluster_release.write(
            "production", cluster_release.second | {"IMAGE": nowhere}, "Break production"
        )
        seconds = until(
            "the roll is told as failed",
            lambda: cluster_release.controller.has_failed(cluster_release.slug, "production"),
        )
        restart_pod(cluster_release, "production")
        assert cluster_release.endpoints["production"].commits() == {
            cluster_release.first["COMMIT"]
        }
        pushed = cluster_release.revert()
        back = cluster_release.seconds_to_settle("production", pushed)
    controller = cluster_release.controller
    print_figures(controller, told_as_failed=f"{seconds:.1f} s", healthy_again=f"{back:.1f} s",
         answered=asking.answers, failed=len(asking.errors))  # fmt: skip
    assert asking.errors == []


def restart_pod(cluster_release: Deployed, environment: str) -> None:
    """Take a pod of the old release away, as a lost node would: another must come and answer."""
    namespace = cluster_release.namespace(environment)
    label = f"app.kubernetes.io/version={cluster_release.first['COMMIT']}"
    names = kubectl("-n", namespace, "get", "pods", "-l", label, "--output=name").split()
    kubectl("-n", namespace, "delete", names[0], "--wait=false")

    def is_replaced() -> bool:
        pods = json.loads(kubectl("-n", namespace, "get", "pods", "-l", label, "--output=json"))
        ready = [
            pod["metadata"]["name"]
            for pod in pods["items"]
            if ("Ready", "True") in conditions(pod) and "deletionTimestamp" not in pod["metadata"]
        ]
        return len(ready) >= 2 and names[0].partition("/")[2] not in ready

    until("a pod of the old release started again", is_replaced, 60)


def conditions(pod: dict) -> set[tuple[str, str]]:
    """What is said of a pod, and whether it is so."""
    return {(one["type"], one["status"]) for one in pod["status"].get("conditions", [])}


@FLUX_AT_NIGHT
def test_what_is_changed_by_hand_is_put_back(cluster_release):
    namespace = cluster_release.namespace("staging")
    image = "{.spec.template.spec.containers[0].image}"

    def runs() -> str:
        return kubectl("-n", namespace, "get", "deploy/server", f"--output=jsonpath={image}")

    kubectl(
        "-n",
        namespace,
        "set",
        "image",
        "deployment/server",
        f"server={cluster_release.second['IMAGE']}",
    )
    assert runs() == cluster_release.second["IMAGE"]
    edited = until("the image is put back", lambda: runs() == cluster_release.first["IMAGE"])
    cluster_release.seconds_to_settle("staging", cluster_release.git("rev-parse", "HEAD").strip())
    kubectl("-n", namespace, "delete", "service", "server")
    deleted = until("the Service is made again", lambda: get_object(namespace, "service", "server"))
    print_figures(cluster_release.controller, image=f"{edited:.1f} s", service=f"{deleted:.1f} s")


@pytest.mark.nightly
def test_the_autoscaler_scales_and_the_controller_lets_it(cluster_release):
    namespace = cluster_release.namespace("staging")

    def replicas() -> int:
        return cluster_release.deployment("staging")["spec"]["replicas"]

    # On a busy machine the tests before were load enough; it waits five minutes to scale down.
    until("one pod is enough", lambda: replicas() == 1, 420)
    with load(
        cluster_release.endpoints["staging"], cluster_release.example(), clients=8, pause=0
    ) as asking:
        scaled = until("the autoscaler makes two of one", lambda: replicas() == 2)
        seen = set()
        started = time.monotonic()
        while time.monotonic() - started < 45:  # longer than an interval of either controller
            seen.add(replicas())
            time.sleep(0.5)
    print_figures(cluster_release.controller, scaled=f"{scaled:.1f} s", answered=asking.answers,
         failed=len(asking.errors))  # fmt: skip
    assert seen == {2}
    assert asking.errors == []
    healthy = cluster_release.controller.state(cluster_release.slug, "staging")
    assert healthy == (cluster_release.git("rev-parse", "HEAD").strip(), True), namespace


def test_before_the_first_release_all_is_healthy_and_nothing_runs(controller, tmp_path):
    project = bake(tmp_path / "project", project_slug=f"new-{controller.name}")
    run("git", "init", "--quiet", "--initial-branch=main", cwd=project)
    commit(project, "Start")
    origin(project)
    head = run("git", "rev-parse", "HEAD", cwd=project).strip()
    with apply_entry_points(controller, project.name, tmp_path / "entry"):
        for environment in ENVIRONMENTS:
            until(
                "healthy", lambda e=environment: controller.state(project.name, e) == (head, True)
            )
            there = kubectl("-n", f"{project.name}-{environment}", "get", "deploy,hpa,pdb,pods")
            assert "No resources found" in there


def test_the_cluster_takes_the_entry_points_strictly(controller, tmp_path):
    made = bake(tmp_path, gitops=controller.name) / "deploy" / controller.name
    kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "--kustomize", str(made)
    )


def test_the_schemas_of_make_manifests_are_those_of_the_cluster():
    installed = {}
    for crd in json.loads(kubectl("get", "crd", "--output=json"))["items"]:
        installed |= schemas(crd)
    for path in SCHEMAS.glob("*.json"):
        unknown = set(fields(json.loads(path.read_text("utf-8")))) - set(
            fields(installed[path.name])
        )
        assert not unknown, path.name


def fields(schema: dict, path: str = "") -> Iterator[str]:
    """The path of every field that a schema knows."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from fields(inner, f"{path}.{name}")
    for nested in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(nested, dict):
            yield from fields(nested, f"{path}[]")
