"""Case 24 without a broker: every handler takes events as once sent, and as a newer publisher may send them."""

import importlib
import json
from typing import Any

import pytest

from deploy.catalog import service_names
from services.notifications.context import Context
from services.notifications.links import MailLinks
from shared.contracts.base import Command, Envelope, Event
from shared.contracts.types import EventPart
from shared.web.links import Signer
from tests.contracts.freeze import goldens
from tests.support.harness import harness

CONTEXTS = {"notifications": Context(MailLinks("http://127.0.0.1", Signer(f"k:{'s' * 32}")), "rummelig.example")}
CONSUMED = [
    pytest.param(service, json.loads(path.read_bytes()), id=f"{service} takes {path.stem}")
    for service in service_names()
    for event in importlib.import_module(f"services.{service}.messages").CONSUMES
    for path in goldens(event)
]


def service_harness(service: str) -> Any:
    messages = importlib.import_module(f"services.{service}.messages")
    repositories = importlib.import_module(f"services.{service}.store").REPOSITORIES
    return harness(messages, repositories, CONTEXTS.get(service))


@pytest.mark.parametrize(("service", "document"), CONSUMED)
async def test_a_new_consumer_takes_an_old_event(service: str, document: Any):
    async with service_harness(service) as running:
        reply = await running.take(Envelope.model_validate(document))
        assert reply.ok, reply.problem


@pytest.mark.parametrize(("service", "document"), CONSUMED)
async def test_an_old_consumer_takes_a_new_event_as_if_it_had_no_new_fields(service: str, document: Any):
    wider = {**document, "data": with_more(document["data"]), "newattribute": "x"}
    dumps = []
    for body in (document, wider):
        async with service_harness(service) as running:
            reply = await running.take(Envelope.model_validate(body))
            assert reply.ok, reply.problem
            dumps.append(await running.dump())
    assert dumps[0] == dumps[1]


def with_more(value: Any) -> Any:
    """With a field that nobody knows in every object."""
    if isinstance(value, dict):
        return {name: with_more(each) for name, each in value.items()} | {"new_in_2031": {"x": [1]}}
    if isinstance(value, list):
        return [with_more(each) for each in value]
    return value


def test_the_parts_of_events_ignore_what_they_do_not_know():
    assert Event.model_config["extra"] == EventPart.model_config["extra"] == "ignore"
    assert Command.model_config["extra"] == "forbid"
