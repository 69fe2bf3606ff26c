"""What one process of a service does on this machine: the figures that docs/scaling.md calculates with.

    .venv/bin/python -m tests.bench.throughput [--commands 500] [--mails 1000]

Starts the embedded system in a directory of its own (one process a service, SQLite, RabbitMQ, a mail sink), sends
sign-ups to one network event and to ten, a campaign to so many subscribers, and looks at the stores after it.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.home import Home
from deploy.local.system import System
from services.notifications.domain import Subscriber
from services.notifications.store import REPOSITORIES, SUBSCRIBERS
from shared.contracts.events import SignUp
from shared.contracts.notifications import SendCampaign
from shared.messaging.client import Client
from shared.store.connect import connect
from shared.store.port import Put
from shared.store.work import INBOX
from tests.support.announcing import announced
from tests.support.embedded import Embedded, on_its_own
from tests.support.running import until

AT_ONCE = 100
ROOM = 100_000  # for everybody
PATIENCE = 600.0


async def sign_ups(client: Client, events: list[str], count: int) -> float:
    """Sign-ups a second over the broker, a hundred under way at a time, each with its reply."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        event, address = events[number % len(events)], f"{number}@{events[0]}.example"
        async with free:
            command = SignUp(event_id=event, name="Anna Maaling", email=address, attendance="on-site")
            assert (await client.send(command)).ok

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(count)))
    return count / (time.perf_counter() - began)


async def mails(system: Embedded, client: Client, count: int) -> float:
    """Mails of a campaign a second, from the command until the last one is in the mail sink."""
    before = _kept(system)
    began = time.perf_counter()
    assert (await client.send(SendCampaign(topic="newsletter", subject="Måling", body="# Hej\n\nEn måling."))).ok

    async def taken() -> int:
        return _kept(system) - before

    await until(taken, lambda found: found >= count, PATIENCE)
    return count / (time.perf_counter() - began)


def _kept(system: Embedded) -> int:
    return sum(1 for _ in (system.system.home.mailbox / "new").iterdir())


async def subscribed(url: str, count: int) -> None:
    """Write so many confirmed subscribers into the store of a service that does not run."""
    store = connect(url)
    await store.open([INBOX, *(repository.collection for repository in REPOSITORIES)])
    people = [
        Subscriber(id=f"reader-{n}", version=1, email=f"{n}@reader.example", language="da", topics=("newsletter",))
        for n in range(count)
    ]
    await store.put(SUBSCRIBERS.collection, [Put(p.id, SUBSCRIBERS.to_fields(p, 1)) for p in people])
    await store.close()


async def sizes(system: Embedded) -> dict[str, int]:
    """<service>.<collection> -> bytes of a document as JSON, on average."""
    found = await system.everything()
    return {
        f"{service}.{name}": round(mean(len(json.dumps(each, default=str)) for each in documents))
        for service, collections in found.items()
        for name, documents in collections.items()
        if documents
    }


async def memory(system: Embedded) -> dict[str, int]:
    """Service -> resident memory in MB."""
    async with httpx.AsyncClient() as http:
        texts = {name: (await http.get(f"{url}/metrics")).text for name, url in system.http.items()}
    return {name: round(_value(text, "process_resident_memory_bytes") / 1e6) for name, text in texts.items()}


def _value(text: str, name: str) -> float:
    families = text_string_to_metric_families(text)
    return next(sample.value for family in families for sample in family.samples if sample.name == name)


async def measured(folder: Path, commands: int, letters: int) -> dict[str, Any]:
    """All figures."""
    await subscribed(f"sqlite:///{folder / 'notifications.db'}", letters)
    system = Embedded(System(Home(folder), environment=on_its_own()))
    with system.system:
        await system.ready(120)
        async with Client(system.url("integrator"), timeout=120) as client:
            events = [await announced(client, f"Måling {number}", ROOM) for number in range(11)]
            figures: dict[str, Any] = {
                "cores": os.cpu_count(),
                "load": round(os.getloadavg()[0], 1),
                "sign_ups_a_second_one_event": round(await sign_ups(client, events[:1], commands)),
                "sign_ups_a_second_ten_events": round(await sign_ups(client, events[1:], commands)),
            }
            await system.settled()
            figures["campaign_mails_a_second"] = round(await mails(system, client, letters))
        await system.settled()
        return figures | {"memory_mb": await memory(system), "bytes_a_document": await sizes(system)}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="What one process of a service does on this machine.")
    parser.add_argument("--commands", type=int, default=500)
    parser.add_argument("--mails", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rummelig-bench-") as folder:
        print(json.dumps(asyncio.run(measured(Path(folder), options.commands, options.mails)), indent=1))


if __name__ == "__main__":
    main()
