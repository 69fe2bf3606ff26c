"""What one connection does while the last mail's outcome is being written, and with mails that waited for long."""

import asyncio
from typing import Any

import pytest

from services.notifications.domain import Delivery
from services.notifications.sending import dispatcher
from shared.contracts.base import Event
from tests.notifications.rig import Rig, stop
from tests.support.running import until


def people(count: int) -> list[str]:
    return [f"person{number}@forening.example" for number in range(count)]


async def states(rig: Rig) -> list[str]:
    return sorted(d.state for d in await rig.deliveries())


async def test_no_mail_is_begun_before_the_last_one_is_written(rig: Rig):
    """Whoever is killed has at most one mail of each connection in doubt."""
    offered, written, go_on = list[str](), list[str](), asyncio.Event()

    def offer(email: str) -> None:
        offered.append(email)

    rig.sink.rcpt = offer
    await rig.subscribed(*people(3))
    await rig.send_campaign()
    await rig.campaigns().step()
    sender = rig.dispatcher(smtp_connections=1)
    end = sender._ledger.end

    async def slowly(after: Delivery, events: Any = ()) -> bool:
        written.append(after.id)
        await go_on.wait()
        return await end(after, events)

    object.__setattr__(sender._ledger, "end", slowly)
    job = asyncio.create_task(sender.run())

    async def seen() -> int:
        return len(offered)

    await until(seen, lambda count: count == 2)
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert await states(rig) == ["queued", "queued", "sending"]
    assert len(rig.sink.received) == len(written) == 1
    go_on.set()
    await until(lambda: states(rig), lambda found: found == ["sent"] * 3)
    await stop(job)
    assert len(rig.sink.received) == 3


async def test_a_stop_waits_for_what_is_being_written(rig: Rig):
    await rig.subscribed(*people(1))
    await rig.send_campaign()
    await rig.campaigns().step()
    sender, writing, go_on = rig.dispatcher(smtp_connections=1), asyncio.Event(), asyncio.Event()
    end = sender._ledger.end

    async def slowly(after: Delivery, events: tuple[Event, ...] = ()) -> bool:
        writing.set()
        await go_on.wait()
        return await end(after, events)

    object.__setattr__(sender._ledger, "end", slowly)
    job = asyncio.create_task(sender.run())
    await writing.wait()
    stopping = asyncio.create_task(stop(job))
    await asyncio.sleep(0.05)
    assert not stopping.done()
    go_on.set()
    await stopping
    assert await states(rig) == ["sent"]


async def test_who_leaves_while_the_mail_waits_behind_a_slow_server_gets_none(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dispatcher, "LOOK_AGAIN_SECONDS", 0.0)
    go_on, everybody = asyncio.Event(), people(2)
    await rig.subscribed(*everybody)
    await rig.send_campaign()
    await rig.campaigns().step()
    sender = rig.dispatcher(smtp_connections=1)
    deliver = type(sender._deliverer).deliver

    async def slowly(*args: Any) -> None:
        await deliver(*args)
        await go_on.wait()

    monkeypatch.setattr(type(sender._deliverer), "deliver", slowly)
    job = asyncio.create_task(sender.run())
    (first,) = await rig.sink.mails(1)
    (other,) = set(everybody) - {first.recipient}
    assert all(d.due_at > rig.harness.now for d in await rig.deliveries() if d.recipient == other), "it is claimed"
    async with rig.http() as browser:
        await browser.post(rig.links.unsubscribe_url(rig.context.address_id(other), "newsletter", "da"))
    go_on.set()
    await until(lambda: states(rig), lambda found: found in (["sent", "skipped"], ["sent", "sent"]))
    await stop(job)
    assert rig.sink.to(other) == []
