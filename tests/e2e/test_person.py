"""A person who is participant, subscriber and contact is erased from the whole system, whatever goes on in it."""

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from stdnum.dk import cvr

from shared.contracts.base import Envelope
from shared.contracts.events import ErasePerson, ExportPerson, SignUp
from shared.contracts.examples import example
from shared.contracts.notifications import Subscribe
from shared.contracts.supplier import RegisterSupplier
from shared.messaging.client import Client
from shared.messaging.deadletters import DeadLetters
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.streams import read_stream
from shared.messaging.topology import EVENTS_LOG
from tests.support.announcing import announced
from tests.support.embedded import SERVICES, Embedded, topologies
from tests.support.running import until

NAME = "Thorhild Sletmig"
CVRS = (number for number in map(str, itertools.count(90_000_000)) if cvr.is_valid(number))


class Person:
    """Somebody whom the system comes to know in every way that there is."""

    def __init__(self, system: Embedded) -> None:
        self.system = system
        self.email = f"thorhild-{uuid.uuid4().hex[:8]}@sletmig.example"
        self.event_id = self.signup_id = ""

    async def appears(self) -> None:
        """Signs up (another one waits), subscribes, is a supplier's contact, stands in a text and in a dead letter."""
        async with Client(self.system.url("integrator")) as client:
            text = f"Spørg {self.email.upper()}"
            self.event_id = await announced(client, "Møde", seats=1, description=text)
            self.signup_id = ((await client.send(self.sign_up())).result or {})["signup_id"]
            await client.send(self.sign_up().model_copy(update={"name": "Bo", "email": f"bo-{self.email}"}))
            await client.send(Subscribe(email=self.email, topics=("newsletter",), name=NAME))
            contact = {"email": self.email, "cvr": next(CVRS), "description": f"Ring til {self.email}"}
            assert (await client.send(example(RegisterSupplier).model_copy(update=contact))).ok
        await self.publish(self.sign_up().model_dump(mode="json") | {"attendance": "by balloon"}, datetime.now(UTC))
        await until(self.has_mails, lambda mails: mails >= 3)

    def sign_up(self) -> SignUp:
        return SignUp(event_id=self.event_id, name=NAME, email=self.email, attendance="on-site")

    async def publish(self, data: dict[str, Any], time: datetime) -> str:
        """A sign-up that nobody waits to be answered."""
        envelope = Envelope(id=str(uuid.uuid4()), source="/integrator", type=SignUp.type(), time=time, data=data)
        publisher = Publisher(self.system.url("integrator"), "test-integrator")
        await publisher.publish(Outgoing("events.commands", "sign-up.v1", envelope.to_json(), envelope.id))
        await publisher.close()
        return envelope.id

    async def has_mails(self) -> int:
        return len([mail for mail in await self.system.mails() if mail.to == self.email])

    async def erased(self, *more: str) -> dict[str, Any]:
        """What `person erase --json` says; that it is done."""
        ran = await self.system.run("person", "erase", self.email.title(), "--yes", "--json", *more, seconds=110)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        found: dict[str, Any] = json.loads(ran.stdout)
        return found

    async def traces(self) -> list[str]:
        """Where the address or the name is still found: files of stores and logs byte by byte, all queues."""
        words = [self.email.encode(), NAME.encode()]
        found = [
            path.name
            for path in [*self._files("*.db*"), *self._files("logs/*")]
            if any(word in path.read_bytes().lower() for word in [w.lower() for w in words])
        ]
        publisher = Publisher(self.system.url("operator"), "test-operator")
        try:
            names = [queue.name for topology in topologies() for queue in topology.queues()]
            return found + [name for name in names if await _queue_has(publisher, name, words)]
        finally:
            await publisher.close()

    def _files(self, pattern: str) -> list[Path]:
        return [path for path in self.system.system.home.path.glob(pattern) if path.is_file()]


async def _queue_has(publisher: Publisher, name: str, words: list[bytes]) -> bool:
    channel = await (await publisher.connection()).channel()
    queue = await channel.declare_queue(name, passive=True)
    found = False
    while message := await queue.get(fail=False):
        found |= any(word.lower() in message.body.lower() for word in words)
    await channel.close()  # what was looked at goes back
    return found


@pytest.fixture
async def person(system: Embedded) -> AsyncIterator[Person]:
    found = Person(system)
    await found.appears()
    yield found
    for service in SERVICES:
        await _emptied(system, service)


async def _emptied(system: Embedded, service: str) -> None:
    publisher = Publisher(system.url("operator"), "test-operator")
    await DeadLetters(publisher, service).drop(lambda _: True, "test")
    await publisher.close()


async def replayed(system: Embedded, service: str) -> None:
    ran = await system.run("replay", "--to", service, seconds=110)
    assert ran.returncode == 0, ran.stderr


