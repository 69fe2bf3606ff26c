"""`dead list|show|edit|replay|drop|audit`: the messages that were given up, for operators."""

import asyncio
import json
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from shared.cli import deadtext
from shared.cli.connection import publishing
from shared.cli.editing import edit
from shared.cli.plain import plain
from shared.cli.problem import CliError
from shared.cli.replay import moment
from shared.contracts.known import messages
from shared.contracts.problems import Refused
from shared.messaging.audit import Action, Audit
from shared.messaging.deadletters import Busy, DeadLetter, DeadLetters
from shared.messaging.mending import check_mended
from shared.messaging.publisher import Unconfirmed


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--service", help="only this service's; all where it is left out")
    actions = parser.add_subparsers(dest="action", required=True)

    def action(name: str, help: str) -> ArgumentParser:
        added = actions.add_parser(name, help=help)
        added.add_argument("--service", default=SUPPRESS, help="only this service's")
        return added

    listing = action("list", "a line each, oldest first, and how many by service and reason")
    listing.add_argument("--reason", help="only those given up for this reason")
    listing.add_argument("--summary", action="store_true", help="only how many")
    listing.add_argument("--json", action="store_true", help="one JSON document a line")
    action("show", "one whole, with its trace").add_argument("id", help="the id, or the #key")
    editing = action("edit", "mend one in $EDITOR and send it")
    editing.add_argument("id", help="the id, or the #key where several have the id")
    editing.add_argument("--why", default="", help="noted in the audit")
    replaying = action("replay", "send back to the queue it came from")
    _chosen(replaying)
    replaying.add_argument("--file", help="a mended CloudEvent to send in its place; - is stdin")
    replaying.add_argument("--why", default="", help="noted in the audit")
    dropping = action("drop", "remove for good")
    _chosen(dropping)
    dropping.add_argument("--why", required=True, help="noted in the audit")
    auditing = action("audit", "what operators did with dead letters, oldest first")
    auditing.add_argument("--since", type=moment, metavar="TIME", help="not what is older")
    auditing.add_argument("--json", action="store_true", help="one JSON document a line")


def _chosen(parser: ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="which one: its id or #key; or give --reason")
    which.add_argument("--reason", help="all that were given up for this reason")


def run(arguments: Namespace) -> int:
    """Do it. 0: done; 1: there is no such dead letter, or one could not be sent."""
    try:
        return asyncio.run(ACTIONS[arguments.action](arguments))
    except Busy as error:
        raise CliError(f"another operator is at these dead letters ({error}): try again") from None
    except Unconfirmed as error:
        raise CliError(f"the broker did not confirm ({error}): `dead audit` tells what was done") from None


async def _list(arguments: Namespace) -> int:
    counts: Counter[tuple[str, str]] = Counter()
    show = deadtext.document if arguments.json else deadtext.line
    found: list[
        tuple[str, str, str]
    ] = []  # printed when all are back in their place: who reads them may take their time
    async with _opened(arguments) as boxes:
        for box in boxes:
            async for letter in box.each():
                if arguments.reason in (None, letter.reason):
                    counts[letter.service, letter.reason] += 1
                    found += [] if arguments.summary else [(letter.service, letter.last, show(letter))]
    lines = [line for _, _, line in sorted(found)]
    if arguments.json and arguments.summary:
        lines = [json.dumps({"service": s, "reason": r, "count": n}) for (s, r), n in sorted(counts.items())]
    for line in [*lines, *([] if arguments.json else deadtext.summary(counts))]:
        print(line)
    return 0


async def _show(arguments: Namespace) -> int:
    async with _opened(arguments) as boxes:
        found = await _called(boxes, arguments.id)
    for letter in found:
        print(deadtext.whole(letter))
    return _found(found, arguments.id)


async def _edit(arguments: Namespace) -> int:
    async with _opened(arguments) as boxes:
        found = await _called(boxes, arguments.id)
        if not found:
            return _found(found, arguments.id)
        letter = _only(found)
        text = letter.text()
        # In a thread, so that the broker hears of us however long it takes.
        mended = await asyncio.to_thread(_mend, letter, text)
        if mended is None:
            print("nothing was changed, nothing was sent; `dead replay` sends it as it is", file=sys.stderr)
            return 1
        return await _send(boxes, partial(_is, letter.key), mended.encode(), arguments.why, letter.name)


