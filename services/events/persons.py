"""Where persons are kept here: sign-ups. Counts stay: how many came is no person's data."""

from services.events.domain import Signup, telling
from services.events.links import PublicLinks
from services.events.store import EVENTS, REPOSITORIES, SIGNUPS, in_line
from shared.persons.held import Held, Person, Persons
from shared.store.errors import Stale
from shared.store.work import Work


async def give_up_signup(signup: Signup, person: Person, work: Work) -> bool:
    """Give the seat back, if it is one of an event to come, and take the person out of the sign-up.

    As all else about a sign-up it goes through the event's document, which decides alone who has a seat.
    """
    event = await work.get(EVENTS, signup.event_id)
    present = await work.get(SIGNUPS, signup.id)  # again: reading the event may just have written it
    if event is None or present is None:
        raise Stale(f"sign-up {signup.id} stands alone")
    if present.email != person.email:
        return False
    links: PublicLinks = work.context
    if not (present.active and event.can_release(work.now)):
        work.save(EVENTS, event, beside=[(SIGNUPS, present.without_person())])
        return True
    following: list[Signup] = []
    if event.frees_for_next(present, work.now):
        following = await work.find(SIGNUPS, in_line(event.id, present.attendance, "waiting"), order="arrival", limit=1)
    after, (gone, *moved) = event.release(present.without_person(), next(iter(following), None), work.now)
    told = [telling.cancelled(after, present.without_person()), *(telling.promoted(after, s, links) for s in moved)]
    work.save(EVENTS, after, told, beside=[(SIGNUPS, s) for s in (gone, *moved)])
    return True


PERSONS = Persons(REPOSITORIES, Held(SIGNUPS, addresses=("email",), erase=give_up_signup, told=True))
