"""Where subscribers, consents, campaigns and deliveries are kept; an index for each query."""

from services.notifications.domain import (
    Campaign,
    Consent,
    Delivery,
    HeardSignup,
    NewsItem,
    Subscriber,
    Suppression,
    Throttle,
)
from shared.store.port import Index
from shared.store.repository import Repository

SUBSCRIBERS = Repository(
    "subscribers",
    Subscriber,
    indexes=(
        Index(("topics",)),  # the audience of a topic
        Index(("ask.asked_at",)),  # what nobody confirmed
    ),
)

CONSENTS = Repository("consents", Consent, indexes=(Index(("subscriber_id", "at")),))  # a person's, in order

CAMPAIGNS = Repository("campaigns", Campaign, indexes=(Index(("state", "due_at")),))  # to be prepared; being sent

DELIVERIES = Repository(
    "deliveries",
    Delivery,
    indexes=(
        Index(("lane", "state", "due_at")),  # transactional ones that are due; all that somebody is sending
        Index(("campaign_id", "state", "due_at")),  # those of a campaign that are due; its tally
        Index(("erase_at",)),  # those whose content may go
        Index(("address_id", "created_at")),  # the last ones to an address
    ),
)

SUPPRESSIONS = Repository("suppressions", Suppression)

NEWS = Repository(
    "news",
    NewsItem,
    indexes=(
        Index(("state", "since")),  # what the next newsletter tells
        Index(("used_by",)),  # what a newsletter took
    ),
)

HEARD = Repository("heard_signups", HeardSignup, follows=True)

THROTTLES = Repository("throttles", Throttle)

REPOSITORIES = (SUBSCRIBERS, CONSENTS, CAMPAIGNS, DELIVERIES, SUPPRESSIONS, NEWS, HEARD, THROTTLES)
