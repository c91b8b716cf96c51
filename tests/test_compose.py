"""compose.yaml and what Prometheus reads, by their own programs."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import PROJECT, run

RELEASE = "IMAGE=localhost/penguins@sha256:1\nCOMMIT=c\nMODEL=m\nDATA=d\n"
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


def compose(folder: Path, release: str) -> subprocess.CompletedProcess[str]:
    """What compose makes of its file with a release; skips where there is no compose."""
    plugin = ["docker", "compose"]
    found = shutil.which("docker") and subprocess.run([*plugin, "version"], capture_output=True)
    if not found or found.returncode != 0:
        plugin = [shutil.which("docker-compose") or pytest.skip("compose is not installed")]
    (folder / "release.env").write_text(release)
    command = [*plugin, "--env-file", "release.env", "--file", PROJECT / "compose.yaml", "config"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def promtool(*arguments: str, cwd: Path) -> str:
    return run(shutil.which("promtool") or pytest.skip("promtool is not installed"),
               *arguments, cwd=cwd)  # fmt: skip


def test_compose_runs_what_is_released(tmp_path):
    done = compose(tmp_path, RELEASE)
    assert done.returncode == 0, done.stderr
    assert "image: localhost/penguins@sha256:1" in done.stdout
    assert "read_only: true" in done.stdout


def test_compose_says_that_nothing_is_released(tmp_path):
    done = compose(tmp_path, "IMAGE=\nCOMMIT=\nMODEL=\nDATA=\n")
    assert done.returncode != 0
    assert "nothing is released, `make release` does it" in done.stderr


def test_prometheus_reads_its_configuration():
    assert "11 rules found" in promtool("check", "config", "prometheus.yaml",
                                        cwd=PROJECT / "prometheus")  # fmt: skip


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
    assert "SUCCESS" in promtool("test", "rules", "test.json", cwd=tmp_path)
