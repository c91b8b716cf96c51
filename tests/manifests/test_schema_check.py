"""Whose schema judges an object."""

import json
import shutil

import pytest
from mlgitops.manifests import schema_check
from mlgitops.manifests.schema_check import OWN, SCHEMAS, custom_object_problems, problems, schema

WIDGET = {
    "apiVersion": "example.org/v1",
    "kind": "Widget",
    "metadata": {"name": "seals"},
    "spec": {"size": "large"},
}
RULE = {"properties": {"spec": {"properties": {"size": {"type": "integer"}}}}}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes a schema of the project's own, by kind, group and version."""
    monkeypatch.chdir(tmp_path)
    schema_check.rules.cache_clear()
    OWN.mkdir(parents=True)

    def write(name, rule):
        (OWN / f"{name}.json").write_text(json.dumps(rule), "utf-8")

    yield write
    schema_check.rules.cache_clear()


def test_an_unknown_kind_has_no_schema_until_the_project_brings_one(own):
    assert schema(WIDGET) is None
    own("Widget.example.org.v1", RULE)
    assert problems([WIDGET]) == ["widget/seals: spec.size: 'large' is not of type 'integer'"]
    assert problems([WIDGET | {"spec": {"size": 3}}]) == []
    assert schema(WIDGET | {"apiVersion": "example.org/v2"}) is None


def test_a_project_cannot_loosen_a_schema_of_the_library(own):
    names = [path.name.removesuffix(".json") for path in SCHEMAS.iterdir()]
    assert names
    for name in names:
        own(name, {})
        kind, rest = name.split(".", 1)
        group, version = rest.rsplit(".", 1)
        broken = {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": {"name": "x"},
                  "misspelt": 1}  # fmt: skip
        assert list(custom_object_problems(broken)), name


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("v1", "ConfigMap"),
        ("apps/v1", "Deployment"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("rbac.authorization.k8s.io/v1", "Role"),
    ],
)
def test_a_project_cannot_loosen_kubernetes_own_kinds(own, version, kind):
    group, _, number = version.rpartition("/")
    own(f"{kind}.{group}.{number}", {})
    assert schema({"apiVersion": version, "kind": kind}) is None


def test_a_kind_that_names_another_folder_has_no_schema(own):
    own("Widget.example.org.v1", {})
    shutil.copy(OWN / "Widget.example.org.v1.json", OWN.parent)
    assert schema(WIDGET | {"kind": "../Widget"}) is None
