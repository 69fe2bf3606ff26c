"""After the demo's story: every message of it three times in shuffled order leaves the stores as they were; a store
that was lost is filled again from the log.
"""

import asyncio
import random
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

import services.notifications.messages as notifications
import services.procurement.messages as procurement
from services.notifications.context import Context
from services.notifications.links import MailLinks
from services.notifications.store import REPOSITORIES as NOTIFICATIONS
from services.procurement.store import REPOSITORIES as PROCUREMENT
from shared.contracts.base import MESSAGES, Envelope
from shared.messaging.client import Client
from shared.messaging.failing import SENDER
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.topology import replay_exchange
from shared.web.links import Signer
from tests.e2e.played import Played, Sent
from tests.support.embedded import topologies
from tests.support.harness import harness
from tests.support.running import until

TIMES = 3


def consumers(event: Envelope) -> list[str]:
    """The services that have a queue for an event."""
    publisher, key = event.source.removeprefix("/"), MESSAGES[event.type].routing_key()
    return [t.service for t in topologies() if key in t.consumes.get(publisher, ())]


async def test_the_running_system_takes_it_all_again(played: Played):
    system = played.system
    before, mails, consumed = await system.settled(), await system.mails(), await system.consumed()
    operator = Publisher(system.url("operator"), "test-operator")
    pairs = [(event, consumer) for event in played.events for consumer in consumers(event)]
    assert {event.type for event, _ in pairs} >= {"dk.rummelig.events.signup-promoted.v1"}
    assert {sent.service for sent in played.commands} == {"supplier", "events", "procurement", "notifications"}

    async def again(client: Client, what: Sent | tuple[Envelope, str]) -> None:
        if isinstance(what, Sent):
            assert await client.send_body(what.service, what.key, what.body, what.id) == what.reply
        else:
            await operator.publish(replayed(*what))

    deliveries: list[Any] = [*played.commands, *pairs] * TIMES
    random.Random(2021).shuffle(deliveries)
    async with Client(system.url("integrator")) as client:
        await asyncio.gather(*(again(client, delivery) for delivery in deliveries))
    await operator.close()

    async def taken() -> int:
        now = await system.consumed()
        return sum(now.values()) - sum(consumed.values())

    await until(taken, len(deliveries).__le__)
    assert await system.settled() == before
    assert len(await system.mails()) == len(mails)
    assert sum((await system.consumed()).values()) - sum(consumed.values()) == len(deliveries)


def replayed(event: Envelope, consumer: str) -> Outgoing:
    """As `shared.messaging.replay` sends it."""
    publisher = event.source.removeprefix("/")
    key = f"{publisher}.{MESSAGES[event.type].routing_key()}"
    return Outgoing(replay_exchange(consumer), key, event.to_json(), event.id, headers={SENDER: publisher})


CONTEXT = Context(links=MailLinks("http://127.0.0.1", Signer(f"k:{'s' * 32}")), mail_domain="rummelig.example")
FRESH: dict[str, tuple[ModuleType, Any, Any]] = {
    "procurement": (procurement, PROCUREMENT, None),
    "notifications": (notifications, NOTIFICATIONS, CONTEXT),
}

OF_PROCESSING = {
    "suppliers": (),
    "demands": (),
    "matches": ("matched_at",),
    "news": ("version",),  # how often it was written here
}
"""What may differ with the order of arrival: times and counts of the processing itself."""


async def filled(service: str, messages: Sequence[Envelope]) -> dict[str, dict[str, dict[str, Any]]]:
    """A fresh store after these messages: collection -> id -> document."""
    module, repositories, context = FRESH[service]
    async with harness(module, repositories, context) as fresh:
        fresh.now = min(message.time for message in messages)
        for message in messages:
            await fresh.take(message)
        dump = await fresh.dump()
    skipped = {name: {*OF_PROCESSING.get(name, ())} for name in dump}
    return {
        name: {d["_id"]: {k: v for k, v in d.items() if k not in skipped[name]} for d in found}
        for name, found in dump.items()
    }


def in_order(played: Played, service: str) -> list[Envelope]:
    """What the service was told, as it happened: its own commands too.

    But for subscriptions: who asks twice gets one mail, for the first time that he asked.
    """
    carried_out = [c for c in played.commands if c.service == service and c.reply.ok and c.key != "subscribe.v1"]
    commands = [Envelope.model_validate_json(c.body) for c in carried_out]
    events = [event for event in played.events if service in consumers(event)]
    return sorted([*commands, *events], key=lambda message: message.time)


def superseded(messages: Sequence[Envelope]) -> set[str]:
    """Events about a sign-up that a newer one of the same sign-up makes old news."""
    newest: dict[str | None, int] = {}
    for message in messages:
        newest[message.subject] = max(newest.get(message.subject, 0), message.aggregateversion or 0)
    return {
        message.id
        for message in messages
        if ".signup-" in message.type and (message.aggregateversion or 0) < newest[message.subject]
    }


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("service", FRESH)
async def test_a_fresh_store_ends_the_same_whatever_the_order(played: Played, service: str, seed: int):
    messages = in_order(played, service)
    once = await filled(service, messages)
    shuffled = messages * TIMES
    random.Random(seed).shuffle(shuffled)
    thrice = await filled(service, shuffled)
    old = superseded(messages)
    mails, all_mails = thrice.pop("deliveries", {}), once.pop("deliveries", {})
    assert thrice == once
    # A mail that was old news when its event came is not written; no other is missing, and none is there besides.
    assert {key for key, mail in all_mails.items() if mail["cause"] not in old} <= mails.keys() <= all_mails.keys()
    assert all(mails[key] == all_mails[key] for key in mails)


async def test_a_lost_store_is_filled_again_by_a_replay_and_nobody_else_hears_of_it(played: Played):
    system = played.system
    before, mails = await system.settled(), await system.mails()
    async with system.without("procurement"):
        for file in system.system.home.path.glob("procurement.db*"):
            file.unlink()
    assert (await system.settled())["procurement"]["suppliers"] == []
    consumed = await system.consumed()
    ran = await system.run("replay", "--to", "procurement")
    sent = sum("procurement" in consumers(event) for event in played.events)
    assert (ran.returncode, ran.stdout) == (0, f"{sent} events sent to procurement\n")

    async def taken() -> int:
        return (await system.consumed()).get("procurement.from.supplier", 0)

    assert await until(taken, sent.__le__) == sent
    after = await system.settled()
    assert after["procurement"]["suppliers"] == before["procurement"]["suppliers"]
    assert {**after, "procurement": {}} == {**before, "procurement": {}}
    assert await system.consumed() == consumed | {"procurement.from.supplier": sent}
    assert len(await system.mails()) == len(mails)


async def test_a_replay_of_the_whole_log_sends_no_mail_and_changes_nothing(played: Played):
    system = played.system
    before, mails, consumed = await system.settled(), await system.mails(), await system.consumed()
    ran = await system.run("replay", "--to", "notifications")
    sent = sum("notifications" in consumers(event) for event in played.events)
    assert (ran.returncode, ran.stdout) == (0, f"{sent} events sent to notifications\n")

    async def taken() -> int:
        now = await system.consumed()
        return sum(now.values()) - sum(consumed.values())

    await until(taken, lambda number: number == sent)
    assert await system.settled() == before
    assert len(await system.mails()) == len(mails)
    assert (await system.run("dead", "list", "--json")).stdout.strip() in ("[]", "")
