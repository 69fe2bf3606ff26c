"""What the generated users may and may not do on a real broker."""

import aio_pika
import pytest
from aio_pika.exceptions import AMQPError

from deploy.rabbitmq.definitions import FILE, definitions, to_json


def test_the_committed_definitions_are_those_of_the_tables():
    assert FILE.read_text(encoding="utf-8") == to_json(), "stale: python -m deploy.rabbitmq.definitions"


def test_without_passwords_nobody_can_log_in():
    assert {user["password_hash"] for user in definitions()["users"]} == {""}


async def refused(broker, user: str, act) -> bool:
    """Whether the broker refuses; each try on a connection of its own, since a refusal closes the channel."""
    connection = await aio_pika.connect(broker.url(user))
    try:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await act(channel)
    except AMQPError:
        return True
    finally:
        await connection.close()
    return False


def consume(queue: str):
    async def act(channel) -> None:
        found = await channel.get_queue(queue, ensure=False)
        await found.get(fail=False)

    return act


def publish(exchange: str, user: str | None = None):
    async def act(channel) -> None:
        found = await channel.get_exchange(exchange, ensure=False)
        await found.publish(aio_pika.Message(b"x", user_id=user), routing_key="nobody.listens.v1", mandatory=False)

    return act


def delete(queue: str):
    async def act(channel) -> None:
        await channel.queue_delete(queue, if_unused=True)

    return act


@pytest.mark.parametrize(
    ("user", "verb", "what", "expected"),
    [
        ("supplier", consume, "supplier.commands", False),
        ("supplier", publish, "supplier.outbox as supplier", False),
        ("supplier", consume, "events.commands", True),
        ("supplier", consume, "procurement.from.supplier", True),
        ("supplier", publish, "events.outbox", True),
        ("supplier", publish, "events.events", True),
        ("supplier", publish, "supplier.outbox as events", True),
        ("supplier", delete, "events.log", True),
        ("events", delete, "events.log", True),
        ("integrator", publish, "events.commands as integrator", False),
        ("integrator", publish, "events.commands as supplier", True),
        ("integrator", publish, "events.events", True),
        ("integrator", publish, "supplier.outbox", True),
        ("integrator", consume, "supplier.commands", True),
        ("integrator", consume, "supplier.dead", True),
        ("integrator", delete, "supplier.dead", True),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_each_user_has_what_it_needs_and_no_more(broker, user, verb, what, expected):
    assert await refused(broker, user, verb(*what.split(" as "))) is expected
