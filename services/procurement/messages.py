"""What this service takes and tells: the one look."""

from collections.abc import Mapping

from services.procurement import handlers
from shared.contracts.base import Command, Event
from shared.contracts.procurement import (
    CloseDemand,
    DemandClosed,
    DemandPublished,
    ErasePerson,
    ExportPerson,
    PersonErased,
    PublishDemand,
    SupplierMatched,
)
from shared.contracts.supplier import SupplierRegistered, SupplierUpdated, SupplierWithdrawn
from shared.messaging.executor import Handler

COMMANDS: Mapping[type[Command], Handler] = {
    PublishDemand: handlers.publish_demand,
    CloseDemand: handlers.close_demand,
    ErasePerson: handlers.erase_person,
    ExportPerson: handlers.export_person,
}

CONSUMES: Mapping[type[Event], Handler] = {
    SupplierRegistered: handlers.copy_supplier,
    SupplierUpdated: handlers.copy_supplier,
    SupplierWithdrawn: handlers.forget_supplier,
}

PUBLISHES: tuple[type[Event], ...] = (
    DemandPublished,
    SupplierMatched,
    DemandClosed,
    PersonErased,
)
