"""All messages that this version of the contracts knows, by publisher."""

import importlib
import pkgutil

from shared import contracts
from shared.contracts.base import MESSAGES, Command, Event, Message


def messages() -> dict[str, list[type[Message]]]:
    """Service -> its messages, commands first, in the order in which its contract module declares them."""
    for module in pkgutil.iter_modules(contracts.__path__):
        importlib.import_module(f"{contracts.__name__}.{module.name}")
    known: dict[str, list[type[Message]]] = {}
    for model in MESSAGES.values():
        if model.__module__.startswith(f"{contracts.__name__}."):
            known.setdefault(model.service_name, []).append(model)
    return {service: sorted(known[service], key=lambda model: issubclass(model, Event)) for service in sorted(known)}


def all_messages() -> list[type[Message]]:
    """The messages of all services."""
    return [model for models in messages().values() for model in models]


def commands(service: str) -> list[type[Command]]:
    """The commands that a service takes."""
    return [model for model in messages().get(service, []) if issubclass(model, Command)]


def events(service: str) -> list[type[Event]]:
    """The events that a service publishes."""
    return [model for model in messages().get(service, []) if issubclass(model, Event)]
