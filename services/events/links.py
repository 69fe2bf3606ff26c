"""Links to this service's pages: what its handlers get as `work.context`."""

from dataclasses import dataclass
from datetime import datetime

from shared.web.links import Signer

CANCEL = "cancel-signup"
"""What a signed link is good for."""


@dataclass(frozen=True)
class PublicLinks:
    """Absolute links below `public_url`. The one to cancel is signed for one sign-up and ends with the event."""

    public_url: str
    signer: Signer

    def sign_up_url(self, event_id: str) -> str:
        """The page to sign up on."""
        return f"{self.public_url.rstrip('/')}/arrangementer/{event_id}"

    def cancel_url(self, signup_id: str, until: datetime) -> str:
        """The page to cancel a sign-up on; works until then."""
        return f"{self.public_url.rstrip('/')}/afbud/{self.signer.sign(CANCEL, signup_id, until)}"

    def signup_of(self, token: str, now: datetime) -> str:
        """The sign-up that a link to cancel was signed for. BadLink where it is forged, garbled or too old."""
        return self.signer.verify(CANCEL, token, now)
