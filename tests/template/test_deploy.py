"""What an answer makes of deploy/: names, addresses, and the longest that is allowed."""

import shutil
from pathlib import Path

import pytest
import yaml
from baked import bake, run
from mlgitops.manifests import render as manifests
from mlgitops.releases import release_env

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
LONGEST = "a" + 39 * "b"  # the longest slug
RELEASE = f"IMAGE=r/n@sha256:{'a' * 64}\nCOMMIT={'c' * 40}\nMODEL={'d' * 32}.dir\nDATA={'e' * 32}\n"


def render(project: Path, folder: str) -> list[dict]:
    """The objects of a folder of deploy/."""
    text = run("kubectl", "kustomize", f"deploy/{folder}", cwd=project)
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("slug", ["seals", LONGEST])
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_an_environment_is_a_namespace_of_the_slug(tmp_path, slug, environment):
    project = bake(tmp_path, project_slug=slug)
    (project / f"deploy/{environment}/release.env").write_text(RELEASE, encoding="utf-8")
    found = render(project, environment)
    namespaces = {d["metadata"].get("namespace", d["metadata"]["name"]) for d in found}
    assert namespaces == {f"{slug}-{environment}"}
    assert len(f"{slug}-{environment}") <= 63
    assert "Deployment" in {document["kind"] for document in found}


@pytest.mark.parametrize("slug", ["seals", LONGEST])
def test_argo_cd_follows_the_two_environments_of_this_repository(tmp_path, slug):
    project = bake(tmp_path, gitops="argocd", project_slug=slug, github_owner="Ex-Ample")
    own, *applications = sorted(render(project, "argocd"), key=lambda document: document["kind"])
    url = f"https://github.com/Ex-Ample/{slug}"
    assert own["spec"]["sourceRepos"] == [url]
    allowed = {place["namespace"] for place in own["spec"]["destinations"]}
    followed = {application["spec"]["source"]["path"] for application in applications}
    assert followed == {"deploy/staging", "deploy/production"}
    for application in applications:
        spec = application["spec"]
        assert spec["source"]["repoURL"] == url
        assert spec["project"] == own["metadata"]["name"] == slug
        assert spec["destination"]["namespace"] in allowed
        assert spec["destination"]["namespace"] == application["metadata"]["name"]
        assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}


@pytest.mark.parametrize("slug", ["seals", LONGEST])
def test_flux_follows_the_two_environments_of_this_repository(tmp_path, slug):
    project = bake(tmp_path, gitops="flux", project_slug=slug, github_owner="Ex-Ample")
    found = render(project, "flux")
    (repository,) = [document for document in found if document["kind"] == "GitRepository"]
    assert repository["spec"]["url"] == f"https://github.com/Ex-Ample/{slug}"
    followed = {d["spec"]["path"]: d["spec"] for d in found if d["kind"] == "Kustomization"}
    assert set(followed) == {"./deploy/staging", "./deploy/production"}
    for spec in followed.values():
        assert spec["sourceRef"]["name"] == repository["metadata"]["name"] == slug
        assert spec["prune"] is spec["wait"] is True


def test_an_overlay_says_only_what_differs(tmp_path):
    project = bake(tmp_path)
    for environment in ("staging", "production"):
        text = (project / f"deploy/{environment}/kustomization.yaml").read_text("utf-8")
        assert len(text.splitlines()) <= 10
        assert len(list((project / "deploy" / environment).iterdir())) == 2


def test_the_prediction_log_is_shipped_by_a_second_container_of_the_release(tmp_path, monkeypatch):
    """Where an environment has the component; `make manifests` has nothing to say against it."""
    project = bake(tmp_path, project_slug="seals")
    (project / "deploy/staging/release.env").write_text(RELEASE, encoding="utf-8")
    file = project / "deploy/staging/kustomization.yaml"
    text = file.read_text("utf-8")
    assert text.count("components: [../release]") == 1
    file.write_text(text.replace("[../release]", "[../log, ../release]"), encoding="utf-8")
    found = render(project, "staging")
    (pod,) = [one["spec"]["template"]["spec"] for one in found if one["kind"] == "Deployment"]
    own, shipper = pod["containers"]
    assert shipper["image"] == own["image"] == f"r/n@sha256:{'a' * 64}"
    assert own["volumeMounts"] == shipper["volumeMounts"]
    assert pod["volumes"] == [{"name": "spool", "emptyDir": {"sizeLimit": "512Mi"}}]
    (policy,) = [one["spec"] for one in found if one["kind"] == "NetworkPolicy"]
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {443, 53}
    monkeypatch.chdir(project)
    assert list(manifests.strange("staging", found)) == []
    assert [text for one in found for text in manifests.security_problems(one)] == []
    (project / "deploy/staging/release.env").write_text(release_env.EMPTY, encoding="utf-8")
    assert "Deployment" not in {one["kind"] for one in render(project, "staging")}
    (project / "deploy/staging/release.env").write_text(RELEASE, encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    (pod,) = [
        one["spec"]["template"]["spec"]
        for one in render(project, "staging")
        if one["kind"] == "Deployment"
    ]
    assert [one["name"] for one in pod["containers"]] == ["server"]
    assert "volumes" not in pod
