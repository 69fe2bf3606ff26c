"""Every message shows a full example that its own model takes."""

import json
from datetime import UTC

import pytest
from pydantic import Field

from shared.contracts.base import MESSAGES, Command, Envelope, Event, Message
from shared.contracts.examples import NoExample, example, example_data, example_envelope
from shared.contracts.known import all_messages, commands, events, messages

COMMANDS = [model for model in all_messages() if issubclass(model, Command)]


@pytest.mark.parametrize("model", all_messages(), ids=lambda model: model.type())
def test_example(model: type[Message]):
    data = example_data(model)
    assert model.model_validate(data) == example(model)
    assert json.loads(json.dumps(data)) == data
    assert set(data) <= set(model.model_fields)


@pytest.mark.parametrize("model", COMMANDS, ids=lambda model: model.type())
def test_example_of_a_result(model: type[Command]):
    assert model.result.model_validate(example_data(model.result)) == example(model.result)


@pytest.mark.parametrize("model", all_messages(), ids=lambda model: model.type())
def test_envelope(model: type[Message]):
    envelope = example_envelope(model)
    assert Envelope.model_validate_json(envelope.to_json()) == envelope
    assert envelope == example_envelope(model)
    assert envelope.type == model.type()
    assert envelope.time.utcoffset() == UTC.utcoffset(None)
    if issubclass(model, Event):
        assert envelope.source == f"/{model.service_name}"
        assert envelope.subject == envelope.data[model.about]


def test_every_required_field_needs_an_example():
    class Bare(Event, abstract=True):
        about = "id"
        id: str

    with pytest.raises(NoExample, match=r"Bare\.id"):
        example(Bare)


def test_an_example_wins_over_a_default():
    class Mild(Event, abstract=True):
        about = "id"
        id: str = Field(default="0", examples=["1"])
        other: str | None = None

    assert example_data(Mild) == {"id": "1"}


def test_known_messages():
    assert set(messages()) == {"supplier", "events", "procurement", "notifications"}
    assert set(all_messages()) <= set(MESSAGES.values())
    assert [m.message_name for m in commands("supplier")] == [
        "register-supplier",
        "update-supplier",
        "withdraw-supplier",
        "erase-person",
        "export-person",
    ]
    assert "supplier-registered" in [m.message_name for m in events("supplier")]
    assert commands("weather") == []
