"""`person export|erase <email>`: what all services keep of a person, and taking it out (GDPR art. 15 and 17)."""

import asyncio
import json
import sys
import uuid
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.cli.connection import amqp_url, publishing
from shared.cli.plain import plain
from shared.cli.problem import CliError
from shared.contracts.types import Email
from shared.messaging.audit import Action, Audit
from shared.messaging.deadletters import Busy, DeadLetters
from shared.messaging.publisher import Publisher, Unconfirmed
from shared.persons.asking import ERASE, EXPORT, Answer, ask, services
from shared.persons.broker import mentions, take_out
from shared.persons.mentions import Literal

PATIENCE = 60.0
ALL = "all services"


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    for name, says in (
        ("export", "all that is kept of a person, as JSON with --json"),
        ("erase", "take a person out of all stores and queues; again finishes what is missing"),
    ):
        action = actions.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}.")
        action.add_argument("email", help="the address; - reads it from stdin, so that no shell or process list has it")
        action.add_argument("--json", action="store_true", help="one JSON document")
        action.add_argument("--patience", type=float, default=PATIENCE, metavar="SECONDS", help="default 60")
        if name == "erase":
            action.add_argument("--why", default="asked for by the person", help="noted in the audit line")
            action.add_argument("--yes", action="store_true", help="do not ask whether it is meant")


def run(arguments: Namespace) -> int:
    """Do it. 0: all services have answered; 1: some have not yet: do it again."""
    email = _email(arguments.email)
    if arguments.action == "erase" and not arguments.yes:
        _confirm(email)
    try:
        return asyncio.run(ACTIONS[arguments.action](arguments, email))
    except Busy as error:
        raise CliError(f"another operator is at the dead letters ({error}): do it again") from None
    except Unconfirmed as error:
        raise CliError(f"the broker did not confirm ({error}): do it again") from None


async def _export(arguments: Namespace, email: str) -> int:
    answers = await _ask(EXPORT, email, str(uuid.uuid4()), arguments)
    literal = Literal(email)
    async with publishing("rummelig-person") as publisher:
        letters = [
            {"service": letter.service, "reason": letter.reason, "message": letter.text()}
            for service in services()
            for letter in await DeadLetters(publisher, service).all()
            if mentions(literal)(letter)
        ]
    if arguments.json:
        _print({"services": {a.service: _shown(a) for a in answers}, "dead_letters": letters})
    elif letters:
        print(f"dead letters      {len(letters)}")
    return _code(answers)


async def _erase(arguments: Namespace, email: str) -> int:
    erasure = str(uuid.uuid4())
    async with _waited(arguments.patience) as publisher:
        audit = Audit(publisher)
        said = await audit.intend(
            Action(action="erase-person", service=ALL, message=erasure, why=_without(email, arguments.why))
        )
        answers = await _ask(ERASE, email, erasure, arguments)
        queues: dict[str, int] = {}
        for service in services():
            queues |= await take_out(publisher, service, Literal(email), f"erasure {erasure}")
        finished = not _code(answers)
        await audit.ended(said, "done" if finished else "failed: not all services have confirmed yet")
    if arguments.json:
        _print({"erasure": erasure, "services": {a.service: _shown(a) for a in answers}, "queues": queues})
    else:
        _summary(erasure, queues, finished=finished)
    return _code(answers)


ACTIONS = {"export": _export, "erase": _erase}


async def _ask(command: str, email: str, correlation: str, arguments: Namespace) -> list[Answer]:
    answers, line = [], LINES[arguments.action]
    async for answer in ask(str(amqp_url()), command, email, correlation, arguments.patience):
        answers.append(answer)
        if not arguments.json:
            print(f"{answer.service:16}  {plain(line(answer))}", flush=True)
    return sorted(answers, key=lambda answer: answer.service)


@asynccontextmanager
async def _waited(seconds: float) -> AsyncIterator[Publisher]:
    """A publisher; a broker that is away, or not yet able to write the action down, is waited for."""
    until, told = asyncio.get_running_loop().time() + seconds, False
    while True:
        try:
            async with publishing("rummelig-person") as publisher:
                await Audit(publisher).prepare()
                break
        except CliError as error:
            if "let user" in str(error) or asyncio.get_running_loop().time() >= until:
                raise
            if not told:
                print(f"waiting: {error}", file=sys.stderr)
            told = True
            await asyncio.sleep(1)
    async with publishing("rummelig-person") as publisher:
        yield publisher


def _email(text: str) -> str:
    if text == "-":
        text = sys.stdin.readline().strip()
    try:
        return TypeAdapter(Email).validate_python(text)
    except ValidationError:
        raise CliError("that is not one e-mail address") from None


def _confirm(email: str) -> None:
    if not sys.stdin.isatty():
        raise CliError("say --yes: what is erased does not come back")
    if input("This cannot be undone. Type the address again: ").strip().lower() != email:
        raise CliError("not the same address: nothing was erased")


def _without(email: str, why: str) -> str:
    return str(Literal(email).masked(why))


def _kept(answer: Answer) -> str:
    if answer.result is None:
        return f"no answer yet: {answer.why}"
    parts = {"about the person": "about", "mentioned in": "mentions"}
    told = {said: {name: len(found) for name, found in answer.result[part].items()} for said, part in parts.items()}
    return "; ".join(f"{said} {_counts(counts)}" for said, counts in told.items() if counts) or "nothing"


def _done(answer: Answer) -> str:
    if answer.result is None:
        return f"not confirmed yet: {answer.why}"
    parts = {"erased": "erased", "masked in texts": "masked", "kept by keyed id": "kept"}
    told = [f"{said} {_counts(answer.result[name])}" for said, name in parts.items() if answer.result.get(name)]
    left = [f"left {answer.result['left']}: do it again"] if answer.result.get("left") else []
    return "; ".join(["confirmed", *told, *left])


LINES = {"export": _kept, "erase": _done}


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _summary(erasure: str, queues: dict[str, int], *, finished: bool) -> None:
    for queue, count in queues.items():
        print(f"{queue}  {count} dropped")
    print(f"erasure {erasure}: " + ("done" if finished else "not finished; do the same again when all services run"))


def _shown(answer: Answer) -> dict[str, Any]:
    return answer.result if answer.result is not None else {"unanswered": answer.why}


def _code(answers: list[Answer]) -> int:
    return 0 if all(a.result is not None and not a.result.get("left") for a in answers) else 1


def _print(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))
