"""`contracts [service] [message]`: the messages there are, and the schema and an example of one."""

import inspect
import json
from argparse import ArgumentParser, Namespace
from typing import Any

from shared.cli.problem import CliError
from shared.contracts.base import Command, Message
from shared.contracts.examples import example_data, example_envelope
from shared.contracts.known import messages


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("service", nargs="?", help="only this service's messages")
    parser.add_argument("message", nargs="?", help="show this one: its JSON Schema and a whole example")
    parser.add_argument("--example", action="store_true", help="print only example data, as `send` takes it")


def run(arguments: Namespace) -> int:
    """List, or show one."""
    known = messages()
    if arguments.service and arguments.service not in known:
        raise CliError(f"there is no service {arguments.service!r}; there are: {', '.join(known)}")
    if arguments.message:
        model = find(arguments.service, arguments.message)
        shown = example_data(model) if arguments.example else described(model)
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    elif arguments.example:
        raise CliError("--example needs a service and a message")
    else:
        print("\n".join(listed(known if not arguments.service else {arguments.service: known[arguments.service]})))
    return 0


def find(service: str, name: str) -> type[Message]:
    """A message by its name, with or without the version; the newest where it is left out."""
    models = sorted(messages()[service], key=lambda model: -model.message_version)
    for model in models:
        if name in (model.message_name, model.routing_key(), model.type()):
            return model
    names = ", ".join(dict.fromkeys(model.message_name for model in messages()[service]))
    raise CliError(f"{service} has no message {name!r}; it has: {names}")


def described(model: type[Message]) -> dict[str, Any]:
    """What an integrator needs to know of a message."""
    command = model if issubclass(model, Command) else None
    answer = {"reply": command.result.model_json_schema(), "senders": list(command.senders)} if command else {}
    return {
        "type": model.type(),
        "kind": "command" if command else "event",
        "about": inspect.getdoc(model),
        "exchange": f"{model.service_name}.{'commands' if command else 'events'}",
        "routing_key": model.routing_key(),
        "data": model.model_json_schema(),
        **answer,
        "example": example_envelope(model).model_dump(mode="json", exclude_none=True),
    }


def listed(known: dict[str, list[type[Message]]]) -> list[str]:
    """A line each: service, kind, name with version, what it is."""
    rows = [
        (service, "command" if issubclass(model, Command) else "event", model.routing_key(), _first_line(model))
        for service, models in known.items()
        for model in models
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows]


def _first_line(model: type[Message]) -> str:
    return (inspect.getdoc(model) or "").partition("\n")[0]
