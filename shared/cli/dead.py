"""`dead list|show|replay|drop`: the messages that were given up, for operators."""

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shared.cli.plain import plain
from shared.cli.problem import CliError
from shared.contracts.known import messages
from shared.messaging.deadletters import DeadLetter, DeadLetters
from shared.messaging.publisher import Publisher


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--service", help="only this service's; all where it is left out")
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="a line each, oldest first")
    listing.add_argument("--reason", help="only those given up for this reason")
    listing.add_argument("--json", action="store_true", help="one JSON document a line")
    actions.add_parser("show", help="one whole, with its trace").add_argument("id")
    replaying = actions.add_parser("replay", help="send back to the queue it came from")
    replaying.add_argument("id", nargs="?", help="which one; or give --reason")
    replaying.add_argument("--file", help="a mended CloudEvent to send in its place; - is stdin")
    replaying.add_argument("--reason", help="all that were given up for this reason")
    dropping = actions.add_parser("drop", help="remove one for good")
    dropping.add_argument("id")
    dropping.add_argument("--why", required=True, help="noted in the audit line")


def run(arguments: Namespace) -> int:
    """Do it. 0: done; 1: there is no such dead letter."""
    return asyncio.run(ACTIONS[arguments.action](arguments))


async def _list(arguments: Namespace) -> int:
    async with _opened(arguments) as boxes:
        letters = [x for box in boxes for x in await box.all() if arguments.reason in (None, x.reason)]
    for letter in letters:
        print(_json(letter) if arguments.json else _line(letter))
    if not arguments.json:
        print(f"{len(letters)} dead letter{'' if len(letters) == 1 else 's'}")
    return 0


async def _show(arguments: Namespace) -> int:
    async with _opened(arguments) as boxes:
        found = [x for box in boxes for x in await box.all() if x.id == arguments.id]
    for letter in found:
        fields = (
            "id",
            "type",
            "queue",
            "reason",
            "detail",
            "handler",
            "tries",
            "first",
            "last",
            "sender",
            "traceparent",
        )
        print("\n".join(f"{name + ':':13}{plain(str(getattr(letter, name)))}" for name in fields))
        print(f"trace:\n{plain(letter.trace, keep='\n')}\n\n{plain(letter.text(), keep='\n')}")
    return _found(found, arguments.id)


async def _replay(arguments: Namespace) -> int:
    if bool(arguments.id) == bool(arguments.reason):
        raise CliError("say which: an id, or --reason for all of one reason")
    if arguments.file and not arguments.id:
        raise CliError("--file mends one dead letter: give its id")
    body = _read(arguments.file) if arguments.file else None
    done: list[DeadLetter] = []
    async with _opened(arguments) as boxes:
        for box in boxes:
            done += await box.replay(lambda x: arguments.id == x.id or arguments.reason == x.reason, body)
    for letter in done:
        _audit("replayed" if body is None else "replayed mended", letter)
    return _found(done, arguments.id or f"with reason {arguments.reason}")


async def _drop(arguments: Namespace) -> int:
    async with _opened(arguments) as boxes:
        done = [x for box in boxes for x in await box.drop(lambda x: x.id == arguments.id)]
    for letter in done:
        _audit(f"dropped ({arguments.why})", letter)
    return _found(done, arguments.id)


ACTIONS = {"list": _list, "show": _show, "replay": _replay, "drop": _drop}


@asynccontextmanager
async def _opened(arguments: Namespace) -> AsyncIterator[list[DeadLetters]]:
    from shared.cli.connection import amqp_url, clear_errors

    url = amqp_url()
    publisher = Publisher(str(url), "rummelig-dead")
    services = [arguments.service] if arguments.service else list(messages())
    with clear_errors(url):
        try:
            await publisher.connection()
            yield [DeadLetters(publisher, service) for service in services]
        finally:
            await publisher.close()


def _read(file: str) -> bytes:
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        json.loads(body)
    except OSError as error:
        raise CliError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise CliError(f"{file} holds no JSON: {error}") from None
    return body


def _found(letters: list[DeadLetter], what: str) -> int:
    if not letters:
        print(f"no dead letter {what}; `dead list` shows what there is", file=sys.stderr)
    return 0 if letters else 1


def _audit(action: str, letter: DeadLetter) -> None:
    print(plain(f"{action}: {letter.id} {letter.type or '(no type)'} of {letter.queue}, was {letter.reason}"))


def _line(letter: DeadLetter) -> str:
    return plain(f"{letter.last[:19]:19}  {letter.queue:30}  {letter.reason:15}  {letter.id}  {letter.detail[:80]}")


def _json(letter: DeadLetter) -> str:
    fields = {name: value for name, value in vars(letter).items() if name != "body"}
    return json.dumps(fields | {"body": letter.body.decode("utf-8", "backslashreplace")}, ensure_ascii=False)
