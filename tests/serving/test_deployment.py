"""deploy/ and the server agree: addresses, port, and how long it takes to leave."""

import pytest
import yaml
from baked import PROJECT
from mlgitops.serving.server import GRACE
from mlgitops.serving.settings import PREFIX, Settings

BASE = PROJECT / "deploy/base"
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@pytest.fixture
def pod():
    document = yaml.safe_load((BASE / "deployment.yaml").read_text("utf-8"))
    return document["spec"]["template"]


@pytest.fixture
def container(pod):
    (found,) = pod["spec"]["containers"]
    return found


def settings(container):
    """The server's settings as the Deployment gives them."""
    return Settings.read({entry["name"]: entry["value"] for entry in container["env"]})


def test_kubernetes_waits_until_the_server_has_left(pod, container):
    known = settings(container)
    leaves = known.drain_seconds + GRACE + int(known.seconds) + 1
    assert leaves < pod["spec"]["terminationGracePeriodSeconds"] <= leaves + 15


def test_the_server_answers_until_no_request_comes_its_way(container):
    """A roll takes a second or two to reach every node; then the drain must still go on."""
    assert settings(container).drain_seconds >= 3


def test_a_pod_that_drains_is_out_before_it_stops_taking_requests(container):
    probe = container["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] <= settings(container).drain_seconds


def test_the_probes_ask_what_the_server_answers(binary, container):
    for name in PROBES:
        assert binary.ask(container[name]["httpGet"]["path"])[0] == 200
        assert container[name]["httpGet"]["port"] == "http"


def test_prometheus_finds_the_metrics(binary, pod):
    said = pod["metadata"]["annotations"]
    assert "serve_requests_total" in binary.ask(said["prometheus.io/path"])[2].decode()


def test_the_port_is_the_one_that_the_server_listens_on(pod, container):
    (port,) = container["ports"]
    assert port["containerPort"] == Settings.model_fields["port"].default
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(port["containerPort"])


def test_it_runs_as_the_user_of_the_image(pod):
    image = (BASE.parents[1] / "Dockerfile").read_text("utf-8")
    said = pod["spec"]["securityContext"]
    assert f"USER {said['runAsUser']}:{said['runAsGroup']}" in image


def test_the_values_of_a_release_are_those_that_version_tells(container):
    told = {entry["name"] for entry in container["env"] if not entry["name"].startswith(PREFIX)}
    assert told == {name.upper() for name in Settings.model_fields["release"].default.model_dump()}
