"""docs/asyncapi.yaml and the README's table say what the code does, and AsyncAPI's own tools can read it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from deploy.catalog import service_tables
from deploy.contracts import readme
from deploy.contracts.asyncapi import FILE, document, to_yaml

MEND = "is stale: run python -m deploy.contracts"
SPEC = Path(__file__).with_name("asyncapi-3.0.0.json")
DOCUMENT = document()
MESSAGES = DOCUMENT["components"]["messages"]


def payload_validator(message: str) -> Draft202012Validator:
    """Checks a payload against a message of the document, references included."""
    schema = {"components": DOCUMENT["components"], **MESSAGES[message]["payload"]}
    return Draft202012Validator(schema, format_checker=FormatChecker())


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(target := node.get("$ref"), str):
            yield target
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def resolve(pointer: str) -> Any:
    node: Any = DOCUMENT
    for part in pointer.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_the_file_is_up_to_date():
    assert FILE.read_text(encoding="utf-8") == to_yaml(), f"docs/asyncapi.yaml {MEND}"


def test_the_readme_is_up_to_date():
    text = readme.README.read_text(encoding="utf-8")
    assert text == readme.with_table(text), f"README.md {MEND}"


def test_the_readme_keeps_what_stands_around_the_table():
    text = f"# Title\n{readme.START}\nold\n{readme.END}\nthe rest\n"
    new = readme.with_table(text)
    assert new.startswith(f"# Title\n{readme.START}\n")
    assert new.endswith(f"{readme.END}\nthe rest\n")
    assert "| `supplier-registered` | supplier |" in new
    assert "old" not in new
    assert readme.with_table(new) == new


def test_a_readme_without_markers_is_told():
    with pytest.raises(ValueError, match="generated: messages"):
        readme.with_table("# Title\n")


def test_the_document_is_valid_asyncapi_3():
    specification = json.loads(SPEC.read_text(encoding="utf-8"))
    errors = [f"{error.json_path}: {error.message}" for error in Draft7Validator(specification).iter_errors(DOCUMENT)]
    assert not errors, "\n".join(errors)


def test_the_specification_that_it_is_checked_with_has_teeth():
    specification = json.loads(SPEC.read_text(encoding="utf-8"))
    wrong = json.loads(json.dumps(DOCUMENT))
    next(iter(wrong["operations"].values()))["action"] = "shout"
    assert not Draft7Validator(specification).is_valid(wrong)


def test_every_reference_leads_somewhere():
    for target in set(references(DOCUMENT)):
        assert target.startswith("#/")
        resolve(target)


def test_operations_use_messages_of_their_own_channel():
    for name, operation in DOCUMENT["operations"].items():
        for part in (operation, operation.get("reply")):
            for message in part["messages"] if part else ():
                assert message["$ref"].startswith(f"{part['channel']['$ref']}/messages/"), name


@pytest.mark.parametrize("name", MESSAGES)
def test_examples_fit_their_schema(name: str):
    assert MESSAGES[name]["examples"]
    for shown in MESSAGES[name]["examples"]:
        payload_validator(name).validate(shown["payload"])


def test_the_schema_refuses_what_the_service_refuses():
    name = "dk.rummelig.supplier.register-supplier.v1"
    good = MESSAGES[name]["examples"][0]["payload"]
    for wrong in (
        good | {"type": "dk.rummelig.supplier.register-supplier.v2"},
        good | {"specversion": "0.3"},
        good | {"data": good["data"] | {"colour": "red"}},
        good | {"data": {k: v for k, v in good["data"].items() if k != "cvr"}},
        good | {"data": good["data"] | {"offerings": []}},
        {k: v for k, v in good.items() if k != "id"},
    ):
        with pytest.raises(ValidationError):
            payload_validator(name).validate(wrong)


def test_everything_in_the_tables_is_told():
    operations = DOCUMENT["operations"]
    for service, tables in service_tables().items():
        for command in tables.commands:
            operation = operations[f"{service}.takes.{command.routing_key()}"]
            assert operation["action"] == "receive"
            assert operation["reply"]["messages"][-1]["$ref"].endswith("/problem")
            channel = resolve(operation["channel"]["$ref"])
            assert channel["address"] == command.routing_key()
            assert channel["bindings"]["amqp"]["exchange"]["name"] == f"{service}.commands"
        for event in tables.publishes:
            operation = operations[f"{service}.tells.{event.routing_key()}"]
            assert operation["action"] == "send"
            exchange = resolve(operation["channel"]["$ref"])["bindings"]["amqp"]["exchange"]
            assert exchange["name"] == f"{service}.events"
        for event in tables.consumes:
            operation = operations[f"{service}.hears.{event.service_name}.{event.routing_key()}"]
            assert resolve(operation["channel"]["$ref"])["address"] == f"{service}.from.{event.service_name}"


def test_the_yaml_means_the_same_to_readers_of_yaml_1_2():
    text = to_yaml()
    assert yaml.safe_load(text) == DOCUMENT
    assert not re.search(r"(: |- )0\d+$", text, re.MULTILINE)  # 0791 would be a number there
