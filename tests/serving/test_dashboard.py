import re

import pytest
import yaml
from baked import PROJECT
from mlgitops.serving.contract import Input, Output, Signature
from mlgitops.serving.metrics import Metrics
from mlgitops.serving.settings import Settings

RULES = yaml.safe_load((PROJECT / "prometheus/rules.yaml").read_text("utf-8"))["groups"][0]["rules"]
SERIES = re.compile(r"\b((?:serve|process)_[a-z_]+)(?:\{([^}]*)\})?")


@pytest.fixture(scope="module")
def page():
    """/metrics of a server that has predicted and refused."""
    inputs = (Input(name="x", type="number"),)
    outputs = (Output(name="value", type="value"),)
    signature = Signature(
        version=1, format="onnx", task="regression", inputs=inputs, outputs=outputs
    )
    metrics = Metrics(Settings(), signature)
    metrics.count_answer("invocations", 200, 0.001)
    metrics.count_rows("invocations", 3)
    metrics.errors.labels("invocations", "saturated").inc()
    return metrics.page().decode()


def labels(page, series):
    """The names of the labels of a series; None if the page has none."""
    found = re.search(rf"^{series}(?:{{(.*)}})? ", page, re.M)
    return found and set(re.findall(r"(\w+)=", found[1] or ""))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["record"])
def test_a_rule_reads_series_and_labels_that_the_server_has(page, rule):
    read = SERIES.findall(rule["expr"])
    assert read
    grouped = {
        name for by in re.findall(r"by \(([^)]*)\)", rule["expr"]) for name in by.split(", ")
    }
    for series, chosen in read:
        known = labels(page, series)
        assert known is not None, series
        assert set(re.findall(r"(\w+)=", chosen)) | grouped <= known | {"job"}, series


def test_a_series_that_is_not_there_would_be_seen(page):
    assert labels(page, "serve_requests_total") == {"endpoint", "code"}
    assert labels(page, "serve_request_total") is None


def test_the_names_of_the_records_tell_their_labels():
    for rule in RULES:
        last = re.findall(r"by \(([^)]*)\)", rule["expr"])[0].split(", ")
        assert rule["record"].split(":")[0].split("_") == [name for name in last if name != "le"]


def test_the_servers_are_reached_from_this_machine_only():
    parts = yaml.safe_load((PROJECT / "compose.yaml").read_text("utf-8"))["services"]
    assert set(parts) == {"server", "mlflow", "prometheus"}
    assert all(port.startswith("127.0.0.1:") for part in parts.values() for port in part["ports"])
    assert not any(part["image"].endswith("latest") for part in parts.values())
