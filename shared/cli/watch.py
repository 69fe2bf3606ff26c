"""`watch [pattern]`: events as they come, a line each."""

import asyncio
import contextlib
import json
import sys
import uuid
from argparse import ArgumentParser, Namespace
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

from shared.cli.plain import plain
from shared.cli.problem import CliError
from shared.contracts.base import Envelope, Event
from shared.contracts.known import messages

PREFETCH = 100


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "pattern",
        nargs="?",
        default="#",
        help="which events: a name such as supplier-registered, signup-* for several, or a topic pattern of routing "
        "keys such as *.v1; all where it is left out",
    )
    parser.add_argument("--json", action="store_true", help="print each event as it came, one JSON document a line")
    parser.add_argument("--count", type=int, metavar="N", help="stop after N events")


def run(arguments: Namespace) -> int:
    """Print events until Ctrl-C, or until as many as asked for have come."""
    from shared.cli.connection import amqp_url

    if arguments.count is not None and arguments.count < 1:
        raise CliError("--count must be at least 1")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(amqp_url(), arguments))
    return 0


def binding(pattern: str) -> str:
    """The topic binding that lets through at least what the pattern means: a `*` there stands for whole words only."""
    words = pattern.split(".")
    if any(set(word) & set("*?[") and word != "*" for word in words):
        return "#"
    return pattern if len(words) > 1 or pattern in ("*", "#") else f"{pattern}.*"


def wanted(pattern: str, key: str) -> bool:
    """Whether an event that the binding let through is meant."""
    if binding(pattern) != "#" or pattern == "#":
        return True
    return fnmatchcase(key, pattern) or fnmatchcase(key.partition(".")[0], pattern)


def line(body: bytes, key: str) -> str:
    """An event for people: when, what, which one at which version, and its data."""
    try:
        event = Envelope.model_validate_json(body)
    except ValidationError:
        return f"{key}  (not a CloudEvent)  {body!r}"
    version = f" v{event.aggregateversion}" if event.aggregateversion is not None else ""
    data = json.dumps(event.data, ensure_ascii=False)
    return f"{event.time:%H:%M:%S}  {event.source.strip('/')}  {key}  {event.subject}{version}  {plain(data)}"


async def _watch(url: Any, arguments: Namespace) -> None:
    from shared.cli.connection import connected, user_of

    async with connected(url) as connection:
        arrived: asyncio.Queue[Any] = asyncio.Queue()
        connection.close_callbacks.add(lambda *_: arrived.put_nowait(None))
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        # Named after the user: an operator sees whose it is, and the broker lets users make queues of such names.
        name = f"{user_of(url)}.watch.{uuid.uuid4().hex[:12]}"
        queue = await _declared(channel, name)
        services = await _bound(connection, name, binding(arguments.pattern))
        await queue.consume(arrived.put)
        print(f"watching {arguments.pattern} of {', '.join(services)}; Ctrl-C ends it", file=sys.stderr, flush=True)
        await _print(arrived, arguments)


async def _declared(channel: Any, name: str) -> Any:
    from aio_pika.exceptions import AMQPError

    try:
        return await channel.declare_queue(name, exclusive=True, auto_delete=True)
    except AMQPError as error:
        raise CliError(f"the broker refused a queue of my own: {error}") from None


async def _bound(connection: Any, queue: str, key: str) -> list[str]:
    """Bind the queue to every events exchange that is there; returns the services."""
    from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity

    bound = []
    for service in (name for name, models in messages().items() if any(issubclass(m, Event) for m in models)):
        channel = await connection.channel()  # one for each: the broker closes it where the exchange is missing
        try:
            await (await channel.get_queue(queue, ensure=False)).bind(f"{service}.events", key)
            bound.append(service)
            await channel.close()
        except ChannelNotFoundEntity:
            print(f"{service} has not declared its events yet; not watched", file=sys.stderr)
        except AMQPError as error:
            raise CliError(f"the broker does not let me hear {service}.events: {error}") from None
    if not bound:
        raise CliError("no service has declared its events on this broker")
    return bound


async def _print(arrived: asyncio.Queue[Any], arguments: Namespace) -> None:
    left = arguments.count
    while left is None or left > 0:
        message = await arrived.get()
        if message is None:
            raise CliError("the connection to the broker broke")
        if wanted(arguments.pattern, message.routing_key):
            text = message.body.decode(errors="replace") if arguments.json else line(message.body, message.routing_key)
            print(text, flush=True)
            left = None if left is None else left - 1
        await message.ack()