async def test_no_store_log_or_queue_has_the_person_any_more(system: Embedded, person: Person):
    assert await person.traces(), "the search finds what is there"
    async with Client(system.url("integrator")) as client:
        for command in (ErasePerson, ExportPerson):
            refused = (await client.send(command(email=person.email))).problem
            assert refused is not None
            assert (refused.status, refused.detail.endswith("the operator alone")) == (403, True)
    before = await person.has_mails()
    said = await person.erased("--why", f"letter from {person.email}")
    assert set(said["services"]) == set(SERVICES)
    assert said["services"]["events"]["erased"] == {"signups": 1}
    assert said["services"]["notifications"]["erased"] == {"subscribers": 1, "consents": 1, "deliveries": before}
    assert said["services"]["supplier"]["erased"] == {"suppliers": 1}
    assert said["queues"] == {"events.dead": 1}

    async def promoted() -> list[str]:
        return [m.subject for m in await system.mails() if m.to == f"bo-{person.email}"]

    await until(promoted, lambda subjects: len(subjects) == 2)  # Bo had the waiting list, now he has the seat
    # Bo's own address holds the person's: it stays, and is not the person's.
    bo = system.run("person", "erase", f"bo-{person.email}", "--yes", seconds=110)
    again, _ = await asyncio.gather(person.erased(), bo)
    assert all(not each["erased"] and not each["masked"] for each in again["services"].values())
    assert await person.traces() == []
    audit = await system.run("dead", "audit")
    assert said["erasure"] in audit.stdout
    assert person.email not in audit.stdout
    assert await person.has_mails() == before


@pytest.mark.faults
async def test_no_replay_brings_the_person_back(system: Embedded, person: Person):
    await person.erased()
    await system.run("person", "erase", f"bo-{person.email}", "--yes", seconds=110)
    log = await _log(system)
    assert person.email in log, "the log cannot forget before its days are over"
    mails = await person.has_mails()
    for service in ("notifications", "procurement"):
        await replayed(system, service)
    await system.settled()
    assert await person.traces() == []
    for service in ("notifications", "procurement"):  # into stores that know of no erasure
        await asyncio.to_thread(system.system.hold, service)
        for path in system.system.home.path.glob(f"{service}.db*"):
            path.unlink()
        system.system.release(service)
        await system.ready()
        await replayed(system, service)
    await system.settled()
    kept = json.loads((await system.run("person", "export", person.email, "--json")).stdout)["services"]
    assert [kept[service]["about"] for service in ("notifications", "procurement")] == [{}, {}]
    # Texts of older events come back to a store that lost its list: docs/privacy.md. To erase again takes them out.
    assert {name for service in SERVICES for name in kept[service]["mentions"]} == {"campaigns"}
    await person.erased()
    assert await person.traces() == []
    assert await person.has_mails() == mails


async def _log(system: Embedded) -> str:
    publisher = Publisher(system.url("operator"), "test-operator")
    try:
        return "".join([m.body.decode() async for m in read_stream(publisher, EVENTS_LOG)])
    finally:
        await publisher.close()


@pytest.mark.faults
async def test_a_command_from_before_has_no_effect_and_is_no_dead_letter(system: Embedded, person: Person):
    before = datetime.now(UTC)
    await person.erased()
    counts = await system.consumed()
    await person.publish(person.sign_up().model_dump(mode="json"), before)
    await until(system.consumed, lambda found: found["events.commands"] > counts["events.commands"])
    await system.run("person", "erase", f"bo-{person.email}", "--yes", seconds=110)
    assert await person.traces() == []
    async with Client(system.url("integrator")) as client:
        assert (await client.send(person.sign_up())).ok, "who comes back by himself is welcome"
    found = await system.run("person", "export", person.email, "--json")
    assert json.loads(found.stdout)["services"]["events"]["about"]["signups"][0]["name"] == NAME
    await person.erased()


@pytest.mark.faults
async def test_services_that_are_killed_in_the_middle_finish_it(system: Embedded, person: Person):
    erasing = asyncio.create_task(person.erased())
    for service in SERVICES:
        await asyncio.sleep(0.7)
        system.system.kill(service)
    said = await erasing
    assert set(said["services"]) == set(SERVICES)
    await system.ready()
    await system.run("person", "erase", f"bo-{person.email}", "--yes", seconds=110)
    assert await person.traces() == []


@pytest.mark.faults
async def test_a_service_that_is_away_does_its_part_when_it_is_back(system: Embedded, person: Person):
    async with system.without("supplier"):
        ran = await system.run("person", "erase", person.email, "--yes", "--patience", "8", "--json")
        assert ran.returncode == 1
        services = json.loads(ran.stdout)["services"]
        assert "no answer" in services.pop("supplier")["unanswered"]
        assert all("erased" in each for each in services.values())
    await person.erased()
    await system.run("person", "erase", f"bo-{person.email}", "--yes", seconds=110)
    assert await person.traces() == []


@pytest.mark.faults
async def test_two_at_once_and_a_broker_that_is_away_at_first(system: Embedded, person: Person):
    await asyncio.to_thread(system.system.hold, "rabbitmq")
    both = [asyncio.create_task(person.erased("--patience", "90")) for _ in range(2)]
    other = asyncio.create_task(
        system.run("person", "erase", f"bo-{person.email}", "--yes", "--patience", "90", seconds=110)
    )
    system.system.release("rabbitmq")
    for said in [await each for each in both]:
        assert set(said["services"]) == set(SERVICES)
    assert (await other).returncode == 0
    await system.ready()
    await until(partial(_clean, person))


async def _clean(person: Person) -> bool:
    return await person.traces() == []
