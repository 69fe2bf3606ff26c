"""MassTransit's inbox case: one id three times at once, 100 ids: exactly 100 effects. For commands and for events."""

import asyncio

from tests.faults.watermill.notes import EFFECTS, NOTED, message
from tests.faults.watermill.pubsub import pubsub
from tests.messaging.probe import COUNTERS, Add


async def test_a_hundred_commands_three_times_each_at_once_have_a_hundred_effects(service, client, told):
    sends = [client.send(Add(counter="sum"), id=f"id-{n}") for n in range(100) for _ in range(3)]
    replies = await asyncio.gather(*sends)
    assert all(r.ok for r in replies)
    effects = (await service.store.get(COUNTERS.collection, "sum"))["total"]
    told("inbox, commands", sent=len(sends), effects=effects)
    assert effects == 100


async def test_a_hundred_events_three_times_each_at_once_have_a_hundred_effects(broker, tmp_path, told):
    async with pubsub(broker.url("operator"), tmp_path) as bus:
        group = await bus.group()
        sent = [message(NOTED, n) for n in range(100)]
        publishers = [bus.publisher() for _ in range(3)]
        await asyncio.gather(*(bus.publish(*sent, publisher=publisher) for publisher in publishers))
        await asyncio.gather(*(publisher.close() for publisher in publishers))
        async with group.multiplied(3) as service:
            await group.all(sent)
            effects = len([1 async for _ in service.store.everything(EFFECTS.collection)])
    told("inbox, events", sent=300, effects=effects)
    assert effects == len(group.received) == 100
