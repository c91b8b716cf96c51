"""infra/: it fits its provider, holds no secret, and trusts exactly the jobs that there are."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from baked import PROJECT, run
from hcl import Module, mistakes, read
from mlgitops.core.config import load_yaml
from mlgitops.github.workflow_rules import workflow_faults
from parts import OPENTOFU
from providers import INFRA, SCHEMAS

CLOUDS = {"azure": "azurerm", "aws": "aws", "gcp": "google"}
AZURE = INFRA / "azure"
TEXTS = read(AZURE)
PAGE = (PROJECT / "docs/azure.md").read_text("utf-8")
CLOUDS_PAGE = (PROJECT / "docs/clouds.md").read_text("utf-8")
PLANS = Path(__file__).parent / "infra"
WORKFLOWS = PROJECT / ".github/workflows"
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
BLOCKS = re.findall(FENCED, PAGE)
STEP = next(text for kind, text in BLOCKS if kind == "yaml")
ROW = re.compile(r"^\| (\w+) \| (\w+) \| (.+?) \| (read|write) \|$", re.M)
PROGRAM, STANDS_IN = OPENTOFU
# What reads the store, and what writes to it; `make track` hands its model to the tracker.
READS = re.compile(r"mlgitops ci (reproduce|judge|retrain|drift)\b")
WRITES = re.compile(r"mlgitops ci (save|apply)\b|make track\b")
PUSHES = re.compile(r"make push\b")
ROLES = {
    "reader": ("azurerm_storage_container.store.id", "Storage Blob Data Reader"),
    "writer": ("azurerm_storage_container.store.id", "Storage Blob Data Contributor"),
    "people": ("azurerm_storage_container.store.id", "Storage Blob Data Contributor"),
    "tracker": ("azurerm_storage_container.store.id", "Storage Blob Data Contributor"),
    "push": ("azurerm_container_registry.images[0].id", "AcrPush"),
    "pull": ("azurerm_container_registry.images[0].id", "AcrPull"),
}
SAFE = {
    "azurerm_storage_account": {
        "shared_access_key_enabled": False, "allow_nested_items_to_be_public": False,
        "min_tls_version": "TLS1_2", "https_traffic_only_enabled": True,
        "cross_tenant_replication_enabled": False, "local_user_enabled": False,
    },
    "azurerm_container_registry": {"admin_enabled": False, "anonymous_pull_enabled": False},
    "azurerm_kubernetes_cluster": {
        "local_account_disabled": True, "oidc_issuer_enabled": True,
        "workload_identity_enabled": True,
    },
    "azurerm_postgresql_flexible_server": {"public_network_access_enabled": False},
}  # fmt: skip
SERVICES = {
    "storage": "Storage", "user_assigned": "ManagedIdentity", "federated": "ManagedIdentity",
    "container_registry": "ContainerRegistry", "kubernetes": "ContainerService",
    "virtual_network": "Network", "subnet": "Network", "private_dns": "Network",
    "postgresql": "DBforPostgreSQL",
}  # fmt: skip
EVERYWHERE = {"azurerm_resource_group", "azurerm_role_assignment"}  # what no service is asked for
SECRET = re.compile(
    r"AccountKey=|SharedAccess|[?&]sig=|BEGIN [A-Z ]*PRIVATE|://\w+:[^@\s/]+@|client_secret"
    r"|\b\w*(?:access_key|connection_string|kube_config|kube_admin_config|admin_password)\w*"
    r"|(?:password|secret|token)\w* *= *\"[^\"$]|[A-Za-z0-9+/]{38,}==?|[A-Za-z0-9+]{40,}"
)
KNOWN = ("shared_access_key_enabled",)  # a setting, which is off


def alter(file: str, old: str, new: str) -> Module:
    """The module with a change in one of its files."""
    assert old in TEXTS[file], old
    return Module(TEXTS | {file: TEXTS[file].replace(old, new, 1)})


@pytest.mark.parametrize(("cloud", "least"), [("azure", 24), ("aws", 9), ("gcp", 5)])
def test_every_argument_is_one_of_the_provider(cloud, least):
    module = Module(read(INFRA / cloud))
    assert mistakes(module, CLOUDS[cloud]) == []
    assert len(list(module.resources())) >= least


def test_every_cloud_is_tested():
    assert {path.name for path in INFRA.iterdir()} == set(CLOUDS)
    assert {path.name for path in (PROJECT / "infra").iterdir()} == set(CLOUDS)
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(CLOUDS.values())
    assert {path.name.partition(".")[0] for path in PLANS.iterdir()} == set(CLOUDS)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("store.tf", "min_tls_version ", "minimum_tls ", "minimum_tls is no argument"),
        ("store.tf", "versioning_enabled = true", 'versioning_enabled = "yes"', "is not bool"),
        ("store.tf", 'account_tier                     = "Standard"\n', "",
         "account_tier is missing"),
        ("store.tf", "    delete_retention_policy {\n      days", "    delete_retention_policy {\n"
         "      day", "blob_properties.delete_retention_policy.day is no argument"),
        ("cluster.tf", '  node_provisioning_profile {\n    mode = "Manual"\n  }\n', "",
         "node_provisioning_profile is missing"),
        ("outputs.tf", "store.name", "shop.name", "azurerm_storage_container.shop.name: there is"),
        ("outputs.tf", "reader.client_id", "reader.secret", "reader.secret: there is no such"),
        ("identities.tf", "var.issuer", "var.host", "var.host is not declared"),
        ("tracker.tf", 'subnet" "database', 'net" "database', "no such resource"),
        ("registry.tf", 'sku                    = "Standard"', "sku = true", "sku is not string"),
        ("store.tf", "var.predictions_days", "30", "var.predictions_days is not used"),
    ],
)  # fmt: skip
def test_what_the_provider_would_refuse_is_named(file, old, new, said):
    assert said in "\n".join(mistakes(alter(file, old, new), "azurerm"))


def secrets(texts: dict[str, str]) -> list[str]:
    """What looks like a secret, or would put one into the state."""
    found = [match for text in texts.values() for match in SECRET.finditer(text)]
    return [match[0] for match in found if match[0] not in KNOWN]


def test_no_key_and_no_password_stands_anywhere():
    for folder in (PROJECT / "infra", INFRA):
        files = {str(path): path.read_text("utf-8") for path in folder.rglob("*.tf")}
        assert len(files) >= 3
        assert secrets(files) == []
    password = Module(TEXTS).entries("variable")["tracker_password"]
    assert (password["ephemeral"], password["sensitive"]) == (True, True)
    assert "administrator_password " not in TEXTS["tracker.tf"]  # it would be in the state


@pytest.mark.parametrize(
    "line",
    [
        'a = "AccountName=a;AccountKey=b2s="', 'password = "hunter2"',
        "value = azurerm_storage_account.store.primary_access_key", 'a = "https://x/?sv=1&sig=2"',
        "value = azurerm_kubernetes_cluster.project[0].kube_config_raw",
        'url = "postgresql://mlflow:pw@host/db"', 'client_secret = "x"',
        'a = "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9v"', "shared_access_key = x",
    ],
)  # fmt: skip
def test_a_secret_is_found(line):
    assert secrets({"a.tf": line})


def unsafe(module: Module) -> list[str]:
    """Which settings let in more than they must, or protect less than they say."""
    found = [
        f"{kind}.{key}"
        for kind, settings in SAFE.items()
        for body in module.every(kind).values()
        for key, value in settings.items()
        if body.get(key) != value
    ]
    (account,) = module.every("azurerm_storage_account").values()
    (blobs,) = account["blob_properties"]
    kept = {"delete_retention_policy", "container_delete_retention_policy"} <= set(blobs)
    if not kept or blobs.get("versioning_enabled") is not True:
        found.append("what is deleted or overwritten is lost")
    if account["lifecycle"] != [{"prevent_destroy": True}]:
        found.append("the store can be destroyed")
    return found + [f"rule {name}" for name in forgetting(module)]


def forgetting(module: Module) -> Iterator[str]:
    """The rules that would delete the newest version of anything but old predictions."""
    (policy,) = module.every("azurerm_storage_management_policy").values()
    for rule in policy["rule"]:
        prefixes = rule["filters"][0].get("prefix_match", [""])
        current = "base_blob" in rule["actions"][0]
        if current and not all(one.endswith("/predictions/") for one in prefixes):
            yield rule["name"]


def test_what_is_made_is_closed_and_forgets_nothing():
    assert unsafe(Module(TEXTS)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("store.tf", "shared_access_key_enabled        = false", "shared_access_key_enabled = true",
         "shared_access_key_enabled"),
        ("store.tf", "to_be_public  = false", "to_be_public  = true", "to_be_public"),
        ("store.tf", "TLS1_2", "TLS1_0", "min_tls_version"),
        ("store.tf", "versioning_enabled = true", "versioning_enabled = false", "is lost"),
        ("store.tf", "prevent_destroy = true", "prevent_destroy = false", "can be destroyed"),
        ("store.tf", 'prefix_match = ["', 'prefix_match = ["store", "', "rule predictions"),
        ("registry.tf", "admin_enabled          = false", "admin_enabled = true", "admin_enabled"),
        ("cluster.tf", "local_account_disabled    = true", "local_account_disabled = false",
         "local_account"),
        ("tracker.tf", "public_network_access_enabled     = false",
         "public_network_access_enabled = true", "public_network"),
    ],
)  # fmt: skip
def test_what_is_open_is_named(file, old, new, said):
    assert said in "\n".join(unsafe(alter(file, old, new)))


def roles(module: Module) -> dict[str, tuple[str, str]]:
    """Who has which role, of what."""
    return {
        name: (body["scope"].strip("${}"), body["role_definition_name"])
        for name, body in module.every("azurerm_role_assignment").items()
    }


def test_everybody_may_do_the_least():
    assert roles(Module(TEXTS)) == ROLES


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Storage Blob Data Reader", "Storage Blob Data Contributor"),
        ("Storage Blob Data Contributor", "Owner"),
        ("azurerm_storage_container.store.id", "azurerm_storage_account.store.id"),
    ],
)
def test_a_role_that_may_more_is_seen(old, new):
    assert roles(alter("identities.tf", old, new)) != ROLES


def subject(workflow: dict[str, Any], job: dict[str, Any]) -> set[str]:
    """How the subjects of a job's tokens end: of its environment, or else of what starts it."""
    if "environment" in job:
        return {f"environment:{job['environment']}"}
    main = {"push", "schedule", "workflow_run", "issue_comment", "workflow_dispatch"}
    found = {"ref:refs/heads/main"} if main & set(workflow[True]) else set()
    return found | ({"pull_request"} if "pull_request" in workflow[True] else set())


