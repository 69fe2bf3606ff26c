"""From letters to deliveries, and what handlers of other services' events have in common."""

from datetime import timedelta

from services.notifications.context import context_of
from services.notifications.domain import Delivery, Letter, delivery
from services.notifications.store import DELIVERIES
from shared.contracts.person import ERASED_ADDRESS
from shared.contracts.problems import Invalid
from shared.store.work import Work

WORTH_TELLING = timedelta(days=7)
"""A mail about something older is not sent: a service that was away for a weekend catches up, a replay of last month's
events into an empty store writes to nobody."""


async def post(work: Work, *letters: Letter) -> None:
    """Write the deliveries at once, keyed by the message: again changes nothing. Nobody writes to an erased address,
    nor has answers sent there.
    """
    there = [letter for letter in letters if ERASED_ADDRESS not in (letter.recipient, letter.reply_to)]
    await work.put(DELIVERIES, *(compose(work, letter) for letter in there))
    context_of(work).bell.ring()


def compose(work: Work, letter: Letter) -> Delivery:
    """The delivery of a letter that this message leads to."""
    context = context_of(work)
    limit = work.message.time + WORTH_TELLING
    expires = min(letter.expires_at, limit) if letter.expires_at else limit
    return delivery(
        letter.model_copy(update={"expires_at": expires}),
        cause=work.message.id,
        correlation=correlation_of(work),
        address=context.address_id(letter.recipient),
        domain=context.mail_domain,
        now=work.now,
        traceparent=work.message.traceparent,
    )


def correlation_of(work: Work) -> str:
    """The business action that a message belongs to."""
    return work.message.correlationid or work.message.id


def version_of(work: Work) -> int:
    """The version of the aggregate that an event tells of."""
    version = work.message.aggregateversion
    if version is None:
        raise Invalid.field("aggregateversion", "is missing; without it, old and new cannot be told apart")
    return version
