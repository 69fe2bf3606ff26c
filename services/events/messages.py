"""What this service takes and tells: the one look."""

from collections.abc import Mapping

from services.events import handlers
from shared.contracts.base import Command, Event
from shared.contracts.events import (
    AnnounceEvent,
    CancelEvent,
    CancelSignup,
    ErasePerson,
    EventAnnounced,
    EventCancelled,
    ExportPerson,
    PersonErased,
    SignUp,
    SignupCancelled,
    SignupConfirmed,
    SignupPromoted,
    SignupWaitlisted,
)
from shared.messaging.executor import Handler

COMMANDS: Mapping[type[Command], Handler] = {
    AnnounceEvent: handlers.announce_event,
    SignUp: handlers.sign_up,
    CancelSignup: handlers.cancel_signup,
    CancelEvent: handlers.cancel_event,
    ErasePerson: handlers.erase_person,
    ExportPerson: handlers.export_person,
}

CONSUMES: Mapping[type[Event], Handler] = {}

PUBLISHES: tuple[type[Event], ...] = (
    EventAnnounced,
    SignupConfirmed,
    SignupWaitlisted,
    SignupPromoted,
    SignupCancelled,
    EventCancelled,
    PersonErased,
)
