"""The base by itself, needing no tool: every service is there, set by settings that exist, probed where it answers."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.catalog import service_names, service_tables
from deploy.kubernetes.__main__ import RULE, rules
from shared.messaging.topology import Topology
from shared.observability.metrics import Metrics
from shared.service import topology
from shared.settings import ServiceSettings, unknown
from shared.web.health import health_routes
from shared.web.server import OVERTIME_SECONDS

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "kubernetes" / "base"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
NAMES = service_names()

type Manifest = dict[str, Any]


def read(file: str) -> list[Manifest]:
    return list(yaml.safe_load_all((BASE / file).read_text()))


def of(name: str) -> dict[str, Manifest]:
    """Kind -> what a service has of it."""
    return {manifest["kind"]: manifest for manifest in read(f"{name}.yaml")}


def pod(manifest: Manifest) -> Manifest:
    return dict(manifest["spec"]["template"]["spec"])


(EVERY,) = read("every-deployment.yaml")
(MIGRATION,) = read("every-migration.yaml")


def test_every_service_is_there():
    files = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    assert {f"{name}.yaml" for name in NAMES} <= set(files)
    assert sorted(files) == sorted(
        p.name for p in BASE.glob("*.yaml") if p.stem != "kustomization" and "every" not in p.stem
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_service_is_set_by_settings_that_exist_from_files_that_it_gets(name: str):
    settings = importlib.import_module(f"services.{name}.settings").Settings
    for kind in ("Deployment", "Job"):
        (container,) = pod(of(name)[kind])["containers"]
        given = {each["name"]: each["value"] for each in container["env"]}
        assert unknown(settings, given) == []
        assert given[f"{name.upper()}_HTTP_HOST"] == "0.0.0.0"
        files = {path.rpartition("/")[2] for key, path in given.items() if key.endswith("_FILE")}
        assert files == {"amqp_url", "store_url", "link_keys", "address_key"}
        assert container["image"] == COMPOSE[name]["image"].split(":")[0]
        assert [v["secret"]["secretName"] for v in pod(of(name)[kind])["volumes"]] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_service_is_found_by_its_name_and_its_upkeep_is_not(name: str):
    found = of(name)
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels == found["Deployment"]["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": name}
    assert (
        found["Service"]["spec"]["selector"]
        == found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
        == labels
    )
    assert found["Job"]["spec"]["template"]["metadata"]["labels"] != labels
    assert pod(found["Job"])["containers"][0]["args"] == ["python", "-m", f"services.{name}", "migrate"]
    assert (
        found["Service"]["spec"]["ports"][0]["targetPort"]
        == EVERY["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"]
    )
    has_pages = (ROOT / f"services/{name}/pages.py").exists()
    assert bool(found["Service"]["spec"].get("publishNotReadyAddresses")) == has_pages


@pytest.mark.parametrize("name", NAMES)
def test_a_disruption_leaves_some(name: str):
    found = of(name)
    least = found["PodDisruptionBudget"]["spec"]["minAvailable"]
    assert 0 < least < EVERY["spec"]["replicas"] == found["ScaledObject"]["spec"]["minReplicaCount"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_scaled_by_each_of_its_queues(name: str):
    tables = service_tables()[name]
    own: Topology = topology(name, tables.consumes, tables.publishes, (1.0,))
    triggers = of(name)["ScaledObject"]["spec"]["triggers"]
    assert sorted(trigger["metadata"]["queueName"] for trigger in triggers) == sorted(own.inputs)
    assert {trigger["authenticationRef"]["name"] for trigger in triggers} == {name}


def test_probes_ask_where_services_answer():
    paths = {route.path for route in health_routes(list, Metrics("probe"))}
    (container,) = pod(EVERY)["containers"]
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {probe["path"] for probe in probes.values()} <= paths
    assert probes["readiness"]["path"] == "/readyz"
    assert probes["liveness"]["path"] == probes["startup"]["path"] == "/livez"
    assert container["ports"] == [{"name": "http", "containerPort": ServiceSettings.model_fields["http_port"].default}]


def test_a_stop_gets_the_time_that_it_may_take():
    (container,) = pod(EVERY)["containers"]
    sleep, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert sleep == "sleep"
    needed = float(seconds) + ServiceSettings.model_fields["shutdown_seconds"].default + OVERTIME_SECONDS
    assert pod(EVERY)["terminationGracePeriodSeconds"] > needed


@pytest.mark.parametrize("manifest", [EVERY, MIGRATION], ids=["deployment", "migration"])
def test_containers_may_do_nothing_but_run(manifest: Manifest):
    user = next(line for line in (ROOT / "deploy/Dockerfile").read_text().splitlines() if line.startswith("USER "))
    around = pod(manifest)["securityContext"]
    assert f"USER {around['runAsUser']}:{around['runAsGroup']}" == user
    assert around["runAsNonRoot"] is True
    assert around["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod(manifest)["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"] == "384Mi" == COMPOSE["supplier"]["mem_limit"].upper() + "i"
    assert pod(manifest)["automountServiceAccountToken"] is False


def test_nothing_goes_in_or_out_unless_it_is_said():
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in read("network-policies.yaml")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (selector,) = policies["services"]["podSelector"]["matchExpressions"]
    assert sorted(selector["values"]) == NAMES
    ports = [port["port"] for rule in policies["rabbitmq"]["ingress"] for port in rule["ports"]]
    assert 5672 in ports
    assert [rule for rule in policies["rabbitmq"]["ingress"] if "from" not in rule] == []


def test_alerts_are_those_of_everywhere_else():
    assert RULE.read_text() == rules(), "stale: python -m deploy.kubernetes rules"
    for monitor in read("monitoring.yaml"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            assert "job" in [each["targetLabel"] for each in endpoint["relabelings"]]


def test_the_broker_takes_no_larger_messages_than_elsewhere():
    (cluster,) = [each for each in read("rabbitmq.yaml") if each["kind"] == "RabbitmqCluster"]
    settings = cluster["spec"]["rabbitmq"]["additionalConfig"].splitlines()
    compose = (ROOT / "deploy/compose/rabbitmq.conf").read_text().splitlines()
    (size,) = [line for line in compose if line.startswith("max_message_size")]
    assert size in settings
    assert cluster["spec"]["replicas"] == 3