def commands(job: dict[str, Any]) -> str:
    """What a job runs."""
    return "\n".join(step.get("run", "") for step in job["steps"])


def with_logins() -> dict[str, str]:
    """The texts of the workflows, changed as the page says."""
    texts = {path.stem: path.read_text("utf-8") for path in WORKFLOWS.glob("*.yml")}
    for workflow, job, environment, _ in ROW.findall(PAGE):
        texts[workflow] = with_login(texts[workflow], job, environment)
    return texts


def with_login(text: str, job: str, environment: str) -> str:
    """A workflow whose job logs in after its last checkout."""
    before, name, rest = text.partition(f"\n  {job}:\n")
    assert name, job
    body, *after = re.split(r"(?m)^(?=  \w+:$)", rest, maxsplit=1)
    permission, step = re.findall(r"(?m)^(      (?:(?!- ).+\n|- (?:.+\n|  )+))", STEP)[:2]
    if "(add it)" in environment:
        name_ = environment.split("`")[1]
        body = body.replace("    permissions:\n", f"    environment: {name_}\n    permissions:\n")
    if "id-token:" not in body:
        body = body.replace("    permissions:\n", f"    permissions:\n{permission}", 1)
    steps = re.split(r"(?m)^(?=      - |      # )", body)
    last = max(n for n, one in enumerate(steps) if "actions/checkout@" in one)
    steps.insert(last + 1, step)
    return before + name + "".join(steps) + "".join(after)


