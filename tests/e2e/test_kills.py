"""kill -9 in the middle of 200 sign-ups, many at once: nothing lost, nothing twice."""

import asyncio
import itertools
from collections import Counter
from typing import Any

import pytest

from deploy.local.demo.mails import Mail
from shared.contracts.base import Envelope, Reply
from shared.contracts.events import SignUp
from tests.support.announcing import announced
from tests.support.embedded import Embedded
from tests.support.persistent import Persistent, hearing
from tests.support.running import until

PEOPLE = 200
UNDER_WAY = 64
SEATS = 120
KILLS = [
    pytest.param({60: "events"}, id="the service that takes them", marks=pytest.mark.faults),
    pytest.param(
        {60: "notifications", 140: "notifications"}, id="the service that writes to people", marks=pytest.mark.faults
    ),
    pytest.param({60: "rabbitmq"}, id="the broker", marks=pytest.mark.faults),
    pytest.param({40: "notifications", 80: "events", 120: "rabbitmq", 160: "events"}, id="one after another"),
]
"""After so many replies, which process."""


def wish(event_id: str, number: int) -> SignUp:
    address = f"person{number}@{event_id[:8]}.example"
    return SignUp(event_id=event_id, name=f"Person {number}", email=address, attendance="on-site")


async def signed_up(system: Embedded, client: Persistent, wishes: dict[str, SignUp], at: dict[int, str]) -> list[Reply]:
    """The replies, in order. Each process dies with the reply of its number, when others are still under way."""
    some, numbers = asyncio.Semaphore(UNDER_WAY), itertools.count(1)

    async def one(id: str) -> Reply:
        async with some:
            reply = await client.send(wishes[id], id=id)
        if name := at.get(next(numbers)):
            system.system.kill(name)
        return reply

    return await asyncio.gather(*map(one, wishes))


async def mails_of(system: Embedded, event_id: str) -> list[Mail]:
    return [mail for mail in await system.mails() if mail.to.endswith(f"@{event_id[:8]}.example")]


@pytest.mark.parametrize("at", KILLS)
async def test_every_sign_up_has_one_effect(system: Embedded, at: dict[int, str]):
    async with Persistent(system.url("integrator")) as client, hearing(system.url("integrator"), "events") as events:
        event_id = await announced(client, "Netværksmøde", SEATS)
        wishes = {f"{event_id}-{n}": wish(event_id, n) for n in range(PEOPLE)}
        replies = dict(zip(wishes, await signed_up(system, client, wishes, at), strict=True))
        await system.ready()
        again = await asyncio.gather(*(client.send(wishes[i], id=i) for i in wishes))
        assert again == list(replies.values())
        signups = await stored(system, event_id)
        check_seats(replies, signups)
        await check_events(events, signups)
    await check_mails(system, event_id, wishes, signups, at)


async def stored(system: Embedded, event_id: str) -> dict[str, dict[str, Any]]:
    """The sign-ups in the store, by id."""
    everything = await system.everything()
    assert [e["on_site"]["taken"] for e in everything["events"]["events"] if e["_id"] == event_id] == [SEATS]
    return {s["_id"]: s for s in everything["events"]["signups"] if s["event_id"] == event_id}


def check_seats(replies: dict[str, Reply], signups: dict[str, dict[str, Any]]) -> None:
    """Each command has one sign-up of its own; seats are exact and the line has no gap."""
    results = [reply.result or {} for reply in replies.values()]
    assert Counter(r.get("state") for r in results) == {"confirmed": SEATS, "waiting": PEOPLE - SEATS}
    assert sorted(r["position"] for r in results if r["position"]) == list(range(1, PEOPLE - SEATS + 1))
    assert {r["signup_id"]: r["state"] for r in results} == {key: s["state"] for key, s in signups.items()}
    assert len({s["email"] for s in signups.values()}) == PEOPLE
    assert sorted(s["arrival"] for s in signups.values()) == list(range(1, PEOPLE + 1))


async def check_events(events: list[Envelope], signups: dict[str, dict[str, Any]]) -> None:
    """Each sign-up was told, perhaps more than once, but always as the same event."""

    async def told() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {key: set() for key in signups}
        for event in events:
            if event.data.get("signup_id") in signups:
                found[event.data["signup_id"]].add(event.id)
        return found

    ids = await until(told, lambda found: all(found.values()), patience=30)
    assert {len(each) for each in ids.values()} == {1}


async def check_mails(
    system: Embedded, event_id: str, wishes: dict[str, SignUp], signups: dict[str, Any], at: dict[int, str]
) -> None:
    """Each person has one mail. Only where the sender was killed may one have come twice, then as the same mail."""

    async def mails() -> list[Mail]:
        return await mails_of(system, event_id)

    found = await until(mails, lambda m: len({mail.to for mail in m}) == PEOPLE, patience=90)
    assert {mail.to for mail in found} == {w.email for w in wishes.values()}
    assert len({mail.message["Message-ID"] for mail in found}) == PEOPLE
    if "notifications" not in at.values():
        assert len(found) == PEOPLE
    notified = (await system.everything())["notifications"]
    assert {d["_id"] for d in notified["heard_signups"]} >= set(signups)
    assert Counter(
        d["recipient"] for d in notified["deliveries"] if d["recipient"].endswith(f"@{event_id[:8]}.example")
    )
