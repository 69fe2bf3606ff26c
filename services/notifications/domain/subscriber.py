"""A person's topics: asked for by anybody, given only by the link in a mail to the address (double opt-in)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict

from services.notifications.domain.topics import ordered
from shared.contracts.aggregate import Aggregate
from shared.contracts.base import Event
from shared.contracts.notifications import Subscribe, SubscriberUnsubscribed, SubscriptionConfirmed
from shared.contracts.person import ERASED_ADDRESS
from shared.contracts.types import KeptEmail, Language, Topic

LINK_DAYS = timedelta(days=7)
"""How long the link in a confirmation mail works."""

MAIL_PAUSE = timedelta(hours=24)
"""At most one confirmation mail goes to an address in this time: nobody can flood another's mailbox."""


class Ask(BaseModel):
    """Topics that were asked for and wait for the link, and what else was said then."""

    model_config = ConfigDict(frozen=True)

    topics: tuple[Topic, ...]
    language: Language
    name: str | None = None
    asked_at: datetime


@dataclass(frozen=True)
class Asked:
    """What came of a request: the subscriber, whether anything is new, and whether a confirmation mail is due."""

    subscriber: "Subscriber"
    changed: bool
    mail: bool


class Subscriber(Aggregate):
    """One address. `topics` are confirmed; `ask` is not. `mailed_at`: the last confirmation mail."""

    email: KeptEmail
    language: Language
    name: str | None = None
    topics: tuple[Topic, ...] = ()
    ask: Ask | None = None
    mailed_at: datetime | None = None

    @classmethod
    def unknown(cls, id: str, command: Subscribe) -> Self:
        """An address that nobody asked for before."""
        return cls(id=id, email=command.email, language=command.language)

    def ask_for(self, command: Subscribe, now: datetime) -> Asked:
        """Keep the topics until the link confirms them. Within 24 hours of a mail they join what its link confirms."""
        new = set(command.topics) - set(self.topics)
        if not new:
            return Asked(self, changed=False, mail=False)
        waiting = self.waiting(now)
        ask = Ask(topics=ordered({*waiting, *new}), language=command.language, name=command.name, asked_at=now)
        mail = self.mailed_at is None or now - self.mailed_at >= MAIL_PAUSE
        if not mail and ask.topics == waiting:
            return Asked(self, changed=False, mail=False)
        # With the address: one who was erased comes back by asking.
        after = self.model_copy(
            update={"email": command.email, "ask": ask, "mailed_at": now if mail else self.mailed_at}
        )
        return Asked(after, changed=True, mail=mail)

    def waiting(self, now: datetime) -> tuple[Topic, ...]:
        """The topics that the link confirms; none once the newest link has run out."""
        if self.ask is None or (self.mailed_at is not None and now - self.mailed_at >= LINK_DAYS):
            return ()
        return self.ask.topics

    def confirm(self, now: datetime) -> tuple["Subscriber", tuple[Topic, ...], tuple[Event, ...]]:
        """What waits is agreed to. Nothing waits: nothing changes and nothing is told."""
        waiting = self.waiting(now)
        if self.ask is None or not waiting:
            return self, (), ()
        after = self.model_copy(
            update={
                "topics": ordered({*self.topics, *waiting}),
                "language": self.ask.language,
                "name": self.ask.name or self.name,
                "ask": None,
            }
        )
        return after, waiting, (SubscriptionConfirmed(subscriber_id=self.id, topics=waiting),)

    def give_up(self, topics: tuple[Topic, ...]) -> tuple["Subscriber", tuple[Topic, ...], tuple[Event, ...]]:
        """No more mails on these topics; what was asked for and not confirmed goes too. Returns what was given up."""
        had, asked = set(self.topics), set(self.ask.topics if self.ask else ())
        given_up = ordered((had | asked) & set(topics))
        if not given_up:
            return self, (), ()
        rest, left = ordered(asked - set(topics)), ordered(had - set(topics))
        ask = self.ask.model_copy(update={"topics": rest}) if self.ask and rest else None
        after = self.model_copy(update={"topics": left, "ask": ask})
        gone = ordered(had & set(topics))
        told = (SubscriberUnsubscribed(subscriber_id=self.id, topics=gone, left=left),) if gone else ()
        return after, given_up, told

    def without_person(self) -> tuple["Subscriber", tuple[Event, ...]]:
        """What stays when the person was erased: the keyed id, without topics."""
        after = Subscriber(id=self.id, version=self.version, email=ERASED_ADDRESS, language=self.language)
        told = SubscriberUnsubscribed(subscriber_id=self.id, topics=self.topics, left=())
        return after, (told,) if self.topics else ()
