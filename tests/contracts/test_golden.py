"""Messages that were sent once are understood for ever."""

import json
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_rabbitmq_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import Field, ValidationError

from shared.contracts.base import CONTENT_TYPE, MESSAGES, Envelope, Event, Message
from shared.contracts.known import all_messages
from shared.contracts.supplier import RegisterSupplier, SupplierWithdrawn
from tests.contracts.freeze import GOLDEN, freeze, goldens

FILES = sorted(GOLDEN.glob("*.json"))
NAMES = [path.stem for path in FILES]


def understood(document: str, model: type[Message]) -> None:
    """Parse an old envelope; every field that was sent is still there with its value."""
    envelope = Envelope.model_validate_json(document)
    old = json.loads(document)
    assert_within(old, json.loads(envelope.to_json()), "envelope")
    assert_within(old["data"], model.model_validate(envelope.data).model_dump(mode="json"), "data")


def assert_within(old: Any, new: Any, path: str) -> None:
    """Every field of `old` is in `new` with the same value; `new` may have more."""
    if isinstance(old, dict):
        assert isinstance(new, dict), path
        for name, value in old.items():
            assert name in new, f"{path}.{name} is gone"
            assert_within(value, new[name], f"{path}.{name}")
    elif isinstance(old, list):
        assert len(old) == len(new), path
        for place, (one, other) in enumerate(zip(old, new, strict=True)):
            assert_within(one, other, f"{path}.{place}")
    else:
        assert old == new, path


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_old_message_is_understood(path: Path):
    document = path.read_text(encoding="utf-8")
    all_messages()
    name = json.loads(document)["type"]
    assert name in MESSAGES, f"{name} was sent once and is unknown now: keep its model beside the new version"
    understood(document, MESSAGES[name])


@pytest.mark.parametrize("model", all_messages(), ids=lambda model: model.type())
def test_every_message_has_a_golden_file(model: type[Message]):
    assert goldens(model), f"{model.type()} has no golden file: run python -m tests.contracts.freeze"


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_the_cloudevents_sdk_reads_it(path: Path):
    document = path.read_bytes()
    event = from_rabbitmq_event(RabbitMQMessage(headers={}, content_type=CONTENT_TYPE, body=document))
    sent = json.loads(document)
    assert event.get_id() == sent["id"]
    assert event.get_type() == sent["type"]
    assert event.get_source() == sent["source"]
    assert event.get_subject() == sent.get("subject")
    assert event.get_datacontenttype() == "application/json"
    assert event.get_extension("aggregateversion") == sent.get("aggregateversion")
    assert event.get_data() == sent["data"]


def test_what_the_cloudevents_sdk_writes_is_understood():
    attributes = {"id": "1", "source": "/their-program", "type": RegisterSupplier.type()}
    envelope = Envelope.model_validate_json(JSONFormat().write(CloudEvent(attributes, {"cvr": "13585628"})))
    assert (envelope.id, envelope.source, envelope.data) == ("1", "/their-program", {"cvr": "13585628"})


class Withdrawn(Event, abstract=True):
    about = "supplier_id"
    service_name, message_name = "supplier", "supplier-withdrawn"
    supplier_id: str = Field(examples=["1"])
    cvr: str = Field(examples=["13585628"])
    name: str = Field(examples=["Genbrugsværkstedet ApS"])


class WithAnOptionalField(Withdrawn, abstract=True):
    reason: str = Field(default="", examples=["closed"])


class WithARequiredField(Withdrawn, abstract=True):
    reason: str = Field(examples=["closed"])


class WithoutAField(Event, abstract=True):
    about = "supplier_id"
    supplier_id: str


def test_a_new_optional_field_breaks_nothing():
    understood(goldens(SupplierWithdrawn)[0].read_text(encoding="utf-8"), WithAnOptionalField)


@pytest.mark.parametrize(("model", "found"), [(WithARequiredField, ValidationError), (WithoutAField, AssertionError)])
def test_a_breaking_change_is_noticed(model: type[Message], found: type[Exception]):
    with pytest.raises(found):
        understood(goldens(SupplierWithdrawn)[0].read_text(encoding="utf-8"), model)


def test_freezing_adds_and_never_overwrites(tmp_path: Path):
    (first,) = freeze([Withdrawn], tmp_path)
    frozen = first.read_bytes()
    assert freeze([Withdrawn], tmp_path) == []
    (second,) = freeze([WithAnOptionalField], tmp_path)
    assert second.name == "dk.rummelig.supplier.supplier-withdrawn.v1.2.json"
    assert first.read_bytes() == frozen
    assert freeze([WithAnOptionalField, Withdrawn], tmp_path) == []
    assert goldens(Withdrawn, tmp_path) == [first, second]