def trust(module: Module, who: str) -> set[str]:
    """The ends of the subjects that an identity trusts if nobody says otherwise."""
    return set(module.entries("variable")[who]["default"])


def needs(texts: dict[str, str]) -> Iterator[tuple[str, str, str, set[str]]]:
    """Each job that needs the store: its workflow, its name, what it does there, its subjects."""
    for name, text in sorted(texts.items()):
        workflow = yaml.safe_load(text)
        for job, body in workflow["jobs"].items():
            said = commands(body)
            writes = WRITES.search(said) or PUSHES.search(said)
            if writes or READS.search(said):
                yield name, job, "write" if writes else "read", subject(workflow, body)


def mismatches(texts: dict[str, str], module: Module) -> list[str]:
    """Where what is trusted is not what the jobs are."""
    used: dict[str, set[str]] = {"readers": set(), "writers": set()}
    for _, _, does, subjects in needs(texts):
        used["readers" if does == "read" else "writers"] |= subjects
    pairs = {who: (used[who], trust(module, who)) for who in used}
    return [f"{who}: {sorted(a ^ b)}" for who, (a, b) in pairs.items() if a != b]


def test_exactly_the_subjects_are_trusted_that_the_jobs_have():
    found = {(name, job): does for name, job, does, _ in needs(with_logins())}
    assert found == {(name, job): does for name, job, _, does in ROW.findall(PAGE)}
    assert len(found) == 9
    assert mismatches(with_logins(), Module(TEXTS)) == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_cloud_trusts_the_same(cloud):
    module = Module(read(INFRA / cloud))
    assert mismatches(with_logins(), module) == []
    for who in ("readers", "writers", "subject"):
        own, azures = module.entries("variable")[who], Module(TEXTS).entries("variable")[who]
        assert own["validation"][0]["condition"] == azures["validation"][0]["condition"]


