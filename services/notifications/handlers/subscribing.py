"""Double opt-in and opting out. A form and a command run the same; what the form knows more is in `Seen`."""

from typing import Any

from pydantic import BaseModel

from services.notifications.context import context_of
from services.notifications.domain import LINK_DAYS, TEXTS, Consent, Letter, Seen, Subscriber
from services.notifications.handlers.posting import compose
from services.notifications.store import CONSENTS, DELIVERIES, SUBSCRIBERS, SUPPRESSIONS
from shared.contracts.aggregate import Aggregate
from shared.contracts.notifications import Subscribe, SubscribeResult
from shared.contracts.types import Topic
from shared.store.repository import Repository
from shared.store.work import Work


class Confirmed(BaseModel):
    """What a subscriber has after a confirmation."""

    topics: tuple[Topic, ...]


async def request_subscription(command: Subscribe, work: Work) -> SubscribeResult:
    """Keep the topics until the link in the confirmation mail is used; the answer never tells what was known."""
    return await ask_for_topics(command, work, Seen(page=command.source))


async def ask_for_topics(command: Subscribe, work: Work, seen: Seen) -> SubscribeResult:
    """The same, knowing where the request came from."""
    subscriber_id = context_of(work).address_id(command.email)
    known = await work.get(SUBSCRIBERS, subscriber_id)
    suppressed = await work.get(SUPPRESSIONS, subscriber_id)
    asked = (known or Subscriber.unknown(subscriber_id, command)).ask_for(command, work.now)
    if asked.changed and not suppressed:
        subscriber = asked.subscriber
        entry = _entry(work, subscriber, "asked", command.topics, seen)
        beside: list[tuple[Repository[Any], Aggregate]] = [(CONSENTS, entry)]
        if asked.mail:
            mail = compose(work, _confirmation(subscriber, work))
            beside.append((DELIVERIES, mail.model_copy(update={"version": 0})))
        work.save(SUBSCRIBERS, subscriber, beside=beside)
        context_of(work).bell.ring()
    return SubscribeResult()


async def confirm_topics(work: Work, subscriber_id: str, seen: Seen) -> Confirmed:
    """The button behind the link in the mail was pressed. Again changes nothing."""
    subscriber = await work.get(SUBSCRIBERS, subscriber_id)
    if subscriber is None:
        return Confirmed(topics=())
    after, topics, events = subscriber.confirm(work.now)
    if topics:
        entry = _entry(work, after, "confirmed", topics, seen)
        work.save(SUBSCRIBERS, after, events, beside=[(CONSENTS, entry)])
    return Confirmed(topics=after.topics)


async def give_up_topics(work: Work, subscriber_id: str, topics: tuple[Topic, ...], seen: Seen) -> None:
    """No more mails on these topics. Again changes nothing."""
    subscriber = await work.get(SUBSCRIBERS, subscriber_id)
    if subscriber is None:
        return
    after, given_up, events = subscriber.give_up(topics)
    if given_up:
        entry = _entry(work, after, "gave-up", given_up, seen)
        work.save(SUBSCRIBERS, after, events, beside=[(CONSENTS, entry)])


def _confirmation(subscriber: Subscriber, work: Work) -> Letter:
    # Nothing that the asker wrote goes into it: it may reach somebody who never asked.
    assert subscriber.ask is not None  # noqa: S101 - it was just asked for
    return Letter(
        kind="confirm-subscription",
        recipient=subscriber.email,
        language=subscriber.ask.language,
        data={"subscriber_id": subscriber.id, "topics": list(subscriber.ask.topics)},
        expires_at=work.now + LINK_DAYS,
    )


def _entry(work: Work, subscriber: Subscriber, action: str, topics: tuple[Topic, ...], seen: Seen) -> Consent:
    language = subscriber.ask.language if subscriber.ask else subscriber.language
    return Consent.model_validate(
        {
            "id": work.new_id("consent"),
            "subscriber_id": subscriber.id,
            "email": subscriber.email,
            "topics": topics,
            "action": action,
            "at": work.now,
            "language": language,
            "text": TEXTS[language],
            "seen": seen,
        }
    )
