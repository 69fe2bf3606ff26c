"""The connection of a command to the broker, with errors that a person can act on."""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPConnectionError, AMQPError, ProbableAuthenticationError
from yarl import URL

from shared.cli.problem import CliError
from shared.messaging.publisher import Publisher
from shared.settings import SettingError, check_tls, from_file

VARIABLE = "RUMMELIG_AMQP_URL"
FORM = "amqp://user:password@host:5672/"
CONNECT_SECONDS = 10.0


def amqp_url() -> URL:
    """The broker to talk to, from the environment. CliError where none is given or it is no AMQP address."""
    try:
        text = from_file(VARIABLE) or os.environ.get(VARIABLE, "").strip()
    except SettingError as error:
        raise CliError(str(error)) from None
    if not text:
        raise CliError(f"{VARIABLE} is not set: give the broker's address as {FORM}, or start one with ./rummelig up")
    try:
        url = URL(text)
        valid = url.scheme in ("amqp", "amqps") and bool(url.host)
    except ValueError:
        valid = False
    if not valid:
        raise CliError(f"{VARIABLE} is not an address such as {FORM}")
    try:
        check_tls(text)
    except ValueError as error:
        raise CliError(f"{VARIABLE}: {error}") from None
    return url


def user_of(url: URL) -> str:
    """The broker user that the address logs in as; RabbitMQ wants the same in the user_id of each message."""
    return url.user or "guest"


@contextmanager
def clear_errors(url: URL) -> Iterator[None]:
    """Turns what goes wrong with connecting into a CliError that names the broker, never the password."""
    for library in ("aiormq", "aio_pika"):  # their log lines tell a person nothing that the error does not
        logging.getLogger(library).addHandler(logging.NullHandler())
    where = f"{url.host}:{url.port or (5671 if url.scheme == 'amqps' else 5672)}"
    try:
        yield
    except ProbableAuthenticationError:
        raise CliError(f"the broker at {where} does not let user {user_of(url)!r} in: look at {VARIABLE}") from None
    except (AMQPConnectionError, AMQPError, OSError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise CliError(f"no broker answers at {where} ({why}): look at {VARIABLE}") from None


@asynccontextmanager
async def connected(url: URL) -> AsyncIterator[AbstractConnection]:
    """An open connection, closed at the end. CliError where there is none to be had."""
    with clear_errors(url):
        connection = await aio_pika.connect(url, timeout=CONNECT_SECONDS, heartbeat=10)
    async with connection:
        yield connection


@asynccontextmanager
async def publishing(name: str) -> AsyncIterator[Publisher]:
    """A publisher that is connected under this name, closed at the end. CliError where no broker is to be had."""
    url = amqp_url()
    publisher = Publisher(str(url), name)
    with clear_errors(url):
        try:
            await publisher.connection()
            yield publisher
        finally:
            await publisher.close()
