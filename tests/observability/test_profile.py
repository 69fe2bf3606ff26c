"""Prometheus, Grafana and Tempo of docker-compose.yml find what they are to show; the embedded system likewise."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.catalog import service_names
from deploy.observability.__main__ import embedded

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "deploy/observability/prometheus.yml").read_text())
JOBS: dict[str, dict[str, Any]] = {job["job_name"]: job for job in CONFIG["scrape_configs"]}


def networks(*services: str) -> list[set[str]]:
    return [set(COMPOSE[service]["networks"]) for service in services]


def test_prometheus_scrapes_every_service_where_compose_has_it():
    configs = JOBS["rummelig"]["static_configs"]
    targets = {each["labels"]["service"]: each["targets"] for each in configs}
    assert targets == {name: [f"{name}:8080"] for name in service_names()}
    for seen, own in zip(networks("prometheus") * 5, networks("rabbitmq", *service_names()), strict=True):
        assert seen & own


def has_compose() -> bool:
    """Debian's client alone has no `compose`."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0


def test_what_is_mounted_is_there():
    mounts = [m for name in ("prometheus", "tempo", "grafana") for m in COMPOSE[name]["volumes"] if m.startswith("./")]
    assert len(mounts) == 5
    assert [mount for mount in mounts if not (ROOT / mount.split(":")[0]).exists()] == []


@pytest.mark.skipif(not has_compose(), reason="docker compose is missing, which reads its own file best")
def test_compose_reads_the_profile():
    command = ["docker", "compose", "--profile", "observability", "config", "--services"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert {"prometheus", "grafana", "tempo"} <= set(done.stdout.split()), done.stderr


def test_traces_go_where_services_reach_it():
    for seen, own in zip(networks("tempo") * 4, networks(*service_names()), strict=True):
        assert seen & own
    tempo = yaml.safe_load((ROOT / "deploy/observability/tempo.yml").read_text())
    assert tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")
    assert networks("grafana")[0] & networks("tempo")[0] & networks("prometheus")[0]


def test_the_embedded_system_is_scraped_by_the_same_rules():
    config = yaml.safe_load(embedded({"events": "http://127.0.0.1:4711"}, 4712))
    assert [Path(file).exists() for file in config["rule_files"]] == [True]
    first, *broker = config["scrape_configs"]
    assert first["static_configs"] == [{"targets": ["127.0.0.1:4711"], "labels": {"service": "events"}}]
    assert [job["static_configs"] for job in broker] == [[{"targets": ["127.0.0.1:4712"]}]] * 2


def test_a_broker_that_tells_nothing_is_not_asked():
    config = yaml.safe_load(embedded({"events": "http://127.0.0.1:4711"}, None))
    assert [job["job_name"] for job in config["scrape_configs"]] == ["rummelig"]
