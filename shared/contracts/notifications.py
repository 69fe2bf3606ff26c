"""What the notifications service takes and tells: subscriptions, campaigns, mail."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.base import Command, Event
from shared.contracts.person import Erasure, ErasureCommand, ExportCommand
from shared.contracts.types import Email, Id, Language, Line, Text, Topic


class SubscribeResult(BaseModel):
    """The same whoever asks, so that nobody learns which addresses are known."""

    model_config = ConfigDict(frozen=True)
    state: Literal["check-your-mail"] = "check-your-mail"


class CampaignRef(BaseModel):
    """Which campaign it is."""

    model_config = ConfigDict(frozen=True)
    campaign_id: Id = Field(examples=["4a7f2e1d-8c3b-5f60-9a1b-2c3d4e5f6a05"])


class Subscribe(Command):
    """Ask for mails on some topics. Nothing is sent on them before the link in the confirmation mail was used.

    At most one confirmation mail goes to an address in 24 hours.
    """

    result = SubscribeResult
    key = "email"

    email: Email = Field(examples=["asta@forening.example"])
    topics: tuple[Topic, ...] = Field(min_length=1, max_length=5, examples=[["newsletter", "network-events"]])
    name: Line | None = Field(default=None, examples=["Asta Eksempel"])
    language: Language = "da"
    source: Line | None = Field(default=None, examples=["https://rummelig.example/nyhedsbrev"])


class SendCampaign(Command):
    """Send a mail to all who confirmed a topic: each gets it exactly once. The body is Markdown (CommonMark).

    A campaign that would go out later than `expires_at` is not sent.
    """

    result = CampaignRef

    topic: Topic = Field(examples=["newsletter"])
    subject: Line = Field(examples=["Nyt fra Rummelig"])
    body: Text = Field(min_length=1, examples=["# Hej\n\nVi ses til **netværksmødet**."])
    expires_at: AwareDatetime | None = Field(default=None, examples=["2027-02-28T22:00:00Z"])


class SubscriptionConfirmed(Event):
    """A person confirmed a subscription. Addresses are not told."""

    about = "subscriber_id"
    optional = True

    subscriber_id: Id = Field(examples=["8d2c1b0a-9f8e-5d7c-8b6a-5f4e3d2c1b06"])
    topics: tuple[Topic, ...] = Field(examples=[["newsletter", "network-events"]])


class SubscriberUnsubscribed(Event):
    """A person gave up some topics; `topics` are those given up, `left` those that stay."""

    about = "subscriber_id"
    optional = True

    subscriber_id: Id = Field(examples=["8d2c1b0a-9f8e-5d7c-8b6a-5f4e3d2c1b06"])
    topics: tuple[Topic, ...] = Field(examples=[["newsletter"]])
    left: tuple[Topic, ...] = Field(examples=[["network-events"]])


class MailSent(Event):
    """The mail server took a mail. `cause` is the id of the message or campaign that led to it."""

    about = "mail_id"
    optional = True

    mail_id: Id = Field(examples=["1a2b3c4d-5e6f-5a7b-8c9d-0e1f2a3b4c07"])
    kind: str = Field(examples=["signup-confirmed"])
    cause: str = Field(examples=["7b1d1f6e-2c5f-5a1c-9f0e-3a9d2f4b6c02"])


class MailFailed(Event):
    """A mail will not be sent: refused for good, out of tries, or `uncertain` (see `outcome`)."""

    about = "mail_id"
    optional = True

    mail_id: Id = Field(examples=["1a2b3c4d-5e6f-5a7b-8c9d-0e1f2a3b4c07"])
    kind: str = Field(examples=["campaign"])
    cause: str = Field(examples=["4a7f2e1d-8c3b-5f60-9a1b-2c3d4e5f6a05"])
    outcome: Literal["failed", "uncertain"] = Field(examples=["failed"])
    code: int | None = Field(default=None, examples=[550])
    reason: str = Field(examples=["5.1.1 no such mailbox"])


class CampaignFinished(Event):
    """Every delivery of a campaign came to its end: total = sent + failed + skipped + uncertain."""

    about = "campaign_id"
    optional = True

    campaign_id: Id = Field(examples=["4a7f2e1d-8c3b-5f60-9a1b-2c3d4e5f6a05"])
    topic: Topic = Field(examples=["newsletter"])
    total: int = Field(examples=[120])
    sent: int = Field(examples=[118])
    failed: int = Field(examples=[1])
    skipped: int = Field(examples=[1])
    uncertain: int = Field(examples=[0])


class ErasePerson(ErasureCommand):
    """Take a person out of all that this service keeps. Again finishes what is missing, or changes nothing."""


class ExportPerson(ExportCommand):
    """Tell what this service keeps of a person. The reply goes to who asks and is kept nowhere."""


class PersonErased(Erasure):
    """This service erased a person; it does not say whom. `subjects` are ids that earlier events told of."""
