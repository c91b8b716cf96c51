"""compose.yaml and what Prometheus reads, by their own programs; the parts, run together."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from baked import PROJECT, REGISTRY, ROOT, Endpoint, release_to_staging, run, until

sys.path.insert(0, str(ROOT / "demo"))
from images import free_port

SERVICES = ("SERVE", "MLFLOW", "PROMETHEUS")
PATIENCE = 120  # seconds

RELEASE = "IMAGE=localhost/flights@sha256:1\nCOMMIT=c\nMODEL=m\nDATA=d\n"
SERIES = {
    'serve_requests_total{job="serve",endpoint="invocations",code="200"}': "0+54x20",
    'serve_requests_total{job="serve",endpoint="invocations",code="503"}': "0+6x20",
    'serve_rows_total{job="serve",endpoint="invocations"}': "0+540x20",
    'serve_request_seconds_bucket{job="serve",endpoint="invocations",le="0.01"}': "0+54x20",
    'serve_request_seconds_bucket{job="serve",endpoint="invocations",le="0.1"}': "0+60x20",
    'serve_request_seconds_bucket{job="serve",endpoint="invocations",le="+Inf"}': "0+60x20",
    'serve_in_flight{job="serve",instance="a"}': "3+0x20",
    'serve_in_flight{job="serve",instance="b"}': "5+0x20",
    'process_cpu_seconds_total{job="serve",instance="a"}': "0+12x20",
    'serve_requests_total{job="well",endpoint="infer",code="200"}': "0+60x20",
}  # every 15 seconds
RECORDED = {
    'job_endpoint:serve_requests:rate1m{job="serve",endpoint="invocations"}': 4,
    'job_endpoint:serve_rows:rate1m{job="serve",endpoint="invocations"}': 36,
    'job:serve_failures:ratio1m{job="serve"}': 0.1,
    'job:serve_failures:ratio1m{job="well"}': 0,
    'job:serve_refusals:ratio1m{job="serve"}': 0,
    'job_endpoint:serve_request_seconds:p99_1m{job="serve",endpoint="invocations"}': 0.091,
    'job:serve_in_flight:max{job="serve"}': 5,
    'job:serve_cores:max1m{job="serve"}': 0.8,
}


def compose(
    folder: Path, release: str, *files: str, form: str = "yaml"
) -> subprocess.CompletedProcess[str]:
    """What compose makes of its files with a release."""
    (folder / "release.env").write_text(release)
    command = ["docker", "compose", "--env-file", "release.env", "config", "--format", form]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"COMPOSE_FILE": os.pathsep.join(
            str(PROJECT / name) for name in ("compose.yaml", *files)
        )},
    )  # fmt: skip


@pytest.mark.compose
def test_compose_runs_what_is_released(tmp_path):
    done = compose(tmp_path, RELEASE)
    assert done.returncode == 0, done.stderr
    assert "image: localhost/flights@sha256:1" in done.stdout
    assert "read_only: true" in done.stdout


@pytest.mark.compose
def test_compose_says_that_nothing_is_released(tmp_path):
    done = compose(tmp_path, "IMAGE=\nCOMMIT=\nMODEL=\nDATA=\n")
    assert done.returncode != 0
    assert "nothing is released yet, run `make release`" in done.stderr


@pytest.mark.compose
def test_the_twin_changes_the_tracker_alone_and_opens_nothing(tmp_path):
    """Its command was run by hand on PostgreSQL 15 and Azurite 3.35; no image is pulled here."""
    usual, twin = (
        json.loads(compose(tmp_path, RELEASE, *files, form="json").stdout)["services"]
        for files in ([], ["compose.twin.yaml"])
    )
    assert {name for name in twin if twin[name] != usual.get(name)} == {
        "mlflow", "postgres", "azurite",
    }  # fmt: skip
    assert twin["mlflow"]["image"] == f"{usual['mlflow']['image']}-full"
    assert twin["mlflow"]["ports"] == usual["mlflow"]["ports"]
    assert not [name for name in ("postgres", "azurite") if twin[name].get("ports")]
    assert "sqlite" not in str(twin["mlflow"])
    for place in (
        "@postgres/mlflow",
        "http://azurite:10000/",
        "wasbs://store@",
        "AccountKey=a2V5;",
    ):
        assert place in str(twin["mlflow"])
    assert twin["mlflow"]["healthcheck"] == usual["mlflow"]["healthcheck"]


@pytest.mark.promtool
def test_prometheus_reads_its_configuration():
    assert "11 rules found" in run("promtool", "check", "config", "prometheus.yaml",
                                   cwd=PROJECT / "prometheus")  # fmt: skip


@pytest.mark.promtool
def test_the_rules_record_what_their_names_say(tmp_path):
    shutil.copyfile(PROJECT / "prometheus/rules.yaml", tmp_path / "rules.yaml")
    series = [{"series": name, "values": values} for name, values in SERIES.items()]
    expected = [
        {
            "expr": f"round({record}, 0.0001)",
            "eval_time": "3m",
            "exp_samples": [{"labels": record[record.index("{") :], "value": value}],
        }
        for record, value in RECORDED.items()
    ]
    test = {"interval": "15s", "input_series": series, "promql_expr_test": expected}
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "15s", "tests": [test]}
    (tmp_path / "test.json").write_text(json.dumps(document))
    assert "SUCCESS" in run("promtool", "test", "rules", "test.json", cwd=tmp_path)


@pytest.fixture
def release(copy: Path) -> dict[str, str]:
    return release_to_staging(copy)


@pytest.fixture
def ports(copy: Path, release: dict[str, str]) -> Iterator[dict[str, str]]:
    """The ports of what `make up` starts from the release, as it asks for them."""
    ports = {f"{name}_PORT": str(free_port()) for name in SERVICES}
    name = f"test-{os.getpid()}"
    environment = ports | {"COMPOSE_PROJECT_NAME": name, "REGISTRY": REGISTRY}
    try:
        run("make", "up", cwd=copy, **environment)
        yield ports
        assert "Traceback" not in run("make", "down", cwd=copy, **environment)
        label = f"label=com.docker.compose.project={name}"
        assert run("docker", "ps", "--all", "--quiet", "--filter", label, cwd=copy) == ""
        assert f"{name}_mlflow" in run("docker", "volume", "ls", "--quiet", cwd=copy)
    finally:
        command = ["docker", "compose", "down", "--volumes"]
        run(*command, cwd=copy, IMAGE="any", **environment)


@pytest.mark.docker
@pytest.mark.compose
@pytest.mark.stack
@pytest.mark.registry
def test_what_is_released_serves_is_watched_and_tracked(copy, release, ports):
    serve, mlflow, prometheus = (
        Endpoint("127.0.0.1", int(ports[f"{name}_PORT"])) for name in SERVICES
    )
    said = serve.ask("/version")
    assert {name: said[name.lower()] for name in release} == release
    signature = json.loads((copy / "artifacts/model/signature.json").read_text("utf-8"))
    rows = json.dumps({"dataframe_records": signature["examples"]})
    predicted = serve.ask("/invocations", rows)["predictions"]
    assert len(predicted) == len(signature["examples"])

    def query_result(query: str) -> list:
        return prometheus.ask(f"/api/v1/query?query={quote(query)}")["data"]["result"]

    answered = 'serve_requests_total{endpoint="invocations",code="200"} >= 1'
    until("the request is scraped", lambda: query_result(answered), PATIENCE)
    rate = "job_endpoint:serve_requests:rate1m"
    until("its rate is recorded", lambda: query_result(rate), PATIENCE)
    [group] = prometheus.ask("/api/v1/rules")["data"]["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}

    run("make", "track", cwd=copy, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{mlflow.port}")
    [model] = mlflow.ask("/api/2.0/mlflow/registered-models/search")["registered_models"]
    assert model["name"] == f"{copy.name}-model"