def test_a_subject_too_many_and_one_too_few_are_named():
    wide = alter("variables.tf", '["environment:release"]', '["environment:release", "x"]')
    assert mismatches(with_logins(), wide) == ["writers: ['x']"]
    narrow = alter("variables.tf", ', "ref:refs/heads/main"]', "]")
    assert mismatches(with_logins(), narrow) == ["readers: ['ref:refs/heads/main']"]
    texts = with_logins()
    texts["retrain"] = texts["retrain"].replace("environment: release", "environment: other")
    assert "'environment:other'" in mismatches(texts, Module(TEXTS))[0]


def test_a_subject_that_a_pull_request_can_have_writes_nothing():
    for name, job, does, subjects in needs(with_logins()):
        if does == "write":
            assert subjects == {"environment:release"}, (name, job)
    for text in with_logins().values():
        for job in yaml.safe_load(text)["jobs"].values():
            login = [step for step in job["steps"] if "azure/login@" in step.get("uses", "")]
            reads_or_writes = READS.search(commands(job)) or WRITES.search(commands(job))
            assert bool(login) is bool(reads_or_writes)
            assert bool(login) <= ("id-token" in job["permissions"])


def test_the_workflows_with_a_login_keep_the_rules_of_every_project():
    for name, text in with_logins().items():
        assert list(workflow_faults(name, text, load_yaml(text))) == [], name
    text = with_logins()["track"].replace("enable-cache: false", "enable-cache: true")
    found = list(workflow_faults("track", text, load_yaml(text)))
    assert found == ["track: a cache in a job that writes: another job may have filled it"]


def test_the_workflows_with_a_login_pass_the_linter(tmp_path):
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    for name, text in with_logins().items():
        (folder / f"{name}.yml").write_text(text, "utf-8")
    run("zizmor", "--offline", "--pedantic", "--quiet", str(tmp_path / ".github"), cwd=tmp_path)
    if shutil.which("actionlint"):
        run("actionlint", *map(str, sorted(folder.glob("*.yml"))), cwd=tmp_path)


def test_the_page_tells_of_every_variable_output_and_resource():
    module = Module(TEXTS)
    for group in ("variable", "output"):
        for name, body in module.entries(group).items():
            assert body["description"], name
    table = PAGE.partition("| variable | default |")[2].partition("\n\n")[0]
    names = set(re.findall(r"`(\w+)`", table)) | {"name", "account", "subject"}
    assert set(module.entries("variable")) <= names
    used = {"tracker_host", "tracker_client_id"}
    assert {
        name for name in module.entries("output") if not re.search(rf"\b{name}\b", PAGE)
    } <= used
    tried = re.findall(r"`(azurerm_\w+)`", PAGE.partition("## What was tried")[2])
    assert sorted(tried) == sorted({one.kind for one in module.resources() if not one.data})
    assert "azurerm 5.10" in PAGE


