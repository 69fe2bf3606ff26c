"""Case 2: kill -9 of the broker while events are published."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest

from shared.messaging.publisher import Outgoing, Publisher, Unconfirmed
from tests.faults.probing import NOTHING, PAGE, paging, settled
from tests.support.persistent import hearing
from tests.support.running import until

KILLS = 5


class Wire:
    """What the broker said of each publish, by message id: True where it confirmed."""

    def __init__(self, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
        self._publish = publisher.publish_many
        self.said: defaultdict[str, list[bool]] = defaultdict(list)
        monkeypatch.setattr(publisher, "publish_many", self.publish_many)

    async def publish_many(self, messages: Sequence[Outgoing]) -> list[BaseException | None]:
        errors = await self._publish(messages)
        for message, error in zip(messages, errors, strict=True):
            assert error is None or isinstance(error, Unconfirmed)
            self.said[message.message_id].append(error is None)
        return errors

    def confirmed(self) -> set[str]:
        return {key for key, said in self.said.items() if any(said)}

    def unconfirmed(self) -> set[str]:
        """Those that at least one time were not."""
        return {key for key, said in self.said.items() if not all(said)}


@pytest.mark.faults
@pytest.mark.timeout(300)
async def test_case_2_every_confirmed_event_is_there_and_every_other_is_sent_again_with_its_id(
    start, broker, operator, told, monkeypatch
):
    async with start() as service, hearing(broker.url("integrator"), "probe") as heard:
        wire = Wire(service.publisher, monkeypatch)
        async with paging(service) as pages:
            for _ in range(KILLS):
                await pages.more(50)
                await asyncio.to_thread(broker.kill)
                await pages.more(20)
                await asyncio.to_thread(broker.start)
        account = await settled(service, operator, pages.sent, PAGE)

        async def missing() -> set[str]:
            return wire.confirmed() - {event.id for event in heard}

        lost = await until(missing, lambda ids: not ids)
    told(
        "case 2",
        kills=KILLS,
        events=len(wire.said),
        unconfirmed=len(wire.unconfirmed()),
        twice_on_the_wire=sum(n - 1 for n in Counter(event.id for event in heard).values()),
        **account.as_dict(),
    )
    assert account == NOTHING
    assert not lost
    assert len(wire.confirmed()) == 2 * len(pages.sent)  # Added and Heard
    assert wire.unconfirmed()
    assert wire.unconfirmed() <= wire.confirmed()
