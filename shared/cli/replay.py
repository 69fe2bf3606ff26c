"""`replay --to <service>`: feed one service from the log of all events."""

import asyncio
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime

from shared.cli.problem import CliError


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--to", required=True, metavar="SERVICE", help="the consumer to feed; no other gets anything")
    parser.add_argument("--since", type=moment, metavar="TIME", help="none older, such as 2026-11-01T00:00:00+01:00")
    parser.add_argument("--type", action="append", default=[], help="only types like this, such as '*signup-*'")


def moment(text: str) -> datetime:
    """A point in time (RFC 3339); UTC where no offset is given."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a time such as 2026-11-01T00:00:00+01:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def run(arguments: Namespace) -> int:
    """Replay to the end of the log and say how many events were sent."""
    return asyncio.run(_replay(arguments))


async def _replay(arguments: Namespace) -> int:
    from aio_pika.exceptions import ChannelNotFoundEntity

    from shared.cli.connection import amqp_url, clear_errors
    from shared.messaging.publisher import Publisher, Unconfirmed
    from shared.messaging.replay import replay

    url = amqp_url()
    publisher = Publisher(str(url), "rummelig-replay")
    sent = 0
    with clear_errors(url):
        try:
            async for _ in replay(publisher, arguments.to, since=arguments.since, types=arguments.type):
                sent += 1
        except (Unconfirmed, ChannelNotFoundEntity) as error:
            raise CliError(f"stopped after {sent} events: {error}; is {arguments.to!r} a service here?") from None
        finally:
            await publisher.close()
    print(f"{sent} events sent to {arguments.to}")
    return 0
