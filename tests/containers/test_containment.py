"""What Docker itself says of the running containers, and what one of them can do from within."""

import json
from typing import Any

import pytest

from deploy.catalog import service_names
from tests.containers.system import Compose, docker

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1500)]

NAMES = service_names()


def inspected(compose: Compose, service: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", compose.container(service)))[0]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_as_docker_sees_it(compose: Compose, name: str):
    found = inspected(compose, name)
    host = found["HostConfig"]
    assert found["Config"]["User"] == "10001:10001"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert 0 < host["Memory"] <= 512 * 2**20
    assert 0 < host["PidsLimit"] <= 500
    assert host["Privileged"] is False
    assert not {"/var/run/docker.sock", "/"} & {mount["Source"] for mount in found["Mounts"]}
    assert [mount["Destination"] for mount in found["Mounts"] if mount["RW"]] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_told_by_docker_or_by_the_process_list(compose: Compose, name: str):
    secrets = [
        compose("exec", "-T", name, "cat", f"/run/rummelig/{file}").strip()
        for file in ("amqp_url", "store_url", "link_keys", "address_key")
    ]
    passwords = [secret.partition("://")[2].partition("@")[0].rpartition(":")[2] or secret for secret in secrets]
    assert all(len(password) >= 48 for password in passwords)
    for container in (name, f"{name}-store", "rabbitmq"):
        told = json.dumps(inspected(compose, container)) + docker(
            "top", compose.container(container), "-eo", "pid,args"
        )
        told += docker("logs", compose.container(container))
        assert [password for password in passwords if password in told] == [], container
    layers = docker("history", "--no-trunc", f"rummelig/{name}:test")
    assert [password for password in passwords if password in layers] == []


WRITE = """
import os
for path in ("/app/new", "/etc/new", "/venv/new", "/run/rummelig/new", "/run/rummelig/amqp_url", "/usr/bin/new"):
    try:
        open(path, "w")
        print("wrote", path)
    except OSError as error:
        pass
try:
    os.setuid(0)
    print("became root")
except OSError:
    pass
open("/tmp/scratch", "w").write("x")
"""


@pytest.mark.parametrize("name", NAMES)
def test_it_can_write_to_its_scratch_space_alone(compose: Compose, name: str):
    assert compose.inside(name, WRITE) == ""


def test_a_new_password_counts_and_the_old_one_does_not(compose: Compose):
    before = compose("run", "--rm", "-T", "init", "show", "integrator").strip()
    compose("run", "--rm", "-T", "init", "rotate", "integrator")
    after = compose("run", "--rm", "-T", "init", "show", "integrator").strip()
    compose("restart", "rabbitmq")
    compose("--profile", "dev", "up", "--detach", "--wait", "--wait-timeout", "120", seconds=180)
    try_in = "import asyncio, aio_pika; asyncio.run(aio_pika.connect({!r}, timeout=10)); print('in')"
    inside = [url.rpartition("@")[0] + "@rabbitmq:5672/" for url in (before, after)]
    with pytest.raises(AssertionError, match="ACCESS_REFUSED"):
        compose.inside("supplier", try_in.format(inside[0]))
    assert compose.inside("supplier", try_in.format(inside[1])) == "in\n"
