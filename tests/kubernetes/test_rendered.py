"""The example overlay as kustomize renders it: right by Kubernetes' schemas, with nothing that refers to nothing."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.catalog import service_names
from deploy.kubernetes.__main__ import FOLDER, secrets

TOOLS = {"kustomize": ["kustomize", "build"], "kubectl": ["kubectl", "kustomize"]}

CUSTOM: dict[str, tuple[set[str], set[str]]] = {
    "RabbitmqCluster": (
        {"replicas", "persistence"},
        {"image", "terminationGracePeriodSeconds", "resources", "rabbitmq", "affinity", "override", "tls"},
    ),
    "MongoDBCommunity": ({"type", "members", "version", "security", "users"}, {"statefulSet"}),
    "ScaledObject": ({"scaleTargetRef", "triggers"}, {"minReplicaCount", "maxReplicaCount", "cooldownPeriod"}),
    "TriggerAuthentication": ({"secretTargetRef"}, set()),
    "PodMonitor": ({"selector", "podMetricsEndpoints"}, {"namespaceSelector"}),
    "PrometheusRule": ({"groups"}, set()),
}
"""Kinds that operators bring, whose schemas are not at hand: fields of `spec` that they need, and further ones."""

type Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """All manifests of the example, with secrets made for it."""
    tool = next((name for name in TOOLS if shutil.which(name)), None)
    if tool is None:
        pytest.skip("neither kustomize nor kubectl is here: the manifests are read, but not rendered")
    if tool == "kubectl" and "kustomizeVersion" not in said("kubectl", "version", "--client", "--output=json"):
        pytest.skip("this kubectl has a kustomize of before version 4, which knows no components")
    copy = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("secrets", "*.py*", "__pycache__"))
    example = copy / "overlays" / "example"
    secrets(example / "secrets")
    done = subprocess.run([*TOOLS[tool], str(example)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout


def all_of(rendered: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in rendered if each["kind"] == kind}


def test_kubernetes_knows_every_field(rendered: list[Manifest]):
    import kubernetes_validate

    own = [each for each in rendered if each["kind"] not in CUSTOM]
    assert len(own) > 40
    for manifest in own:
        kubernetes_validate.validate(manifest, "1.31", strict=True)


def test_operators_know_every_field(rendered: list[Manifest]):
    for manifest in (each for each in rendered if each["kind"] in CUSTOM):
        needed, further = CUSTOM[manifest["kind"]]
        assert needed <= set(manifest["spec"]) <= needed | further, manifest["metadata"]["name"]
    for scaled in all_of(rendered, "ScaledObject").values():
        values = [value for trigger in scaled["spec"]["triggers"] for value in trigger["metadata"].values()]
        assert all(isinstance(value, str) for value in values)  # KEDA takes nothing else


def test_every_deployment_and_migration_is_whole(rendered: list[Manifest]):
    deployments, jobs = all_of(rendered, "Deployment"), all_of(rendered, "Job")
    assert sorted(deployments) == service_names() == sorted(name.removeprefix("migrate-") for name in jobs)
    for manifest in (*deployments.values(), *jobs.values()):
        spec = manifest["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert container["image"].startswith("registry.example/rummelig/")
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {each["name"] for each in spec["volumes"]}
        paths = {each["value"].rpartition("/")[0] for each in container["env"] if each["name"].endswith("_FILE")}
        assert paths == {next(m["mountPath"] for m in container["volumeMounts"] if m["name"] == "secrets")}


def test_every_secret_that_is_asked_for_is_there(rendered: list[Manifest]):
    known = {name: set(each["data"]) for name, each in all_of(rendered, "Secret").items()}
    for manifest in (*all_of(rendered, "Deployment").values(), *all_of(rendered, "Job").values()):
        spec = manifest["spec"]["template"]["spec"]
        (secret,) = [each["secret"]["secretName"] for each in spec["volumes"] if "secret" in each]
        files = {e["value"].rpartition("/")[2] for e in spec["containers"][0]["env"] if e["name"].endswith("_FILE")}
        assert files == known[secret]
    for each in all_of(rendered, "TriggerAuthentication").values():
        (target,) = each["spec"]["secretTargetRef"]
        assert target["key"] in known[target["name"]]
    for store in all_of(rendered, "MongoDBCommunity").values():
        (user,) = store["spec"]["users"]
        assert user["passwordSecretRef"]["key"] in known[user["passwordSecretRef"]["name"]]
    cluster = all_of(rendered, "RabbitmqCluster")["rabbitmq"]["spec"]
    (volume,) = cluster["override"]["statefulSet"]["spec"]["template"]["spec"]["volumes"]
    assert "definitions.json" in known[volume["secret"]["secretName"]]


def test_all_is_in_the_overlays_namespace(rendered: list[Manifest]):
    namespaced = [each for each in rendered if each["kind"] != "Namespace"]
    assert {each["metadata"]["namespace"] for each in namespaced} == {"rummelig"}


def test_people_reach_the_pages_and_nothing_else(rendered: list[Manifest]):
    rules = all_of(rendered, "Ingress")["pages"]["spec"]["rules"]
    paths = [path for rule in rules for path in rule["http"]["paths"]]
    reached: dict[str, set[str]] = {}
    for path in paths:
        reached.setdefault(path["backend"]["service"]["name"], set()).add(path["path"])
        assert (path["pathType"] == "Exact") == (path["path"] == "/")  # "/" as a prefix would show metrics to everybody
    sources = {each.parent.name: each.read_text() for each in (FOLDER.parents[1] / "services").glob("*/pages.py")}
    routes = {name: set(re.findall(r'Route\("(/[^"/{]*)', text)) for name, text in sources.items()}
    assert reached == routes


def test_secrets_stay_when_made_again(tmp_path: Path):
    secrets(tmp_path)
    first = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    secrets(tmp_path)
    changed = [str(path.relative_to(tmp_path)) for path, text in first.items() if path.read_text() != text]
    assert changed == ["rabbitmq/definitions.json"]  # salted anew
    assert {oct(path.stat().st_mode & 0o777) for path in first} == {"0o600"}
