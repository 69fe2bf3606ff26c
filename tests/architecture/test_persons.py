"""No service forgets a person: every field that holds an address is known to erasure and access."""

import importlib
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from deploy.catalog import service_names, service_tables
from shared.contracts.base import Message
from shared.contracts.person import Erasure, ErasureCommand, ExportCommand
from shared.persons.held import Persons
from shared.persons.mentions import address_fields

TABLES = service_tables()
ADDRESS_NAMES = ("email", "mail_to", "recipient", "reply_to", "sender", "contact", "address")
"""Fields called so, or with an ending like `_email`, hold an address of a person; other than those in NO_ADDRESSES."""
NO_ADDRESSES = {"Place.address", "PlaceState.address"}
"""Where people meet."""


def persons(service: str) -> Persons:
    found: Persons = importlib.import_module(f"services.{service}.persons").PERSONS
    return found


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and all that stand in it."""
    yield model
    for field in model.model_fields.values():
        for inner in _models(field.annotation):
            yield from models(inner)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType, tuple, list, dict):
        for argument in get_args(annotation):
            yield from _models(argument)


def undeclared(model: type[BaseModel]) -> list[str]:
    """Fields whose name says that an address stands in them, and whose type does not."""
    return [
        f"{each.__name__}.{name}"
        for each in models(model)
        for name in each.model_fields
        if (name in ADDRESS_NAMES or name.endswith(tuple(f"_{n}" for n in ADDRESS_NAMES)))
        and (name,) not in address_fields(each)
        and f"{each.__name__}.{name}" not in NO_ADDRESSES
    ]


@pytest.mark.parametrize("service", service_names())
def test_every_service_erases_and_tells(service: str):
    tables = TABLES[service]
    for base in (ErasureCommand, ExportCommand):
        (command,) = [model for model in tables.commands if issubclass(model, base)]
        assert command.senders == (), "only the operator"
        assert command.traceless
    assert [event for event in tables.publishes if issubclass(event, Erasure)]


@pytest.mark.parametrize("service", service_names())
def test_every_stored_address_is_declared(service: str):
    """A new collection, or a new field with an address, is named in `persons.py`."""
    table, store = persons(service), importlib.import_module(f"services.{service}.store")
    assert table.repositories == tuple(store.REPOSITORIES)
    for repository in store.REPOSITORIES:
        assert undeclared(repository.model) == []
        held = table.held.get(repository.name)
        stored = {".".join(path) for path in address_fields(repository.model)}
        assert stored == set(held.addresses if held else ()), f"{service}: {repository.name}"


@pytest.mark.parametrize("service", service_names())
def test_every_address_in_a_message_is_declared(service: str):
    tables = TABLES[service]
    found: list[type[Message]] = [*tables.commands, *tables.publishes, *tables.consumes]
    assert [name for model in found for name in undeclared(model)] == []


def test_a_field_that_is_not_declared_is_found():
    class Forgetful(BaseModel):
        email: str
        contact_email: str | None = None

    class Around(BaseModel):
        parts: tuple[Forgetful, ...]

    assert undeclared(Around) == ["Forgetful.email", "Forgetful.contact_email"]


@pytest.mark.parametrize("service", service_names())
def test_nobody_but_the_operator_may_have_persons_erased(service: str):
    assert [m for m in TABLES[service].commands if m.traceless and m.senders] == []
