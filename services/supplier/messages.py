"""What this service takes and tells: the one look."""

from collections.abc import Mapping

from services.supplier import handlers
from shared.contracts.base import Command, Event
from shared.contracts.supplier import (
    ErasePerson,
    ExportPerson,
    PersonErased,
    RegisterSupplier,
    SupplierRegistered,
    SupplierUpdated,
    SupplierWithdrawn,
    UpdateSupplier,
    WithdrawSupplier,
)
from shared.messaging.executor import Handler

COMMANDS: Mapping[type[Command], Handler] = {
    RegisterSupplier: handlers.register_supplier,
    UpdateSupplier: handlers.update_supplier,
    WithdrawSupplier: handlers.withdraw_supplier,
    ErasePerson: handlers.erase_person,
    ExportPerson: handlers.export_person,
}

CONSUMES: Mapping[type[Event], Handler] = {}

PUBLISHES: tuple[type[Event], ...] = (
    SupplierRegistered,
    SupplierUpdated,
    SupplierWithdrawn,
    PersonErased,
)
