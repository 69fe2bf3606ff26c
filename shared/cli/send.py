"""`send <service> <command> [file|-]`: one command to a service, and its reply."""

import asyncio
import json
import sys
import uuid
from argparse import ArgumentParser, Namespace
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.cli.problem import CliError
from shared.contracts.base import Envelope, Reply
from shared.contracts.known import commands
from shared.contracts.problems import Invalid


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("service", help="such as supplier")
    parser.add_argument("command", help="such as register-supplier, or register-supplier.v1 for a certain version")
    parser.add_argument("file", nargs="?", default="-", help="JSON: the data, or a whole CloudEvent; - is stdin")
    parser.add_argument("--id", help="the message id; the same id again gives the same reply and no second effect")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="wait so long (default 30)")


def run(arguments: Namespace) -> int:
    """Send, wait, print the reply. 0: done; 1: a problem."""
    from shared.cli.connection import amqp_url, user_of

    key = routing_key(arguments.service, arguments.command)
    url = amqp_url()
    event = cloud_event(arguments.service, key, read_json(arguments.file), source=f"/cli/{user_of(url)}")
    if arguments.id:
        event["id"] = arguments.id
    check(event)
    reply = asyncio.run(_ask(url, arguments.service, key, event, arguments.timeout))
    print(reply.model_dump_json(indent=2, exclude_none=True))
    return 0 if reply.ok else 1


def routing_key(service: str, command: str) -> str:
    """The command's routing key; the newest version where none is given. CliError names the commands there are."""
    known = sorted(commands(service), key=lambda model: model.message_version)
    keys = {name: model.routing_key() for model in known for name in (model.message_name, model.routing_key())}
    if not known:  # a service that came later than this program
        return command if "." in command else f"{command}.v1"
    if command not in keys:
        raise CliError(f"{service} takes no {command!r}; it takes: {', '.join(m.message_name for m in known)}")
    return keys[command]


def read_json(file: str) -> dict[str, Any]:
    """The JSON object in a file, or in what comes on stdin for `-`."""
    try:
        if file == "-" and sys.stdin.isatty():
            print("reading JSON; end with Ctrl-D", file=sys.stderr)
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        found = json.loads(text)
    except OSError as error:
        raise CliError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:  # JSON and UTF-8
        raise CliError(f"{'stdin' if file == '-' else file} holds no JSON: {error}") from None
    if not isinstance(found, dict):
        raise CliError("the JSON must be an object: the command's data, or a whole CloudEvent")
    return found


def cloud_event(service: str, key: str, found: dict[str, Any], source: str) -> dict[str, Any]:
    """The CloudEvent to send: as found where it is one, else around the data."""
    type = f"dk.rummelig.{service}.{key}"  # noqa: A001 - the attribute's name
    if "specversion" not in found:
        id = str(uuid.uuid4())  # noqa: A001 - the attribute's name
        return {"specversion": "1.0", "id": id, "source": source, "type": type, "data": found}
    if found.get("type") != type:
        raise CliError(f"the CloudEvent is a {found.get('type')!r}, not a {type!r}")
    return dict(found)


def check(event: dict[str, Any]) -> None:
    """CliError where it is no CloudEvent; what stands in its data is for the service to judge."""
    try:
        Envelope.model_validate(event)
    except ValidationError as error:
        raise CliError(f"not a CloudEvent: {Invalid.of(error).detail}") from None


async def _ask(url: Any, service: str, key: str, event: dict[str, Any], timeout: float) -> Reply:
    from aio_pika.exceptions import ChannelNotFoundEntity, PublishError

    from shared.cli.connection import clear_errors
    from shared.messaging.client import Client, NoReply

    body = json.dumps(event, ensure_ascii=False).encode()
    again = f"ask again with --id {event['id']}"
    try:
        with clear_errors(url):
            client = await Client(str(url), timeout=timeout).__aenter__()
        async with AsyncExitStack() as stack:
            stack.push_async_exit(client)
            return await client.send_body(service, key, body, event["id"])
    except NoReply as error:
        match error.__cause__:
            case PublishError() | ChannelNotFoundEntity():
                raise CliError(f"nothing takes commands for {service!r} on this broker: has it ever run?") from None
            case TimeoutError():
                waits = "the command may wait in its queue and still be carried out"
                raise CliError(f"no reply within {timeout:g} s; {waits}; {again}") from None
            case cause:
                raise CliError(f"the broker refused the command, or was lost: {cause}; {again}") from None