async def _replay(arguments: Namespace) -> int:
    if arguments.file and not arguments.id:
        raise CliError("--file mends one dead letter: give its id")
    match, what = _match(arguments)
    async with _opened(arguments) as boxes:
        if not arguments.file:
            return await _send(boxes, match, None, arguments.why, what)
        found = await _called(boxes, arguments.id)
        if not found:
            return _found(found, what)
        letter, body = _only(found), _read(arguments.file)
        try:
            check_mended(letter, body)
        except Refused as refusal:
            raise CliError(f"{arguments.file} would not work: {plain(refusal.detail)}") from None
        return await _send(boxes, partial(_is, letter.key), body, arguments.why, what)


async def _drop(arguments: Namespace) -> int:
    match, what = _match(arguments)
    async with _opened(arguments) as boxes:
        done = [x for box in boxes for x in await box.drop(match, arguments.why)]
    _told(f"dropped ({arguments.why})", done)
    return _found(done, what)


async def _audit(arguments: Namespace) -> int:
    shown: Callable[[Action], str] = Action.model_dump_json if arguments.json else deadtext.action_line
    async with publishing("rummelig-dead") as publisher:
        async for action in Audit(publisher).actions(arguments.since):
            if getattr(arguments, "service", None) in (None, action.service):
                print(shown(action))
    return 0


ACTIONS = {"list": _list, "show": _show, "edit": _edit, "replay": _replay, "drop": _drop, "audit": _audit}


@asynccontextmanager
async def _opened(arguments: Namespace) -> AsyncIterator[list[DeadLetters]]:
    services = [arguments.service] if arguments.service else list(messages())
    async with publishing("rummelig-dead") as publisher:
        yield [DeadLetters(publisher, service) for service in services]


async def _called(boxes: list[DeadLetters], name: str) -> list[DeadLetter]:
    return [letter for box in boxes async for letter in box.each() if letter.called(name)]


async def _send(
    boxes: list[DeadLetters], match: Callable[[DeadLetter], bool], body: bytes | None, why: str, what: str
) -> int:
    done = [x for box in boxes for x in await box.replay(match, body, why)]
    _told("replayed" if body is None else "replayed mended", done)
    stuck = [x for box in boxes for x in box.stuck]
    for letter in stuck:
        print(plain(f"not sent, still here: {letter.name}: {letter.queue} is gone or full"), file=sys.stderr)
    return 1 if stuck else _found(done, what)


def _match(arguments: Namespace) -> tuple[Callable[[DeadLetter], bool], str]:
    if arguments.id:
        return (lambda letter: letter.called(arguments.id)), arguments.id
    return (lambda letter: letter.reason == arguments.reason), f"with reason {arguments.reason}"


def _is(key: str, letter: DeadLetter) -> bool:
    return letter.key == key


def _only(found: list[DeadLetter]) -> DeadLetter:
    """The one that is meant; exact copies count as one."""
    if len({letter.key for letter in found}) > 1:
        several = "\n".join(f"  {letter.key}  {letter.service}  {letter.queue}  {letter.reason}" for letter in found)
        raise CliError(plain(f"several have this id; say which by its key:\n{several}", keep="\n"))
    return found[0]


def _mend(letter: DeadLetter, text: str) -> str | None:
    """What the person makes of it, once it is valid; None where nothing was changed."""
    now = text
    while True:
        now = edit(now)
        if now == text:
            return None
        try:
            model = check_mended(letter, now.encode())
        except Refused as refusal:
            print(f"not valid: {plain(refusal.detail)}", file=sys.stderr)
            if not _agreed("edit again?"):
                raise CliError("nothing was sent") from None
            continue
        print(f"valid: {model.type() if model else 'as far as is known here'}")
        if sys.stdin.isatty() and not _agreed(f"send it to {letter.queue}?"):
            raise CliError("nothing was sent")
        return now


def _agreed(question: str) -> bool:
    return sys.stdin.isatty() and input(f"{question} [y/N] ").strip().lower() in ("y", "yes", "j", "ja")


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CliError(f"cannot read {file}: {error.strerror}") from None


def _found(letters: list[DeadLetter], what: str) -> int:
    if not letters:
        print(f"no dead letter {what}; `dead list` shows what there is", file=sys.stderr)
    return 0 if letters else 1


def _told(action: str, letters: list[DeadLetter]) -> None:
    for letter in letters:
        print(plain(f"{action}: {letter.name} {letter.type or '(no type)'} of {letter.queue}, was {letter.reason}"))
