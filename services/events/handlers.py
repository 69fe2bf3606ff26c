"""Load, decide, save. `work.context` is the service's Links.

The event's document decides alone who has a seat, in one conditional write; a sign-up's document is written beside it
and follows from it. Reading the event first therefore makes every query on its sign-ups true as of that version.
"""

from collections.abc import Collection, Sequence

from services.events.domain import ACTIVE, NetworkEvent, Signup, announce, telling
from services.events.domain.refusals import OtherAttendance
from services.events.domain.telling import Links
from services.events.persons import PERSONS
from services.events.store import EVENTS, SIGNUPS, active_of, in_line, up_to
from shared.contracts.events import (
    AnnounceEvent,
    Attendance,
    CancelEvent,
    CancelSignup,
    ErasePerson,
    EventRef,
    ExportPerson,
    PersonErased,
    SignUp,
    SignUpResult,
    SignUpState,
)
from shared.contracts.person import ErasureResult, ExportResult
from shared.contracts.problems import NotFound
from shared.messaging.gathering import Decide, Gathered
from shared.persons.erasing import erase
from shared.persons.exporting import export
from shared.store.errors import Stale
from shared.store.work import Work

PAGE = 100
"""Sign-ups cancelled in one write when an event is called off."""


async def announce_event(command: AnnounceEvent, work: Work) -> EventRef:
    """A new network event, open for sign-up at once."""
    event_id = work.new_id()
    await work.get(EVENTS, event_id)  # ends here with the first reply if a crash came between the write and the ack
    event = announce(event_id, command, work.now)
    work.save(EVENTS, event, [telling.announced(event, _links(work))])
    return EventRef(event_id=event.id)


@Gathered
async def sign_up(commands: Sequence[SignUp], work: Work) -> Decide[SignUpResult]:
    """A seat, the end of the waiting list, or how the person's sign-up stands already. What all who ask at the same
    time need is read at once, and what they get is written at once.
    """
    event = await _event(work, commands[0].event_id)
    standing = await _standing(work, event, {command.email for command in commands})

    async def decide(command: SignUp, work: Work) -> SignUpResult:
        nonlocal event
        event.check_offers(command.attendance)
        if earlier := standing.get(command.email):
            signup, position = earlier
            if signup.attendance != command.attendance:
                raise OtherAttendance(signup.attendance, signup.id)
        else:
            after, signup = event.sign_up(work.new_id(), command, work.now)
            work.save(EVENTS, after, [telling.signed_up(after, signup, _links(work))], beside=[(SIGNUPS, signup)])
            position = after.seats(signup.attendance).waiting if signup.state == "waiting" else None
            event = after.model_copy(update={"version": after.version + 1})
            standing[command.email] = signup, position
        return SignUpResult(signup_id=signup.id, state=signup.state, position=position)

    return decide


async def cancel_signup(command: CancelSignup, work: Work) -> SignUpResult:
    """Give the seat back; the first in the waiting list gets it."""
    event = await _event(work, (await _signup(work, command.signup_id)).event_id)
    signup = await _signup(work, command.signup_id)  # again: reading the event may just have written it
    if signup.active and event.state == "announced":  # called off: cancel_event cancels the sign-up itself
        await _release(work, event, signup)
    return SignUpResult(signup_id=signup.id, state="cancelled")


async def cancel_event(command: CancelEvent, work: Work) -> EventRef:
    """Call the event off, then cancel its sign-ups page by page. After a crash the command goes on where it was."""
    event = await _event(work, command.event_id)
    if event.state == "announced":
        event = event.call_off(command.reason, work.now)
        event = event.model_copy(update={"version": event.version + 1})
        # At once, so that no sign-up comes in while those that are there are cancelled.
        [done] = await work.put(EVENTS, (event, [telling.called_off(event)]))
        if not done:
            raise Stale(f"event {event.id} changed meanwhile")
    for attendance in ("on-site", "online"):
        for state in ACTIVE:
            await _cancel_all(work, event, attendance, state)
    return EventRef(event_id=event.id)


async def erase_person(command: ErasePerson, work: Work) -> ErasureResult:
    """Take a person out of all that is kept here."""
    return await erase(command.email, PersonErased, PERSONS, work)


async def export_person(command: ExportPerson, work: Work) -> ExportResult:
    """Tell what is kept here of a person."""
    return await export(command.email, PERSONS, work)


async def _release(work: Work, event: NetworkEvent, signup: Signup) -> None:
    following = await _first_waiting(work, signup) if event.frees_for_next(signup, work.now) else None
    after, changed = event.release(signup, following, work.now)
    told = [telling.cancelled(after, signup), *(telling.promoted(after, s, _links(work)) for s in changed[1:])]
    work.save(EVENTS, after, told, beside=[(SIGNUPS, s) for s in changed])


async def _cancel_all(work: Work, event: NetworkEvent, attendance: Attendance, state: SignUpState) -> None:
    while page := await work.find(SIGNUPS, in_line(event.id, attendance, state), order="arrival", limit=PAGE):
        writes = [
            (s.to("cancelled").model_copy(update={"version": s.version + 1}), [telling.cancelled(event, s)])
            for s in page
        ]
        await work.put(SIGNUPS, *writes)


async def _event(work: Work, id: str) -> NetworkEvent:
    event = await work.get(EVENTS, id)
    if event is None:
        raise NotFound(f"there is no network event {id}")
    return event


async def _signup(work: Work, id: str) -> Signup:
    signup = await work.get(SIGNUPS, id)
    if signup is None:
        raise NotFound(f"there is no sign-up {id}")
    return signup


async def _standing(work: Work, event: NetworkEvent, emails: Collection[str]) -> dict[str, tuple[Signup, int | None]]:
    """Email -> the active sign-up and its position, of those who have one."""
    found = await work.find(SIGNUPS, active_of(emails, event.id), limit=len(emails))
    return {signup.email: (signup, await _position(work, signup)) for signup in found}


async def _first_waiting(work: Work, signup: Signup) -> Signup | None:
    where = in_line(signup.event_id, signup.attendance, "waiting")
    return next(iter(await work.find(SIGNUPS, where, order="arrival", limit=1)), None)


async def _position(work: Work, signup: Signup) -> int | None:
    return await work.store.count(SIGNUPS.collection, up_to(signup)) if signup.state == "waiting" else None


def _links(work: Work) -> Links:
    links: Links = work.context
    return links