def lines() -> list[str]:
    """The commands of the page."""
    return [line for kind, text in BLOCKS if not kind for line in text.splitlines()]


def test_the_commands_make_what_the_module_makes():
    text = "\n".join(line for line in lines() if "az " in line and "state" not in line)
    subjects = set(re.findall(r"--subject \$SUBJECT:(\S+)", text))
    module = Module(TEXTS)
    assert subjects == trust(module, "readers") | trust(module, "writers")
    given = re.findall(r'--role "([^"]+)"', text)
    assert sorted(given) == sorted(ROLES[who][1] for who in ("reader", "writer", "people"))
    days = module.entries("variable")["undelete_days"]["default"]
    assert text.count(f"retention-days {days}") == 2
    for option in ("allow-shared-key-access false", "allow-blob-public-access false",
                   "min-tls-version TLS1_2", "enable-versioning true"):  # fmt: skip
        assert option in text


def calls() -> list[str]:
    """Each command of `az` on the page, with example values, also those inside others."""
    found = [inner for line in lines() for inner in re.findall(r"\$\((az [^()]*)\)", line)]
    plain = [re.sub(r"\$\([^()]*\)", "VALUE", line) for line in lines()]
    return found + [line.partition(" #")[0] for line in plain if line.startswith("az ")]


