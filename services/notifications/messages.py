"""What this service takes and tells: the one look."""

from collections.abc import Mapping

from services.notifications import handlers
from shared.contracts.base import Command, Event
from shared.contracts.events import (
    EventAnnounced,
    EventCancelled,
    SignupCancelled,
    SignupConfirmed,
    SignupPromoted,
    SignupWaitlisted,
)
from shared.contracts.notifications import (
    CampaignFinished,
    ErasePerson,
    ExportPerson,
    MailFailed,
    MailSent,
    PersonErased,
    SendCampaign,
    Subscribe,
    SubscriberUnsubscribed,
    SubscriptionConfirmed,
)
from shared.contracts.procurement import SupplierMatched
from shared.contracts.supplier import SupplierRegistered, SupplierUpdated, SupplierWithdrawn
from shared.messaging.executor import Handler

COMMANDS: Mapping[type[Command], Handler] = {
    Subscribe: handlers.request_subscription,
    SendCampaign: handlers.send_campaign,
    ErasePerson: handlers.erase_person,
    ExportPerson: handlers.export_person,
}

CONSUMES: Mapping[type[Event], Handler] = {
    SupplierRegistered: handlers.welcome_supplier,
    SupplierUpdated: handlers.refresh_supplier,
    SupplierWithdrawn: handlers.drop_supplier,
    EventAnnounced: handlers.announce_event,
    EventCancelled: handlers.stop_announcement,
    SignupConfirmed: handlers.tell_signup,
    SignupWaitlisted: handlers.tell_signup,
    SignupPromoted: handlers.tell_signup,
    SignupCancelled: handlers.tell_signup,
    SupplierMatched: handlers.tell_match,
}

PUBLISHES: tuple[type[Event], ...] = (
    SubscriptionConfirmed,
    SubscriberUnsubscribed,
    MailSent,
    MailFailed,
    CampaignFinished,
    PersonErased,
)
