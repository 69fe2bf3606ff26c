"""A private RabbitMQ node comes and goes: nothing listens beyond this machine, and nothing is left."""

import asyncio
import json
import os
from pathlib import Path

import aio_pika
import pytest

from deploy.local.home import Home
from deploy.local.process import wait_until
from deploy.local.system import System
from shared.messaging.topology import EVENTS_LOG

LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
TABLES = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
LISTEN = "0A"


def listening() -> dict[int, set[str]]:
    """Port -> the addresses that listen on it, as the kernel writes them."""
    found: dict[int, set[str]] = {}
    for table in TABLES:
        for line in table.read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == LISTEN:
                found.setdefault(int(local.split(":")[1], 16), set()).add(local.split(":")[0])
    return found


def processes_of(home: Path) -> list[str]:
    """Command lines of all processes that were started with this home."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(home) in (process / "environ").read_bytes() + (process / "cmdline").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # ended meanwhile, or somebody else's
    return found


async def has_its_log(url: str) -> bool:
    """Whether the stream of all events is served again; RabbitMQ 3.10 killed too early never does."""
    async with await aio_pika.connect(url) as connection:
        try:
            await (await connection.channel()).declare_queue(EVENTS_LOG, passive=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return False
    return True


@pytest.mark.skipif(not TABLES[0].exists(), reason="reads /proc, which only Linux has")
def test_start_stop_and_nothing_is_left(tmp_path: Path) -> None:
    home = tmp_path / "home"
    system = System(Home(home), services=[], environment={"RUMMELIG_AMQP_URL": "", "NOTIFICATIONS_SMTP_URL": ""})
    system.start()
    try:
        system.wait_ready()
        ports = json.loads((home / "ports.json").read_text())
        assert set(ports) == {"rabbitmq", "rabbitmq-distribution", "rabbitmq-epmd", "smtp"}
        heard = listening()
        assert {name for name, port in ports.items() if heard[port] <= LOOPBACK} == set(ports)
        assert set(system.processes()) == {"rabbitmq", "mail"}
        before = system.processes()
        with system.held("rabbitmq"):  # the rest goes on meanwhile
            assert system.processes()["mail"] == before["mail"]
        system.wait_ready()
        assert wait_until(lambda: asyncio.run(has_its_log(system.amqp_url("operator"))), 20, 0.1)
        assert system.processes()["rabbitmq"]["pid"] != before["rabbitmq"]["pid"]
    finally:
        system.stop()
    assert processes_of(home) == []
    assert not set(ports.values()) & set(listening())
