"""The consent log: who agreed to what, when, where, in which words. Entries are added and never changed."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.contracts.aggregate import Aggregate
from shared.contracts.person import ERASED_ADDRESS
from shared.contracts.types import KeptEmail, Language, Topic

TEXT_VERSION = "2026-11"
"""Counts up with every change of a word in TEXTS."""

TEXTS: dict[Language, str] = {
    "da": (
        "Jeg vil gerne have mails fra Rummelig om de valgte emner. "
        "Jeg kan når som helst afmelde mig med linket nederst i hver mail."
    ),
    "en": (
        "I would like to receive mails from Rummelig on the chosen topics. "
        "I can unsubscribe at any time with the link at the bottom of every mail."
    ),
}
"""What a person agrees to by the button of the confirmation page (GDPR art. 7)."""


class Seen(BaseModel):
    """Where a request came from, as far as it is known. `ip` as a trusted proxy told it."""

    model_config = ConfigDict(frozen=True)

    page: str | None = None
    ip: str | None = None
    agent: str | None = None


class Consent(Aggregate):
    """One entry: `asked` for topics, `confirmed` them by the link in the mail, `gave-up` them."""

    subscriber_id: str
    email: KeptEmail
    topics: tuple[Topic, ...]
    action: Literal["asked", "confirmed", "gave-up"]
    at: datetime
    language: Language
    text_version: str = TEXT_VERSION
    text: str
    seen: Seen

    def without_person(self) -> "Consent":
        """What stays when the person was erased: the proof that somebody with this keyed id agreed (GDPR art. 7(1))."""
        return self.model_copy(update={"email": ERASED_ADDRESS, "seen": Seen()})
