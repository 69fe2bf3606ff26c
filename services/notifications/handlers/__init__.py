"""What each message does: load, decide, save. `work.context` is the service's Context."""

from services.notifications.handlers.campaigns import announce_event, send_campaign, stop_announcement
from services.notifications.handlers.matches import tell_match
from services.notifications.handlers.persons import erase_person, export_person
from services.notifications.handlers.signups import tell_signup
from services.notifications.handlers.subscribing import request_subscription
from services.notifications.handlers.suppliers import drop_supplier, refresh_supplier, welcome_supplier

__all__ = [
    "announce_event",
    "drop_supplier",
    "erase_person",
    "export_person",
    "refresh_supplier",
    "request_subscription",
    "send_campaign",
    "stop_announcement",
    "tell_match",
    "tell_signup",
    "welcome_supplier",
]
