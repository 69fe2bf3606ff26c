"""What a message costs at the store, which over a network is most of what it costs."""

from shared.contracts.base import Envelope
from shared.messaging.publisher import Outgoing
from tests.messaging.probe import SEEN, Added
from tests.support.running import until

EVENTS = 500
QUEUE = "probe.from.probe"


def event(number: int) -> Outgoing:
    told = Added(counter=f"c{number}", total=1)
    body = Envelope(id=f"e{number}", source="/probe", type=told.type(), subject=told.counter, data=told.model_dump())
    return Outgoing("", QUEUE, body.to_json(), f"e{number}")


async def test_an_event_costs_at_most_two_round_trips_at_load(start, operator, trips):
    async with start():
        pass  # declares
    assert not any(await operator.publish_many([event(number) for number in range(EVENTS)]))
    trips.clear()
    async with start() as service:

        async def seen() -> int:
            return int(await service.store.count(SEEN.collection, {}))

        await until(seen, lambda count: count == EVENTS)
    assert trips.total() <= 2 * EVENTS, trips
