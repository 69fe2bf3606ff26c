"""Rules of subscribing, of campaigns and of deliveries: pure, without store, broker, mail server or clock."""

from services.notifications.domain.campaign import (
    Campaign,
    announcement,
    announcement_id,
    ordered_campaign,
    unannounced,
)
from services.notifications.domain.consent import TEXTS, Consent, Seen
from services.notifications.domain.delivery import (
    OPEN,
    Bounce,
    Delivery,
    DeliveryState,
    Lane,
    Patience,
    delivery,
    ended_unseen,
)
from services.notifications.domain.heard import HeardSignup
from services.notifications.domain.letter import Letter, instant, match_letters, signup_letter, welcome
from services.notifications.domain.news import News, NewsItem
from services.notifications.domain.subscriber import LINK_DAYS, Asked, Subscriber
from services.notifications.domain.suppression import Suppression
from services.notifications.domain.throttle import Pace, Throttle
from services.notifications.domain.topics import TOPICS, ordered, topic_name
from shared.contracts.identity import address_id

__all__ = [
    "LINK_DAYS",
    "OPEN",
    "TEXTS",
    "TOPICS",
    "Asked",
    "Bounce",
    "Campaign",
    "Consent",
    "Delivery",
    "DeliveryState",
    "HeardSignup",
    "Lane",
    "Letter",
    "News",
    "NewsItem",
    "Pace",
    "Patience",
    "Seen",
    "Subscriber",
    "Suppression",
    "Throttle",
    "address_id",
    "announcement",
    "announcement_id",
    "delivery",
    "ended_unseen",
    "instant",
    "match_letters",
    "ordered",
    "ordered_campaign",
    "signup_letter",
    "topic_name",
    "unannounced",
    "welcome",
]