@pytest.mark.nightly
@pytest.mark.skipif(not shutil.which("az"), reason="az is not installed")
def test_az_knows_every_option(tmp_path):
    """It reads a command before it asks who is there, and returns 2 for one it cannot read."""
    example = {"NAME": "flights", "ACCOUNT": "acmeflights", "LOCATION": "westeurope", "ME": "me",
               "SUBJECT": "repo:acme/flights", "SCOPE": "/subscriptions/x"}  # fmt: skip
    own = {"AZURE_CONFIG_DIR": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"}
    found = [one for one in calls() if one != "az login"]
    for line in (*found, "az group create --nmae x"):
        done = subprocess.run(
            ["bash", "-c", f"exec {line}"], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, env=os.environ | example | own,
        )  # fmt: skip
        assert done.returncode == (2 if "nmae" in line else 1), (line, done.stderr)
    assert len(found) >= 24


def test_the_other_page_tells_of_every_resource_and_output():
    told = re.findall(r"`((?:aws|google)_\w+)`", CLOUDS_PAGE.partition("## What was tried")[2])
    modules = [Module(read(INFRA / cloud)) for cloud in ("aws", "gcp")]
    there = {one.kind for module in modules for one in module.resources() if not one.data}
    assert sorted(told) == sorted(there)
    for name in (*modules[0].entries("output"), *modules[1].entries("output")):
        assert name == "url" or name in CLOUDS_PAGE
    pinned = re.findall(r"uses: ([\w-]+/[\w-]+)@([0-9a-f]{40}) # v\d", PAGE + CLOUDS_PAGE)
    assert len(pinned) == (PAGE + CLOUDS_PAGE).count("uses: ") == 3
    for text in (PAGE, CLOUDS_PAGE):
        logins = [yaml.safe_load(block) for kind, block in re.findall(FENCED, text) if kind]
        assert all("head.repo.fork" in str(login) for login in logins)


@pytest.fixture
def lab(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """What OpenTofu needs to take a program with a provider's schema for the provider."""

    def settings(provider: str) -> dict[str, str]:
        schema = SCHEMAS / f"{provider}.json"
        version = json.loads(schema.read_text("utf-8"))["version"]
        address = f"registry.opentofu.org/hashicorp/{provider}"
        place = tmp_path / "mirror" / address / version / "linux_amd64"
        place.mkdir(parents=True)
        shutil.copy(STANDS_IN, place / f"terraform-provider-{provider}_v{version}")
        mirror = f'filesystem_mirror {{\n    path = "{tmp_path}/mirror"\n  }}'
        (tmp_path / "rc").write_text(f"provider_installation {{\n  {mirror}\n}}\n", "utf-8")
        return {
            "TF_CLI_CONFIG_FILE": str(tmp_path / "rc"), "SCHEMA": str(schema),
            "ADDRESS": address, "CHECKPOINT_DISABLE": "1",
        }  # fmt: skip

    return settings


@pytest.mark.tofu
@pytest.mark.parametrize("cloud", CLOUDS)
def test_opentofu_plans_the_module_and_refuses_what_must_not_be(cloud, tmp_path, lab):
    own, folder = lab(CLOUDS[cloud]), shutil.copytree(INFRA / cloud, tmp_path / cloud)
    (folder / "tests").mkdir()
    shutil.copy(PLANS / f"{cloud}.tftest.hcl", folder / "tests")
    run(PROGRAM, "init", "-backend=false", cwd=folder, **own)
    told = run(PROGRAM, "test", "-no-color", cwd=folder, **own)
    assert " 0 failed" in told
    assert told.count("... pass") >= 4
    for path in folder.glob("*.tf"):
        text = path.read_text("utf-8")
        path.write_text(re.sub(r"\b(azure|s3|gs)://", "abfs://", text), "utf-8")
    told = run(PROGRAM, "test", "-no-color", cwd=folder, fails=True, **own)
    assert "the URL of the store" in told


@pytest.mark.tofu
@pytest.mark.parametrize("cloud", CLOUDS)
def test_opentofu_takes_what_a_project_has(cloud, tmp_path, lab):
    own = lab(CLOUDS[cloud])
    shutil.copytree(INFRA, tmp_path / "vendor/mlgitops/infra")
    folder = shutil.copytree(PROJECT / "infra" / cloud, tmp_path / "infra" / cloud)
    text = (folder / "main.tf").read_text("utf-8")
    text = text.replace("{{ cookiecutter.project_slug }}", "flights")
    (folder / "main.tf").write_text(text, "utf-8")
    run(PROGRAM, "init", "-backend=false", cwd=folder, **own)
    run(PROGRAM, "validate", cwd=folder, **own)
    run(PROGRAM, "fmt", "-check", "-recursive", cwd=tmp_path, **own)
    slip = re.sub(r"  subject( +)= var", r"  topic\1= var", text)
    (folder / "main.tf").write_text(slip, "utf-8")
    assert "topic" in run(PROGRAM, "validate", cwd=folder, fails=True, **own)


def services(module: Module) -> set[str]:
    """The services of Azure that a module asks for something."""
    kinds = {one.kind for one in module.resources() if not one.data} - EVERYWHERE
    return {
        f"Microsoft.{next(name for part, name in SERVICES.items() if f'_{part}' in kind)}"
        for kind in kinds
    }


def test_a_new_subscription_gets_the_services_that_the_module_asks():
    """Since version 5 the provider registers none by itself."""
    text = (PROJECT / "infra/azure/main.tf").read_text("utf-8")
    (entry,) = Module({"main.tf": text}).blocks["provider"]
    assert set(entry["azurerm"]["resource_providers_to_register"]) == services(Module(TEXTS))
    assert "Microsoft.Network" not in services(
        Module({name: text for name, text in TEXTS.items() if name in ("store.tf", "registry.tf")})
    )


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_projects_file_gives_the_module_what_it_needs(cloud):
    text = (PROJECT / "infra" / cloud / "main.tf").read_text("utf-8")
    module = Module({"main.tf": text}).blocks["module"][0]["project"]
    assert module["source"] == f"../../vendor/mlgitops/infra/{cloud}"
    variables = Module(read(INFRA / cloud)).entries("variable")
    needed = {name for name, body in variables.items() if "default" not in body}
    assert needed == set(module) - {"source"}
    assert set(Module({"main.tf": text}).entries("output")) == {"project", "url"}
    assert f"tofu -chdir=infra/{cloud} output" in PAGE + CLOUDS_PAGE
    assert "backend" in text
    assert f"vendor/mlgitops/infra/{cloud}/variables.tf" in text
