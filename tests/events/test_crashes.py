"""The process dies at any write; the same message comes again: all is as if nothing had happened."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from services.events import handlers, messages
from services.events.store import REPOSITORIES
from shared.contracts.base import Command
from shared.contracts.events import CancelEvent, CancelSignup
from tests.events.builders import LINKS, on_site_only, person
from tests.support.harness import Harness, done, harness
from tests.support.watched import Dying, Killed

RESERVED = ("outbox", "applied", "beside")


async def play(rig: Harness, again: Callable[[Harness], Any]) -> dict[str, Any]:
    """Two seats, four sign-ups and one twice, two cancellations, the event called off; what is left of it."""
    replies: dict[str, dict[str, Any]] = {}

    async def step(id: str, command: Command) -> dict[str, Any]:
        try:
            reply = await rig.send(command, id)
        except Killed:
            await again(rig)
            reply = await rig.send(command, id)
        replies[id] = done(reply)
        return replies[id]

    event_id = (await step("announce", on_site_only(2)))["event_id"]
    ids = [(await step(f"sign-up-{n}", person(event_id, n)))["signup_id"] for n in range(4)]
    await step("sign-up-again", person(event_id, 3))
    await step("cancel-seat", CancelSignup(signup_id=ids[0]))
    await step("cancel-waiting", CancelSignup(signup_id=ids[3]))
    await step("call-off", CancelEvent(event_id=event_id))
    await rig.sweep()
    return {
        "replies": replies,
        "events": {event.id: event for event in rig.events},
        "stores": {name: [_state(d) for d in found] for name, found in (await rig.dump()).items()},
    }


async def nothing(rig: Harness) -> None:
    """The message comes again before the sweep runs."""
    rig._owed.clear()  # what the process had in memory died with it


async def sweep(rig: Harness) -> None:
    await rig.sweep()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(handlers, "PAGE", 1)


@pytest.mark.parametrize("again", [nothing, sweep])
@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
async def test_whatever_write_it_dies_at(after, again):
    async with harness(messages, REPOSITORIES, LINKS, wrap=Dying) as calm:
        expected = await play(calm, again)
        writes = cast("Any", calm.store).writes
    assert writes > 30
    assert len(expected["events"]) == 11

    for at in range(1, writes + 1):
        async with harness(messages, REPOSITORIES, LINKS, wrap=partial(Dying, at=at, after=after)) as rig:
            assert await play(rig, again) == expected, f"write {at} of {writes}"


def _state(document: dict[str, Any]) -> dict[str, Any]:
    assert not any(document.get(name) for name in RESERVED), document
    return {k: v for k, v in document.items() if k not in RESERVED}
