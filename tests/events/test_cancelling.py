import pytest

from shared.contracts.events import CancelSignup, SignupCancelled, SignupPromoted
from tests.events.builders import ENDS, STARTS, announced, call_off, cancel, on_site_only, seats, signed_up, states
from tests.support.harness import done, refused


async def test_the_first_who_waits_gets_the_seat(rig):
    event_id = await announced(rig, on_site_only(2))
    ids = await signed_up(rig, event_id, 1, 2, 3, 4)
    result = done(await cancel(rig, ids[0]))

    assert result == {"signup_id": ids[0], "state": "cancelled", "position": None}
    [cancelled], [promoted] = rig.told(SignupCancelled), rig.told(SignupPromoted)
    assert (cancelled.signup_id, cancelled.had_seat, cancelled.event_cancelled) == (ids[0], True, False)
    assert (promoted.signup_id, promoted.name) == (ids[2], "Deltager 3")
    assert promoted.cancel_url is not None
    assert await seats(rig, event_id) == {"on_site": (2, 1), "online": (0, 0)}
    assert list((await states(rig, event_id)).values()) == ["cancelled", "confirmed", "confirmed", "waiting"]


async def test_a_calendar_takes_the_entry_back(rig):
    event_id = await announced(rig, on_site_only(1))
    [first, _] = await signed_up(rig, event_id, 1, 2)
    await cancel(rig, first)

    assert rig.told(SignupPromoted)[0].details.sequence == 0
    assert rig.told(SignupCancelled)[0].details.sequence == 1


async def test_the_other_kind_of_seat_is_no_seat_for_who_waits(rig):
    event_id = await announced(rig)
    await signed_up(rig, event_id, *range(15))
    [online] = await signed_up(rig, event_id, 20, attendance="online")
    await cancel(rig, online)

    assert rig.told(SignupPromoted) == []
    assert await seats(rig, event_id) == {"on_site": (14, 1), "online": (0, 0)}


async def test_who_moves_up_online_gets_the_link_to_join(rig):
    event_id = await announced(rig)
    ids = await signed_up(rig, event_id, 1, 2, 3, 4, 5, attendance="online")
    await cancel(rig, ids[0])

    assert rig.told(SignupPromoted)[0].online_url == "https://moede.example/netvaerk"


async def test_who_waits_can_leave_the_line(rig):
    event_id = await announced(rig, on_site_only(1))
    ids = await signed_up(rig, event_id, 1, 2, 3)
    await cancel(rig, ids[1])
    await cancel(rig, ids[0])

    assert [told.had_seat for told in rig.told(SignupCancelled)] == [False, True]
    assert [told.signup_id for told in rig.told(SignupPromoted)] == [ids[2]]
    assert await seats(rig, event_id) == {"on_site": (1, 0), "online": (0, 0)}


async def test_again_changes_nothing(rig):
    event_id = await announced(rig, on_site_only(1))
    ids = await signed_up(rig, event_id, 1, 2, 3)
    first = await cancel(rig, ids[0], "cancel-1")
    told, before = len(rig.events), await rig.dump()

    assert await cancel(rig, ids[0], "cancel-1") == first
    assert await rig.dump() == before
    assert done(await cancel(rig, ids[0], "cancel-2"))["state"] == "cancelled"
    assert len(rig.events) == told
    assert await seats(rig, event_id) == {"on_site": (1, 1), "online": (0, 0)}


async def test_nobody_moves_up_once_it_has_begun(rig):
    event_id = await announced(rig, on_site_only(1))
    ids = await signed_up(rig, event_id, 1, 2)
    rig.now = STARTS

    assert done(await cancel(rig, ids[0]))["state"] == "cancelled"
    assert rig.told(SignupPromoted) == []
    assert await seats(rig, event_id) == {"on_site": (0, 1), "online": (0, 0)}


async def test_who_was_there_stays(rig):
    event_id = await announced(rig)
    [signup, gone] = await signed_up(rig, event_id, 1, 2)
    await cancel(rig, gone)
    rig.now = ENDS

    refused(await cancel(rig, signup), 409)
    assert done(await cancel(rig, gone))["state"] == "cancelled"


async def test_a_sign_up_that_is_not_there(rig):
    refused(await cancel(rig, "no-such-sign-up"), 404)


async def test_after_the_event_was_called_off_it_is_cancelled_already(rig):
    event_id = await announced(rig)
    [signup] = await signed_up(rig, event_id, 1)
    await call_off(rig, event_id)

    assert done(await cancel(rig, signup))["state"] == "cancelled"
    assert len(rig.told(SignupCancelled)) == 1


@pytest.mark.parametrize("data", [{}, {"signup_id": ""}, {"signup_id": "x", "why": "ill"}])
async def test_what_is_not_valid(rig, data):
    refused(await rig.send_data(CancelSignup, data), 422)
