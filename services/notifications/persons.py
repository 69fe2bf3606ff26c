"""Where persons are kept here: subscribers, the log of their consents, mails, suppressed addresses."""

from services.notifications.domain import Consent, Delivery, Subscriber
from services.notifications.store import CONSENTS, DELIVERIES, REPOSITORIES, SUBSCRIBERS, SUPPRESSIONS
from shared.persons.held import Held, Person, Persons
from shared.store.errors import Stale
from shared.store.work import Work


async def end_subscription(subscriber: Subscriber, _: Person, work: Work) -> bool:
    """Give up all topics and let go of what is known besides the id."""
    after, events = subscriber.without_person()
    work.save(SUBSCRIBERS, after, events)
    return True


async def mask_consent(consent: Consent, _: Person, work: Work) -> bool:
    """Keep that, when and to what somebody agreed, under the keyed id; not who, nor from where."""
    work.save(CONSENTS, consent.without_person())
    return True


async def let_go_of_mail(delivery: Delivery, person: Person, work: Work) -> bool:
    """A mail to the person is not sent any more, a mail about the person to somebody else neither."""
    to_person = delivery.recipient == person.email or delivery.address_id == person.id
    after, events = delivery.without_person(work.now) if to_person else delivery.without_content(work.now)
    (took,) = await work.put(DELIVERIES, (after, events))
    if not took:
        raise Stale(f"mail {delivery.id} went on meanwhile")
    return True


PERSONS = Persons(
    REPOSITORIES,
    Held(SUBSCRIBERS, addresses=("email",), erase=end_subscription, told=True),
    Held(CONSENTS, addresses=("email",), erase=mask_consent),
    Held(DELIVERIES, addresses=("recipient", "reply_to"), ids=("address_id",), erase=let_go_of_mail),
    Held(SUPPRESSIONS, ids=("_id",), kept="so that nobody writes to a dead mailbox, or to one who complained"),
)
