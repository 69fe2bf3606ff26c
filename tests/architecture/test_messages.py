"""The publish/consume graph has no loose end, and the tables and the contracts say the same."""

import inspect
import re
import typing
from collections import Counter

import pytest

from deploy.catalog import service_tables
from shared.contracts.base import Command, Event, Message
from shared.contracts.known import all_messages, messages
from shared.messaging.executor import Handler
from shared.messaging.gathering import Decide, Gathered
from shared.store.work import Work

TABLES = service_tables()
HANDLERS = [
    pytest.param(name, model, handler, id=f"{name}-{model.type()}")
    for name, tables in TABLES.items()
    for model, handler in [*tables.commands.items(), *tables.consumes.items()]
]


def test_a_contract_module_belongs_to_a_service():
    assert set(messages()) <= set(TABLES)


@pytest.mark.parametrize("model", all_messages(), ids=lambda model: model.type())
def test_every_message_is_in_the_tables_of_its_service(model: type[Message]):
    tables = TABLES[model.service_name]
    assert model in (tables.commands if issubclass(model, Command) else tables.publishes)


@pytest.mark.parametrize("service", TABLES)
def test_a_service_takes_and_tells_only_its_own(service: str):
    tables = TABLES[service]
    assert {model.service_name for model in (*tables.commands, *tables.publishes)} <= {service}
    assert all(issubclass(model, Command) for model in tables.commands)
    assert all(issubclass(model, Event) for model in (*tables.publishes, *tables.consumes))
    assert max(Counter(tables.publishes).values(), default=1) == 1


@pytest.mark.parametrize("service", TABLES)
def test_what_is_consumed_is_published(service: str):
    for event in TABLES[service].consumes:
        assert event.service_name != service, f"{service} hears itself: {event.type()}"
        assert event in TABLES[event.service_name].publishes, f"nobody publishes {event.type()}"


@pytest.mark.parametrize("service", TABLES)
def test_what_is_published_is_consumed(service: str):
    heard = {event for tables in TABLES.values() for event in tables.consumes}
    for event in TABLES[service].publishes:
        assert event.optional == (event not in heard), f"{event.type()}: optional means that nobody here consumes it"


@pytest.mark.parametrize(("service", "model", "handler"), HANDLERS)
def test_handler(service: str, model: type[Message], handler: Handler):
    """`async def verb_object(message, work) -> result`, in the service's own handlers. Gathered: of all that wait."""
    name = handler.__name__
    function = handler.load if isinstance(handler, Gathered) else handler
    assert inspect.iscoroutinefunction(function)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name), f"{name}: verb_object"
    module = f"services.{service}.handlers"
    assert handler.__module__ == module or handler.__module__.startswith(f"{module}.")
    assert inspect.getdoc(handler), f"{name} says what it does"
    message, work = list(inspect.signature(function).parameters)
    hints = typing.get_type_hints(function)
    assert hints[work] is Work
    assert issubclass(model, typing.get_args(hints[message]) or hints[message])
    if isinstance(handler, Gathered):
        assert (typing.get_origin(hints["return"]), *typing.get_args(hints["return"])) == (
            Decide,
            getattr(model, "result", None),
        )
    elif issubclass(model, Command):
        assert hints["return"] in (model.result, model.result | None), f"{name} returns {model.result.__name__}"
    else:
        assert hints["return"] is type(None), f"{name}: an event has no reply"


@pytest.mark.parametrize("model", all_messages(), ids=lambda model: model.type())
def test_message(model: type[Message]):
    assert inspect.getdoc(model)
    if issubclass(model, Event):
        assert model.about in model.model_fields
        assert model.model_config.get("extra") == "ignore"
    elif issubclass(model, Command):
        assert model.key is None or model.key in model.model_fields
        assert model.model_config.get("extra") == "forbid"
