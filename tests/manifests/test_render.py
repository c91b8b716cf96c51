"""What `make manifests` takes, and each thing that it must refuse."""

import re
import shutil
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from made_project import TEMPLATE
from mlgitops.core.errors import UserError
from mlgitops.manifests import pod_security, render, schema_check
from mlgitops.releases import release_env

PROJECT = TEMPLATE
ENTRIES = [name for name in ("argocd", "flux") if (PROJECT / "deploy" / name).is_dir()]
DIGEST = "ghcr.io/acme/seals@sha256:" + "a" * 64
COMMIT = "c" * 40
RELEASE = f"IMAGE={DIGEST}\nCOMMIT={COMMIT}\nMODEL={'d' * 32}.dir\nDATA={'e' * 32}\n"
ENV = [{"name": n, "value": v} for n, _, v in (x.partition("=") for x in RELEASE.splitlines())]
rendering = pytest.mark.skipif(
    not (shutil.which("kustomize") or shutil.which("kubectl")), reason=render.MISSING
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of deploy/ with a name, in the current folder, before its first release."""
    shutil.copytree(PROJECT / "deploy", tmp_path / "deploy")
    name = f"[tool.image]\nname = '{DIGEST.partition('@')[0]}'\n"
    kept = re.search(
        r"(?m)^\[tool\.manifests\]\n[^\[]*", (PROJECT / "pyproject.toml").read_text("utf-8")
    )
    (tmp_path / "pyproject.toml").write_text(name + kept[0], "utf-8")
    for path in (tmp_path / "deploy").rglob("*.yaml"):
        path.write_text(re.sub(r"\{\{[^}]*\}\}", "seals", path.read_text("utf-8")), "utf-8")
    for path in (tmp_path / "deploy").glob("*/release.env"):
        path.write_text("IMAGE=\nCOMMIT=\nMODEL=\nDATA=\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGISTRY", raising=False)
    return tmp_path / "deploy"


@pytest.fixture
def folder_with_release(folder, monkeypatch):
    """The same with a release in staging, of which no history is asked."""
    monkeypatch.setattr(release_env, "problems", list)
    (folder / "staging/release.env").write_text(RELEASE, "utf-8")
    return folder


def edit(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def render_folder(name):
    return {d["kind"]: d for d in render.render(Path("deploy", name))}


def pod(**changed):
    """A specification of a pod that passes, with changes to its container."""
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    said = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    container = {"name": "server", "image": DIGEST, "env": ENV, "securityContext": own, **changed}
    return {"securityContext": said, "containers": [container]}


def entry(name):
    """An entry point as Git has it, its answers filled in."""
    path = PROJECT / "deploy" / name
    return yaml.safe_load(re.sub(r"\{\{[^}]*\}\}", "seals", path.read_text("utf-8")))


@rendering
def test_before_the_first_release_there_is_everything_but_what_runs(folder):
    for name in ("staging", "production"):
        found = render_folder(name)
        assert set(found) == {"Namespace", "ServiceAccount", "Service", "NetworkPolicy"}
        assert found["Namespace"]["metadata"]["name"].endswith(f"-{name}")


@rendering
def test_a_release_reaches_the_image_the_pods_and_the_labels(folder_with_release):
    found = render_folder("staging")
    assert {"Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget"} <= set(found)
    assert "ConfigMap" not in found
    template = found["Deployment"]["spec"]["template"]
    (server,) = template["spec"]["containers"]
    assert server["image"] == DIGEST
    said = "".join(f"{pair['name']}={pair['value']}\n" for pair in server["env"])
    assert said == RELEASE
    assert template["metadata"]["labels"]["app.kubernetes.io/version"] == COMMIT
    assert "Deployment" not in render_folder("production")


@rendering
def test_a_change_of_any_value_rolls_the_pods(folder_with_release):
    before = render_folder("staging")["Deployment"]["spec"]["template"]
    edit(folder_with_release / "staging/release.env", "e" * 32, "f" * 32)
    assert render_folder("staging")["Deployment"]["spec"]["template"] != before


@rendering
def test_environments_differ_in_the_bounds_of_the_autoscaler_only(folder_with_release):
    shutil.copyfile(
        folder_with_release / "staging/release.env", folder_with_release / "production/release.env"
    )
    staging, production = render_folder("staging"), render_folder("production")
    bounds = [
        found["HorizontalPodAutoscaler"]["spec"].pop(name)
        for found in (staging, production)
        for name in ("minReplicas", "maxReplicas")
    ]
    assert bounds[:2] != bounds[2:]
    assert str(staging).replace("-staging", "") == str(production).replace("-production", "")


@rendering
@pytest.mark.slow
def test_everything_passes_before_and_after_a_release(folder_with_release, capsys):
    render.manifests()
    said = capsys.readouterr().out
    assert "deploy/staging: 7 objects, no problems" in said
    assert "deploy/production: 4 objects, no problems" in said
    assert all(f"deploy/{name}: 3 objects, no problems" in said for name in ENTRIES)


@rendering
@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("base/deployment.yaml", "readinessProbe:", "readynessProbe:", "readynessProbe"),
        ("base/deployment.yaml", "  strategy:", "  replicas: 2\n  strategy:", "spec.replicas"),
        ("base/deployment.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "may run as root"),
        ("base/deployment.yaml", "apps/v1", "apps/v1beta9", "no schema is known of kind"),
        ("staging/kustomization.yaml", "minReplicas: 1", "minReplicas: x", "not of type 'integer'"),
        ("base/network.yaml", "policyTypes", "policyType", "policyType"),
        ("base/namespace.yaml", "enforce: restricted", "enforce: baseline", "enforce: restricted"),
        ("staging/release.env", f"@sha256:{'a' * 64}", ":latest", "is not a digest"),
    ],
)  # fmt: skip
def test_a_slip_is_refused(folder_with_release, capsys, file, old, new, told):
    edit(folder_with_release / file, old, new)
    with pytest.raises(UserError, match="must not be applied"):
        render.manifests()
    assert told in capsys.readouterr().out


INJECTED = """\
      containers:
        - name: second
          image: {image}
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"""


@rendering
@pytest.mark.slow
@pytest.mark.parametrize("group", ["containers", "initContainers"])
@pytest.mark.parametrize(
    "image", [DIGEST.replace("acme", "evil"), DIGEST.replace("a" * 64, "b" * 64)]
)
def test_an_image_that_is_not_the_released_one_is_refused(
    folder_with_release, capsys, group, image
):
    added = INJECTED.format(image=image)
    if group == "initContainers":
        added = added.replace("containers", group) + "      containers:\n"
    edit(folder_with_release / "base/deployment.yaml", "      containers:\n", added)
    with pytest.raises(UserError, match="must not be applied"):
        render.manifests()
    said = capsys.readouterr().out
    told = f"deployment/server: container second: image {image} is not the one of release.env"
    assert f"deploy/staging: {told}" in said


def test_before_the_first_release_no_image_is_the_released_one(folder):
    deployment = {
        "kind": "Deployment",
        "metadata": {"name": "x"},
        "spec": {"template": {"spec": pod()}},
    }
    others = [{"kind": kind} for kind in (*render.ALWAYS, *render.RELEASED[1:])]
    told, *_ = render.strange("staging", [deployment, *others])
    assert told == f"deployment/x: container server: image {DIGEST} is not the one of release.env"
    assert list(render.strange("argocd", [deployment])) == []
    (folder / "staging/release.env").write_text(RELEASE, "utf-8")
    assert list(render.strange("staging", [deployment, *others])) == []


@pytest.fixture
def folder_without_schemas(folder_with_release, monkeypatch):
    """The same where every kind and field is taken for known, which takes seconds to find out."""
    monkeypatch.setattr(schema_check, "problems", lambda documents: [])
    return folder_with_release


@rendering
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"env": [{"name": "COMMIT", "value": "0" * 40}]}, "env COMMIT is not the one of"),
        ({"env": [{"name": "MODEL", "value": "lie"}]}, "env MODEL is not the one of release.env"),
        ({"env": [{"name": "DATA", "$patch": "delete"}]}, "env DATA is not the one of release.env"),
        ({"command": ["python", "-c", "1"]}, "command: leave it out"),
        ({"args": ["--help"]}, "args: leave it out"),
        ({"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}, "seLinuxOptions chooses"),
        (
            {"securityContext": {"windowsOptions": {"hostProcess": True}}},
            "windowsOptions.hostProcess makes",
        ),
        (
            {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
            "appArmorProfile removes",
        ),
        ({"livenessProbe": {"httpGet": {"host": "example.org"}}}, "lets a probe or a hook"),
    ],
)
def test_a_patch_that_runs_something_else_than_was_released_is_refused(
    folder_without_schemas, capsys, fields, told
):
    overlay = folder_without_schemas / "staging/kustomization.yaml"
    document = yaml.safe_load(overlay.read_text("utf-8"))
    spec = {"template": {"spec": {"containers": [{"name": "server", **fields}]}}}
    change = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "server"}}
    document["patches"].append({"patch": yaml.safe_dump(change | {"spec": spec})})
    overlay.write_text(yaml.safe_dump(document), "utf-8")
    with pytest.raises(UserError, match="must not be applied: 1 problems"):
        render.manifests()
    assert f"deploy/staging: deployment/server: container server: {told}" in capsys.readouterr().out


@rendering
@pytest.mark.parametrize("kind", [*render.ALWAYS, *render.RELEASED])
def test_an_environment_that_lacks_an_object_is_refused(folder_without_schemas, capsys, kind):
    for path in (folder_without_schemas / "base").glob("*.yaml"):
        parts = path.read_text("utf-8").split("---\n")
        kept = [part for part in parts if f"\nkind: {kind}\n" not in f"\n{part}"]
        path.write_text("---\n".join(kept), "utf-8")
    with pytest.raises(UserError, match="must not be applied"):
        render.manifests()
    assert f"deploy/staging: a {kind} is missing" in capsys.readouterr().out


@rendering
def test_an_environment_is_judged_whatever_its_file_is_called_or_whatever_else_is_gone(
    folder_with_release,
):
    for name in ENTRIES:
        shutil.rmtree(folder_with_release / name)
    old = folder_with_release / "production/kustomization.yaml"
    old.rename(old.with_suffix(".yml"))
    assert [folder.name for folder in render.folders()] == ["production", "staging"]
    assert render.render(Path("deploy/production"))
    shutil.rmtree(folder_with_release / "production")
    with pytest.raises(UserError, match="deploy/production does not render"):
        render.manifests()


@rendering
@pytest.mark.slow
def test_a_release_that_history_does_not_bear_out_is_refused(folder, capsys):
    (folder / "staging/release.env").write_text(RELEASE, "utf-8")
    with pytest.raises(UserError, match="1 problems, see above"):
        render.manifests()
    assert f"COMMIT {COMMIT[:7]} is not in this repository" in capsys.readouterr().out


@rendering
def test_what_does_not_render_is_told_by_its_folder(folder):
    edit(folder / "staging/kustomization.yaml", "components:", "componets:")
    with pytest.raises(UserError, match=r"deploy/staging does not render: .*componets"):
        render.manifests()


def test_a_machine_without_a_renderer_is_told_what_to_install(folder, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="neither kustomize nor kubectl is installed"):
        render.manifests()


def test_a_machine_without_uv_is_told_what_to_install(folder, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="uv is not installed"):
        schema_check.builtin_problems([{"apiVersion": "v1", "kind": "Service"}])


def test_another_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="run this in the project's folder"):
        render.manifests()


@pytest.mark.parametrize("name", ENTRIES)
def test_entry_points_pass(name, folder):
    for path in (folder / name).glob("*.yaml"):
        if path.name != "kustomization.yaml":
            document = entry(f"{name}/{path.name}")
            assert schema_check.schema(document).exists()
            assert render.problems([document]) == []


@pytest.mark.parametrize("name", ENTRIES)
def test_a_slip_in_an_entry_point_is_refused(name, folder):
    good = entry(f"{name}/staging.yaml")
    for path, told in misspell(good["spec"], ["spec"]):
        bad = deepcopy(good)
        inner = bad
        for key in path[:-1]:
            inner = inner[key]
        inner[f"{path[-1]}x"] = inner.pop(path[-1])
        assert any(told in text for text in schema_check.problems([bad])), path


def misspell(fields, path):
    """The path of every field, and the name that it has with an x too many."""
    for name, value in fields.items():
        yield [*path, name], f"{name}x"
        if isinstance(value, dict):
            yield from misspell(value, [*path, name])


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize(("old", "new"), [("staging", "stagging"), ("deploy/", "deploys/")])
def test_an_entry_point_that_follows_no_folder_is_refused(name, old, new, folder):
    document = entry(f"{name}/staging.yaml")
    place = document["spec"] if name == "flux" else document["spec"]["source"]
    place["path"] = place["path"].replace(old, new)
    (told,) = render.problems([document])
    assert "has no kustomization.yaml" in told


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"image": "ghcr.io/acme/seals:1.2"}, "is not a digest"),
        ({"image": "ghcr.io/acme/seals@sha256:abc"}, "is not a digest"),
        ({"image": ""}, "is not a digest"),
        ({"securityContext": {}}, "may gain privileges"),
        ({"securityContext": {"allowPrivilegeEscalation": False}}, "keeps capabilities"),
        ({"ports": [{"hostPort": 80}]}, "takes a hostPort"),
    ],
)
def test_a_container_that_is_not_restricted_is_refused(changed, told):
    assert any(told in text for text in pod_security.problems(pod(**changed)))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"runAsUser": 0}, "may run as root"),
        ({"runAsNonRoot": False}, "may run as root"),
        ({"privileged": True}, "may gain privileges"),
        ({"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}, "adds capabilities"),
        ({"seccompProfile": {"type": "Unconfined"}}, "seccompProfile"),
        ({"procMount": "Unmasked"}, "procMount"),
    ],
)
def test_a_container_that_says_otherwise_than_its_pod_is_refused(changed, told):
    made = pod()
    made["containers"][0]["securityContext"] |= changed
    assert any(told in text for text in pod_security.problems(made))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "hostPath is not a volume"),
        ({"initContainers": [{"name": "first", "image": "busybox"}]}, "container first: image"),
        ({"securityContext": {}}, "may run as root"),
        ({"securityContext": {"sysctls": [{"name": "a"}]}}, "sysctls"),
        ({"securityContext": {"windowsOptions": {"hostProcess": True}}}, "windowsOptions"),
    ],
)
def test_a_pod_that_is_not_restricted_is_refused(changed, told):
    assert not list(pod_security.problems(pod()))
    assert any(told in text for text in pod_security.problems(pod() | changed))


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda spec: {"kind": "Pod", "spec": spec},
        lambda spec: {"kind": "Job", "spec": {"template": {"spec": spec}}},
        lambda spec: {
            "kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}},
        },
    ],
)  # fmt: skip
def test_pods_are_found_in_whatever_makes_them(wrapped):
    assert list(pod_security.pods(wrapped(pod()))) == [pod()]
    assert not list(pod_security.pods({"kind": "Service", "spec": {"ports": []}}))
