"""A participant is erased: the seat goes to the next, the counts of the past stay, nobody finds the person again."""

import itertools
from collections import Counter

import pytest

from services.events import messages
from services.events.store import EVENTS, REPOSITORIES, SIGNUPS
from shared.contracts.base import Envelope, Event
from shared.contracts.events import PersonErased, SignUp, SignupCancelled, SignupConfirmed, SignupPromoted
from shared.contracts.person import ERASED_ADDRESS
from tests.events.builders import (
    ENDS,
    LINKS,
    STARTS,
    announced,
    call_off,
    on_site_only,
    person,
    seats,
    signed_up,
    states,
)
from tests.support.harness import NOW, Harness, harness, refused
from tests.support.persons import at_once, erase, export, traces
from tests.support.watched import Dying, Killed

pytestmark = pytest.mark.usefixtures("at_once")
ONE = "deltager1@forening.example"

__all__ = ["at_once"]


async def test_the_seat_goes_to_the_next(rig):
    event = await announced(rig, on_site_only(1))
    first, second = await signed_up(rig, event, 1, 2)
    result = await erase(rig, "Deltager1@FORENING.example")
    assert result["erased"] == {"signups": 1}
    assert await states(rig, event) == {"–": "cancelled", "Deltager 2": "confirmed"}
    assert (await seats(rig, event))["on_site"] == (1, 0)
    assert [p.signup_id for p in rig.told(SignupPromoted)] == [second]
    (gone,) = rig.told(SignupCancelled)
    assert (gone.signup_id, gone.email, gone.name, gone.had_seat) == (first, ERASED_ADDRESS, "–", True)
    assert await traces(rig, ONE, "Deltager 1") == []


async def test_who_waits_leaves_the_line(rig):
    event = await announced(rig, on_site_only(1))
    await signed_up(rig, event, 1, 2, 3)
    await erase(rig, "deltager2@forening.example")
    assert await states(rig, event) == {"Deltager 1": "confirmed", "–": "cancelled", "Deltager 3": "waiting"}
    assert (await seats(rig, event))["on_site"] == (1, 1)
    assert rig.told(SignupPromoted) == []


@pytest.mark.parametrize("ended", [False, True])
async def test_once_an_event_has_begun_nobody_moves_up_and_once_it_is_over_the_counts_stay(rig, ended: bool):
    event = await announced(rig, on_site_only(1))
    await signed_up(rig, event, 1, 2)
    rig.now = ENDS if ended else STARTS
    await erase(rig, ONE)
    assert await states(rig, event) == {"–": "confirmed" if ended else "cancelled", "Deltager 2": "waiting"}
    assert (await seats(rig, event))["on_site"] == ((1, 1) if ended else (0, 1))
    assert len(rig.told(SignupCancelled)) == (0 if ended else 1)
    assert await traces(rig, ONE, "Deltager 1") == []


async def test_of_a_cancelled_and_of_a_called_off_event(rig):
    event = await announced(rig, on_site_only(2))
    await signed_up(rig, event, 1)
    await call_off(rig, event)
    before = len(rig.events)
    assert (await erase(rig, ONE))["erased"] == {"signups": 1}
    assert await states(rig, event) == {"–": "cancelled"}
    assert [e.type for e in rig.events[before:]] == [PersonErased.type()]


async def test_it_is_told_without_saying_who(rig):
    event = await announced(rig)
    (signup,) = await signed_up(rig, event, 1)
    await erase(rig, ONE, id="the-erasure")
    (told,) = rig.told(PersonErased)
    assert told == PersonErased(erasure_id="the-erasure", subjects=(signup,), erased={"signups": 1})
    assert ONE not in str([e.to_json() for e in rig.events if e.type == PersonErased.type()])


async def test_again_changes_nothing(rig):
    event = await announced(rig, on_site_only(1))
    await signed_up(rig, event, 1, 2)
    await erase(rig, ONE)
    before = await rig.dump(EVENTS, SIGNUPS)
    result = await erase(rig, ONE)
    assert (result["erased"], result["masked"], result["left"]) == ({}, {}, 0)
    assert result["kept"] == {"erased": 1}
    assert await rig.dump(EVENTS, SIGNUPS) == before


