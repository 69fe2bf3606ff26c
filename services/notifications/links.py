"""Links in mails to this service's pages: signed, so that only who got the mail can use them."""

from dataclasses import dataclass
from datetime import datetime

from services.notifications.domain import TOPICS
from shared.contracts.types import Language, Topic
from shared.web.links import BadLink, Signer

CONFIRM = "confirm-subscription"
UNSUBSCRIBE = "unsubscribe "
"""What a signed link is good for; for one topic each, which keeps the link short."""


@dataclass(frozen=True)
class MailLinks:
    """Absolute links below `public_url`."""

    public_url: str
    signer: Signer

    def subscribe_url(self, language: Language) -> str:
        """The page to choose topics on."""
        return f"{self.public_url}/nyhedsbrev{_in(language)}"

    def confirm_url(self, subscriber_id: str, until: datetime, language: Language) -> str:
        """The page to confirm a subscription on; works until then."""
        return f"{self.public_url}/bekraeft/{self.signer.sign(CONFIRM, subscriber_id, until)}{_in(language)}"

    def unsubscribe_url(self, subscriber_id: str, topic: Topic, language: Language) -> str:
        """The page to give up a topic on, and the address for one click (RFC 8058); works for ever."""
        return self.unsubscribe_at(self.unsubscribe_token(subscriber_id, topic), language)

    def unsubscribe_at(self, token: str, language: Language) -> str:
        """The same for a token that was made already."""
        return f"{self.public_url}/afmeld/{token}{_in(language)}"

    def unsubscribe_token(self, subscriber_id: str, topic: Topic) -> str:
        """What tells in such an address who gives up what."""
        return self.signer.sign(UNSUBSCRIBE + topic, subscriber_id)

    def confirming(self, token: str, now: datetime) -> str:
        """The subscriber that a link to confirm was signed for. BadLink or ExpiredLink where it is not good."""
        return self.signer.verify(CONFIRM, token, now)

    def unsubscribing(self, token: str, now: datetime) -> tuple[str, Topic]:
        """The subscriber and the topic that a link to unsubscribe was signed for. BadLink where it is not ours."""
        for topic in TOPICS:
            try:
                return self.signer.verify(UNSUBSCRIBE + topic, token, now), topic
            except BadLink:
                continue  # signed for another topic, perhaps; for none, it is said below
        raise BadLink("the link is not valid")


def _in(language: Language) -> str:
    return "" if language == "da" else f"?lang={language}"
