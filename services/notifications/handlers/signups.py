"""How a person's sign-up for a network event stands: a mail for every change."""

from services.notifications.domain import HeardSignup, signup_letter
from services.notifications.handlers.posting import post, version_of
from services.notifications.store import HEARD
from shared.contracts.events import SignupChange
from shared.store.work import Work


async def tell_signup(event: SignupChange, work: Work) -> None:
    """A mail, with a calendar entry where there is a seat; none where something newer was told already."""
    heard = HeardSignup(id=event.signup_id, version=version_of(work))
    (took,) = await work.put(HEARD, heard)
    if not took:
        known = await work.get(HEARD, heard.id)
        if known is not None and known.version > heard.version:
            return
    await post(work, signup_letter(event))
