"""Where network events and sign-ups are kept; an index for each query."""

from services.events.domain import NetworkEvent, Signup
from shared.store.port import Index
from shared.store.repository import Repository

EVENTS = Repository("events", NetworkEvent, indexes=(Index(("state", "starts")),))  # what is to come

SIGNUPS = Repository(
    "signups",
    Signup,
    indexes=(
        Index(("event_id", "attendance", "state", "arrival")),  # the waiting list in order; everyone who has a seat
        Index(("email", "event_id", "state")),  # a person's active sign-up for an event; all of a person's
    ),
)

REPOSITORIES = (EVENTS, SIGNUPS)
