"""The production shape, running: docker compose --profile dev up --wait."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import aio_pika
import pytest

from deploy.catalog import service_names
from deploy.compose.credentials import FURTHER
from shared.contracts.examples import example
from shared.contracts.supplier import RegisterSupplier
from shared.messaging.client import Client
from tests.containers.system import ROOT, Compose
from tests.support.running import until

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1500)]

NAMES = service_names()
COMMAND = example(RegisterSupplier).model_copy(update={"cvr": "88146328", "email": "post@koekkenet.example"})


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        content: bytes = answer.read()
        return content


def mails(compose: Compose) -> list[EmailMessage]:
    """All that Mailpit caught."""
    base = compose.variables["RUMMELIG_MAILPIT_URL"]
    listed = json.loads(get(f"{base}/api/v1/messages"))["messages"]
    raw = [get(f"{base}/api/v1/message/{each['ID']}/raw") for each in listed]
    return [message_from_bytes(each, policy=policy.default) for each in raw]


def test_the_demos_story(compose: Compose):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RUMMELIG_")} | compose.variables
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.local", "demo", "--json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.stdout, ended.stderr[-4000:]
    told = json.loads(ended.stdout)
    assert [check for check in told["checks"] if not check["ok"]] == []
    assert told["ok"]
    assert len(told["checks"]) >= 25
    assert ended.returncode == 0


async def test_a_command_over_the_published_port_is_answered_and_mailed(compose: Compose):
    url = compose("run", "--rm", "-T", "init", "show", "integrator").strip()
    async with Client(url) as client:
        reply = await client.send(COMMAND)
    assert reply.ok, reply

    async def arrived() -> list[EmailMessage]:
        return [mail for mail in await asyncio.to_thread(mails, compose) if COMMAND.email in str(mail["To"])]

    (mail, *_) = await until(arrived, patience=60)
    assert mail["Message-ID"]


@pytest.mark.parametrize("name", NAMES)
def test_answers_on_its_published_port(compose: Compose, name: str):
    url = compose.variables[f"RUMMELIG_HTTP_{name.upper()}"]
    assert json.loads(get(f"{url}/readyz"))["ready"]
    assert b"# HELP" in get(f"{url}/metrics")


def test_services_run_without_rights(compose: Compose):
    for name in NAMES:
        status = compose.inside(name, "print(open('/proc/self/status').read())")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert set(fields["Uid"].split()) == {"10001"}
        assert fields["CapEff"] == fields["CapBnd"] == "0" * 16
        assert fields["NoNewPrivs"] == "1"
        with pytest.raises(AssertionError, match="Read-only file system"):
            compose.inside(name, "open('/app/new', 'w')")


def test_a_service_sees_its_own_secrets_only(compose: Compose):
    for name in NAMES:
        own = {"amqp_url", "store_url", "link_keys", *FURTHER}
        assert set(compose("exec", "-T", name, "ls", "/run/rummelig").split()) == own
        assert f"amqp://{name}:" in compose("exec", "-T", name, "cat", "/run/rummelig/amqp_url")


def test_a_service_does_not_reach_anothers_store(compose: Compose):
    code = "import socket; socket.create_connection(('{}', 27017), 5)"
    compose.inside("supplier", code.format("supplier-store"))
    address = compose.variables["EVENTS_STORE_URL"].rpartition("@")[2].partition(":")[0]
    for unreachable in ("events-store", address):
        with pytest.raises(AssertionError, match=r"gaierror|TimeoutError|timed out|No route|unreachable"):
            compose.inside("supplier", code.format(unreachable))


def test_a_store_lets_nobody_in_without_a_password(compose: Compose):
    code = """
import pymongo, sys
url = open("/run/rummelig/store_url").read()
good = pymongo.MongoClient(url)["supplier"]["suppliers"]
print(good.count_documents({}) >= 0)
for bad in (url.replace("supplier:", "supplier:x", 1), "mongodb://supplier-store/supplier"):
    try:
        pymongo.MongoClient(bad)["supplier"]["suppliers"].count_documents({})
        print("let in")
    except pymongo.errors.OperationFailure as refused:
        print("refused")
"""
    assert compose.inside("supplier", code).split() == ["True", "refused", "refused"]


def test_the_broker_has_no_default_user(compose: Compose):
    url = compose.variables["RUMMELIG_AMQP_URL"]
    address = url.rpartition("@")[2]

    async def log_in() -> None:
        await aio_pika.connect(f"amqp://guest:guest@{address}", timeout=10)

    with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
        asyncio.run(log_in())


def test_the_operators_commands(compose: Compose):
    assert "Traceback" not in compose("--profile", "tools", "run", "--rm", "-T", "operator", "dead", "list")


def test_a_service_stops_gracefully_and_comes_back_with_its_secrets(compose: Compose):
    before = compose("run", "--rm", "-T", "init", "show", "integrator", "supplier-store")
    compose("stop", "supplier")
    state: dict[str, Any] = json.loads(docker_inspect(compose.container("supplier")))
    assert state["ExitCode"] in (0, 143)
    assert not state["OOMKilled"]
    compose("--profile", "dev", "up", "--detach", "--wait", "--wait-timeout", "120", seconds=180)
    assert compose("run", "--rm", "-T", "init", "show", "integrator", "supplier-store") == before


def test_the_broker_comes_back_with_what_it_had(compose: Compose):
    compose("restart", "rabbitmq")  # the definitions are loaded over what is there
    compose("--profile", "dev", "up", "--detach", "--wait", "--wait-timeout", "120", seconds=180)
    asyncio.run(until(lambda: asyncio.to_thread(all_ready, compose), patience=60))


def all_ready(compose: Compose) -> bool:
    try:
        return all(get(f"{compose.variables[f'RUMMELIG_HTTP_{name.upper()}']}/readyz") for name in NAMES)
    except urllib.error.HTTPError:  # 503: not yet
        return False


def docker_inspect(container: str) -> str:
    command = ["docker", "inspect", "--format", "{{json .State}}", container]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
