"""What the template of each kind of mail is given, from the data of its delivery."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from services.notifications.domain import Campaign, Delivery, News, topic_name
from services.notifications.links import MailLinks
from shared.contracts.events import EventAnnounced, EventDetails, SignupCancelled, SignupChange, SignupWaitlisted
from shared.contracts.municipalities import MUNICIPALITIES
from shared.contracts.procurement import SupplierMatched
from shared.contracts.supplier import SupplierRegistered
from shared.contracts.types import Language
from shared.web.dates import HOME, clock, day, span

type View = Callable[[Delivery, MailLinks], dict[str, Any]]

SIGNUPS: dict[str, type[SignupChange]] = {"signup-waitlisted": SignupWaitlisted, "signup-cancelled": SignupCancelled}
LONGEST_NAME = 60
NO_NAME = re.compile(r"[/:@<>]|www\.|\.\w{2,}\b", re.IGNORECASE)
"""What a name that was typed into somebody else's form may hold when the form is used to send advertising."""


def hello(name: str | None, language: Language) -> str:
    """`Hej Asta Eksempel`; without the name where it looks like anything but a name."""
    word = "Hej" if language == "da" else "Hello"
    given = " ".join((name or "").split())
    return f"{word} {given}" if given and len(given) <= LONGEST_NAME and not NO_NAME.search(given) else word


def of_confirmation(delivery: Delivery, links: MailLinks) -> dict[str, Any]:
    """Double opt-in: which topics, and the link that confirms them."""
    assert delivery.expires_at is not None  # noqa: S101 - a confirmation always has
    return {
        "topics": [topic_name(topic, delivery.language) for topic in delivery.data["topics"]],
        "url": links.confirm_url(delivery.data["subscriber_id"], delivery.expires_at, delivery.language),
    }


def of_welcome(delivery: Delivery, links: MailLinks) -> dict[str, Any]:
    """What the portal says of a supplier."""
    event = SupplierRegistered.model_validate(delivery.data)
    return {
        "supplier": event,
        "municipality": municipality(event.municipality),
        "offerings": [offering.title for offering in event.offerings],
        "subscribe_url": links.subscribe_url(delivery.language),
    }


def of_signup(delivery: Delivery, _: MailLinks) -> dict[str, Any]:
    """A person's sign-up for a network event."""
    event = SIGNUPS.get(delivery.kind, SignupChange).model_validate(delivery.data)
    return {
        "signup": event,
        "event": event.details,
        "hello": hello(event.name, delivery.language),
        "when": when(event.details, delivery.language),
        "place": event.details.place if event.attendance == "on-site" else None,
    }


def of_match(delivery: Delivery, _: MailLinks) -> dict[str, Any]:
    """A supplier and a demand that fit."""
    event = SupplierMatched.model_validate(delivery.data)
    deadline = event.deadline.astimezone(ZoneInfo(HOME))
    at = " kl. " if delivery.language == "da" else ", "
    return {
        "match": event,
        "buyer": event.buyer,
        "supplier": event.supplier,
        "municipality": municipality(event.supplier.municipality),
        "deadline": f"{day(deadline, delivery.language)}{at}{clock(deadline, delivery.language)}",
    }


def of_campaign(campaign: Campaign, language: Language, unsubscribe_url: str) -> dict[str, Any]:
    """A campaign, whatever its kind; who gets it differs in the address to unsubscribe at alone."""
    common = {"topic": topic_name(campaign.topic, language), "unsubscribe_url": unsubscribe_url}
    if campaign.kind == "event-announced":
        event = EventAnnounced.model_validate(campaign.data)
        return {**common, "announced": event, "event": event.details, "when": when(event.details, language)}
    # The author's own Markdown: taken as it is, sanitised as HTML.
    body = Markup(campaign.data["body"])  # noqa: S704
    return {**common, "subject": campaign.data["subject"], "body": body, "news": [told(n) for n in campaign.news or ()]}


def told(news: News) -> dict[str, Any]:
    """A new supplier in a newsletter."""
    return {"name": news.name, "municipality": municipality(news.municipality), "offerings": news.offerings[:5],
            "website": news.website}  # fmt: skip


def when(event: EventDetails, language: Language) -> str:
    """From when to when, in words."""
    return span(_wall(event.starts_at), _wall(event.ends_at), event.timezone, language)


def municipality(code: str) -> str:
    """The name of a municipality; its code where we do not know it."""
    return MUNICIPALITIES.get(code, code)


def _wall(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


VIEWS: dict[str, View] = {
    "confirm-subscription": of_confirmation,
    "supplier-welcome": of_welcome,
    "signup-confirmed": of_signup,
    "signup-waitlisted": of_signup,
    "signup-promoted": of_signup,
    "signup-cancelled": of_signup,
    "match-buyer": of_match,
    "match-supplier": of_match,
}
"""The kinds of transactional mails."""
