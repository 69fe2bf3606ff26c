import pytest

from services.events.store import EVENTS
from shared.contracts.events import AnnounceEvent, EventAnnounced
from tests.events.builders import ENDS, MEETING, STARTS, announced, meeting
from tests.support.harness import done, refused


async def test_it_is_told_to_others_without_the_link_to_join(rig):
    event_id = await announced(rig)

    [told] = rig.told(EventAnnounced)
    assert told.event_id == event_id
    assert told.details.title == MEETING["title"]
    assert told.details.starts_at.isoformat() == "2027-02-09T14:00:00"
    assert told.details.timezone == "Europe/Copenhagen"
    assert told.details.sequence == 0
    assert (told.capacity_on_site, told.capacity_online) == (14, 4)
    assert told.sign_up_url == f"https://moeder.example/arrangementer/{event_id}"
    assert "moede.example" not in told.model_dump_json()


async def test_it_keeps_the_intended_local_time_and_the_instant(rig):
    stored = await rig.store.get(EVENTS.collection, await announced(rig))

    assert stored is not None
    assert (stored["starts_at"], stored["timezone"]) == ("2027-02-09T14:00:00", "Europe/Copenhagen")
    assert (stored["starts"], stored["ends"]) == (STARTS, ENDS)


async def test_the_same_command_twice_is_one_event(rig):
    first = await rig.send(meeting(), "announce-1")
    again = await rig.send(meeting(), "announce-1")

    assert first == again
    assert len(rig.told(EventAnnounced)) == 1
    assert await rig.store.count(EVENTS.collection, {"state": "announced"}) == 1


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"ends_at": "2027-02-09T14:00:00"}, "ends_at", "must be later than starts_at"),
        ({"ends_at": "2027-02-09T13:00:00"}, "ends_at", "must be later than starts_at"),
        ({"starts_at": "2027-03-28T02:30:00", "ends_at": "2027-03-28T05:00:00"}, "starts_at", "the clocks jump over"),
        ({"starts_at": "2027-03-28T01:00:00", "ends_at": "2027-03-28T02:30:00"}, "ends_at", "the clocks jump over"),
        ({"starts_at": "2026-11-23T10:00:00"}, "starts_at", "is in the past"),  # now, in Copenhagen
        ({"starts_at": "2021-02-09T14:00:00", "ends_at": "2021-02-09T17:00:00"}, "starts_at", "is in the past"),
        ({"starts_at": "2027-02-09T14:00:00+01:00"}, "starts_at", "without offset"),
        ({"timezone": "Danmark"}, "timezone", "IANA"),
        ({"place": None}, "place", "where are the 14 seats"),
        ({"capacity_on_site": 0}, "capacity_on_site", "say how many seats"),
        ({"online_url": None}, "online_url", "where do the 4"),
        ({"capacity_online": 0}, "capacity_online", "say how many may join"),
        ({"place": None, "online_url": None, "capacity_on_site": 0, "capacity_online": 0}, "place", "or both"),
        ({"capacity_online": -1}, "capacity_online", "greater than or equal to 0"),
        ({"place": {"name": "Terrassen"}}, "place.address", "required"),
        ({"seats": 14}, "seats", "not permitted"),
        ({"title": "  "}, "title", "at least 1"),
    ],
)
async def test_what_is_wrong_is_named_with_what_to_do(rig, changes, field, message):
    reply = await rig.send_data(AnnounceEvent, MEETING | changes)

    assert message in refused(reply, 422)[field]
    assert rig.events == []


async def test_all_that_is_wrong_is_told_at_once(rig):
    wrong = {"starts_at": "2021-02-09T14:00:00", "ends_at": "2021-02-09T13:00:00", "place": None, "capacity_online": 0}

    assert set(refused(await rig.send_data(AnnounceEvent, MEETING | wrong), 422)) == {
        "starts_at",
        "ends_at",
        "place",
        "capacity_online",
    }


@pytest.mark.parametrize(
    "changes", [{"place": None, "capacity_on_site": 0}, {"online_url": None, "capacity_online": 0}]
)
async def test_only_online_or_only_on_site(rig, changes):
    assert done(await rig.send(meeting(**changes)))["event_id"]


async def test_a_time_that_comes_twice_means_the_first(rig):
    rig.now = rig.now.replace(month=9)
    wish = meeting(starts_at="2026-10-25T02:30:00", ends_at="2026-10-25T04:00:00")
    stored = await rig.store.get(EVENTS.collection, await announced(rig, wish))

    assert stored is not None
    assert stored["starts"].isoformat() == "2026-10-25T00:30:00+00:00"
