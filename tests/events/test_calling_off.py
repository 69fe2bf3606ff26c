import pytest

from services.events import handlers
from shared.contracts.events import EventCancelled, SignupCancelled
from tests.events.builders import ENDS, STARTS, announced, call_off, cancel, on_site_only, seats, signed_up, states
from tests.support.harness import done, refused


async def test_everyone_is_told_in_order_of_arrival(rig):
    event_id = await announced(rig, on_site_only(2))
    ids = await signed_up(rig, event_id, 1, 2, 3, 4)
    await cancel(rig, ids[0])  # 3 moves up
    result = done(await call_off(rig, event_id, "Oplægsholderen er syg."))

    assert result == {"event_id": event_id}
    [event] = rig.told(EventCancelled)
    assert (event.reason, event.details.sequence) == ("Oplægsholderen er syg.", 1)
    told = [t for t in rig.told(SignupCancelled) if t.event_cancelled]
    assert [(t.signup_id, t.had_seat) for t in told] == [(ids[1], True), (ids[2], True), (ids[3], False)]
    assert {t.reason for t in told} == {"Oplægsholderen er syg."}
    assert {t.details.sequence for t in told} == {1}
    assert set((await states(rig, event_id)).values()) == {"cancelled"}
    assert await seats(rig, event_id) == {"on_site": (0, 0), "online": (0, 0)}


async def test_more_than_one_page(rig, monkeypatch):
    monkeypatch.setattr(handlers, "PAGE", 3)
    event_id = await announced(rig, on_site_only(5))
    await signed_up(rig, event_id, *range(10))
    await call_off(rig, event_id)

    assert len(rig.told(SignupCancelled)) == 10
    assert set((await states(rig, event_id)).values()) == {"cancelled"}


async def test_again_changes_nothing(rig):
    event_id = await announced(rig)
    await signed_up(rig, event_id, 1, 2)
    await call_off(rig, event_id, id="off-1")
    told, before = len(rig.events), await rig.dump()

    assert done(await call_off(rig, event_id, id="off-1")) == {"event_id": event_id}
    assert done(await call_off(rig, event_id, "Another reason", id="off-2")) == {"event_id": event_id}
    assert len(rig.events) == told
    assert await rig.dump() == before


async def test_only_its_own_sign_ups(rig):
    first, second = await announced(rig), await announced(rig)
    await signed_up(rig, first, 1)
    await signed_up(rig, second, 1)
    await call_off(rig, first)

    assert list((await states(rig, second)).values()) == ["confirmed"]


async def test_while_it_goes_on_but_not_once_it_is_over(rig):
    first, second = await announced(rig), await announced(rig)
    await signed_up(rig, second, 1)
    rig.now = STARTS
    assert done(await call_off(rig, first))
    rig.now = ENDS
    refused(await call_off(rig, second), 409)
    assert len(rig.told(EventCancelled)) == 1


@pytest.mark.parametrize("event_id", ["no-such-event", "0d5e4c0e-3b0a-5d63-8a53-0f6f0b1b7a01"])
async def test_an_event_that_is_not_there(rig, event_id):
    refused(await call_off(rig, event_id), 404)
