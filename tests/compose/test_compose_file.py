"""docker-compose.yml: every service is there, contained, with its own secrets, and nothing listens to the world."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.catalog import service_names
from shared.settings import unknown

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
NAMES = service_names()


@pytest.mark.parametrize("name", NAMES)
def test_a_service_has_its_image_and_its_store(name: str):
    service = SERVICES[name]
    assert service["build"]["args"] == {"SERVICE": name}
    assert service["depends_on"][f"{name}-store"] == {"condition": "service_healthy"}
    assert set(service["networks"]) - {"mail"} == {"broker", f"{name}-store"}
    assert service["volumes"] == [f"{name}-secrets:/run/rummelig:ro"]
    assert (ROOT / f"deploy/locks/{name}.lock").exists()


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_one(name: str):
    settings = importlib.import_module(f"services.{name}.settings").Settings
    assert unknown(settings, dict.fromkeys(SERVICES[name]["environment"], "")) == []
    assert {f"{name.upper()}_{key}_FILE" for key in ("AMQP_URL", "STORE_URL", "LINK_KEYS")} <= set(
        SERVICES[name]["environment"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_store_is_reached_by_its_service_alone(name: str):
    store = SERVICES[f"{name}-store"]
    assert store["networks"] == [f"{name}-store"]
    assert COMPOSE["networks"][f"{name}-store"] == {"internal": True}
    assert "ports" not in store
    users = [other for other, service in SERVICES.items() if f"{name}-store" in service.get("networks", [])]
    assert users == [name, f"{name}-store"]


@pytest.mark.parametrize("name", SERVICES)
def test_is_contained(name: str):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert not service.get("privileged")


@pytest.mark.parametrize("name", [*NAMES, "operator", "init"])
def test_our_own_containers_cannot_write_to_their_image(name: str):
    assert SERVICES[name]["read_only"]
    assert SERVICES[name].get("cap_add", []) == (["CHOWN"] if name == "init" else [])


def test_ports_are_on_loopback_unless_told_otherwise():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == len(NAMES) + 5
    assert all(port.startswith("${RUMMELIG_BIND:-127.0.0.1}:") for port in ports)


def test_a_volume_of_secrets_goes_to_init_and_to_one_reader():
    readers: dict[str, list[str]] = {}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            readers.setdefault(volume.split(":")[0], []).append(name)
    secret = {volume: names for volume, names in readers.items() if volume.endswith("-secrets")}
    assert all(names[0] == "init" and len(names) == 2 for names in secret.values()), secret
    assert readers["state"] == ["init"]
    assert {volume for volume in readers if not volume.startswith("./")} == set(COMPOSE["volumes"])


def test_no_secret_is_written_down():
    for service in SERVICES.values():
        for key, value in (service.get("environment") or {}).items():
            if re.search("PASS|SECRET|KEY|AMQP_URL|STORE_URL", key):
                assert value.startswith("/run/rummelig/"), key