async def test_somebody_with_a_similar_address_stays(rig):
    event = await announced(rig)
    await signed_up(rig, event, 1, 11)
    await rig.send(person(event, 12, email=f"x{ONE}"))
    await erase(rig, ONE)
    assert Counter((await states(rig, event)).values()) == {"confirmed": 2, "cancelled": 1}


async def test_texts_lose_the_address_and_keep_the_rest(rig):
    event = await announced(rig, on_site_only(1, description=f"Spørg Deltager1@forening.example, ikke x{ONE}."))
    result = await erase(rig, ONE)
    assert result["masked"] == {"events": 1}
    document = await rig.store.get(EVENTS.collection, event)
    assert document["description"] == f"Spørg {ERASED_ADDRESS}, ikke x{ONE}."
    assert document["version"] == 1


async def test_a_sign_up_from_before_has_no_effect_and_one_from_after_has(rig):
    event = await announced(rig)
    late = Envelope(
        id="late",
        source="/integrator",
        type=SignUp.type(),
        time=NOW,
        data=person(event, 1).model_dump(mode="json"),
    )
    await erase(rig, ONE)
    assert refused(await rig.take(late), 410) == {}
    assert await traces(rig, ONE) == []
    assert await states(rig, event) == {}
    assert (await rig.send(person(event, 1))).ok
    assert [e.email for e in rig.told(SignupConfirmed)] == [ONE]


async def test_what_was_not_sent_yet_is_not_sent_any_more(rig, monkeypatch):
    """A service that was killed between the write and the relay left the event in its outbox."""
    event = await announced(rig)
    with monkeypatch.context() as killed:  # not undo(): the grace stays out of it
        killed.setattr(rig, "relayed", _nothing)
        await rig.send(person(event, 1))
    rig._owed.clear()
    await erase(rig, ONE)
    await rig.sweep()
    assert rig.told(SignupConfirmed) == []
    assert len(rig.told(SignupCancelled)) == 1
    assert await traces(rig, ONE, "Deltager 1") == []


async def _nothing() -> None: ...


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_write_and_done_again(after: bool):
    """As the broker brings the same command again, until it is through."""
    for writes in itertools.count(1):
        async with harness(messages, REPOSITORIES, LINKS) as rig:
            event = await announced(rig, on_site_only(1))
            leaving, _ = await signed_up(rig, event, 1, 2)
            store, rig.executor.store = rig.store, Dying(rig.store, writes, after=after)
            died = await _dies(rig)
            rig.executor.store = store
            await rig.sweep()
            await erase(rig, ONE, id="same")
            await rig.sweep()
            assert await states(rig, event) == {"–": "cancelled", "Deltager 2": "confirmed"}, writes
            assert (await seats(rig, event))["on_site"] == (1, 0)
            assert await traces(rig, ONE, "Deltager 1") == []
            told: Counter[type[Event]] = Counter(
                {m: len({e.id for e in rig.events if e.type == m.type()}) for m in (SignupPromoted, SignupCancelled)}
            )
            assert told == {SignupPromoted: 1, SignupCancelled: 1}
            assert {subject for e in rig.told(PersonErased) for subject in e.subjects} == {leaving}
        if not died:
            assert writes > 5
            return


async def _dies(rig: Harness) -> bool:
    try:
        await erase(rig, ONE, id="same")
    except Killed:
        return True
    return False


async def test_the_person_is_told_all_that_is_kept(rig):
    event = await announced(rig, on_site_only(1, description=f"Tak til {ONE}"))
    await signed_up(rig, event, 1, 2)
    told = await export(rig, ONE.upper())
    (signup,) = told["about"]["signups"]
    assert (signup["name"], signup["email"], signup["state"]) == ("Deltager 1", ONE, "confirmed")
    assert told["mentions"] == {"events": [{"_id": event, "description": f"Tak til {ONE}"}]}
    assert await export(rig, "nobody@forening.example") == {"about": {}, "mentions": {}}
    inbox = await traces(rig, ONE)
    assert not [name for name, _ in inbox if name == "inbox"], "the reply is kept nowhere"
