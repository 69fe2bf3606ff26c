import pytest

from services.events.store import SIGNUPS
from shared.contracts.events import CancelEvent, SignUp, SignupConfirmed, SignupWaitlisted
from shared.web.links import BadLink
from tests.events.builders import ENDS, LINKS, STARTS, announced, cancel, on_site_only, person, seats, signed_up
from tests.support.harness import done, refused


async def test_a_seat_is_told_with_a_link_to_give_it_back(rig):
    event_id = await announced(rig)
    result = done(await rig.send(person(event_id, 1, name="Asta Eksempel", language="en")))

    assert result == {"signup_id": result["signup_id"], "state": "confirmed", "position": None}
    [told] = rig.told(SignupConfirmed)
    assert (told.signup_id, told.event_id, told.name, told.email, told.attendance, told.language) == (
        result["signup_id"],
        event_id,
        "Asta Eksempel",
        "deltager1@forening.example",
        "on-site",
        "en",
    )
    assert told.details.place is not None
    assert told.cancel_url is not None
    base, _, token = told.cancel_url.rpartition("/")
    assert base == "https://moeder.example/afbud"
    assert LINKS.signup_of(token, STARTS) == result["signup_id"]
    with pytest.raises(BadLink):
        LINKS.signup_of(token, ENDS)


async def test_only_who_has_a_seat_online_gets_the_link_to_join(rig):
    event_id = await announced(rig)
    await signed_up(rig, event_id, 1)
    await signed_up(rig, event_id, 2, 3, 4, 5, 6, attendance="online")

    on_site, *online = rig.told(SignupConfirmed)
    assert on_site.online_url is None
    assert [told.online_url for told in online] == ["https://moede.example/netvaerk"] * 4
    assert [told.online_url for told in rig.told(SignupWaitlisted)] == [None]


async def test_full_means_the_end_of_the_waiting_list(rig):
    event_id = await announced(rig, on_site_only(2))
    results = [done(await rig.send(person(event_id, number))) for number in range(5)]

    assert [(r["state"], r["position"]) for r in results] == [
        ("confirmed", None),
        ("confirmed", None),
        ("waiting", 1),
        ("waiting", 2),
        ("waiting", 3),
    ]
    assert [told.position for told in rig.told(SignupWaitlisted)] == [1, 2, 3]
    assert await seats(rig, event_id) == {"on_site": (2, 3), "online": (0, 0)}


async def test_the_kinds_of_seats_are_counted_apart(rig):
    event_id = await announced(rig)
    await signed_up(rig, event_id, *range(14))
    await signed_up(rig, event_id, *range(20, 24), attendance="online")

    assert await seats(rig, event_id) == {"on_site": (14, 0), "online": (4, 0)}
    assert done(await rig.send(person(event_id, 30)))["state"] == "waiting"
    assert done(await rig.send(person(event_id, 31, "online")))["position"] == 1


async def test_again_tells_how_the_first_stands(rig):
    event_id = await announced(rig, on_site_only(1))
    [seat, *waiting] = await signed_up(rig, event_id, 1, 2, 3)
    told = len(rig.events)

    assert done(await rig.send(person(event_id, 1, name="Et andet navn"))) == {
        "signup_id": seat,
        "state": "confirmed",
        "position": None,
    }
    assert done(await rig.send(person(event_id, 3, email="DELTAGER3@forening.example")))["position"] == 2

    await cancel(rig, waiting[0])  # the one before
    assert done(await rig.send(person(event_id, 3))) == {"signup_id": waiting[1], "state": "waiting", "position": 1}
    assert len(rig.events) == told + 1
    assert await seats(rig, event_id) == {"on_site": (1, 1), "online": (0, 0)}


async def test_the_other_kind_of_seat_only_after_cancelling(rig):
    event_id = await announced(rig)
    [signup] = await signed_up(rig, event_id, 1)
    reply = await rig.send(person(event_id, 1, "online"))

    refused(reply, 409)
    assert reply.problem is not None
    assert "cancel-signup" in reply.problem.detail
    assert signup in reply.problem.detail

    await cancel(rig, signup)
    assert done(await rig.send(person(event_id, 1, "online")))["state"] == "confirmed"


async def test_a_cancelled_sign_up_never_revives(rig):
    event_id = await announced(rig, on_site_only(1))
    [first, _, third] = await signed_up(rig, event_id, 1, 2, 3)
    await cancel(rig, first)
    again = done(await rig.send(person(event_id, 1)))

    assert again == {"signup_id": again["signup_id"], "state": "waiting", "position": 2}
    assert again["signup_id"] not in {first, third}
    stored = await rig.store.get(SIGNUPS.collection, first)
    assert stored is not None
    assert stored["state"] == "cancelled"


async def test_nobody_can_sign_up_for_what_is_not_there(rig):
    refused(await rig.send(person("no-such-event", 1)), 404)


async def test_a_kind_of_seat_that_the_event_does_not_have(rig):
    event_id = await announced(rig, on_site_only(3))

    assert "it can be attended on-site" in refused(await rig.send(person(event_id, 1, "online")), 422)["attendance"]


async def test_an_unknown_kind_of_seat(rig):
    data = {"event_id": await announced(rig), "name": "Asta", "email": "asta@forening.example", "attendance": "hybrid"}

    assert set(refused(await rig.send_data(SignUp, data), 422)) == {"attendance"}


async def test_not_after_it_was_called_off(rig):
    event_id = await announced(rig)
    await signed_up(rig, event_id, 1)
    await rig.send(CancelEvent(event_id=event_id))

    refused(await rig.send(person(event_id, 2)), 409)
    refused(await rig.send(person(event_id, 1)), 409)


async def test_not_once_it_has_begun(rig):
    event_id = await announced(rig)
    [signup] = await signed_up(rig, event_id, 1)
    rig.now = STARTS

    refused(await rig.send(person(event_id, 2)), 409)
    assert done(await rig.send(person(event_id, 1)))["signup_id"] == signup


async def test_the_same_command_twice_is_one_sign_up(rig):
    event_id = await announced(rig)
    replies = [await rig.send(person(event_id, 1), "sign-up-1") for _ in range(2)]

    assert replies[0] == replies[1]
    assert len(rig.told(SignupConfirmed)) == 1


async def test_the_same_id_with_another_person_is_a_conflict(rig):
    event_id = await announced(rig)
    await rig.send(person(event_id, 1), "sign-up-1")

    refused(await rig.send(person(event_id, 2), "sign-up-1"), 409)
