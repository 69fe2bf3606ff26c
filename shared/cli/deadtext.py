"""Dead letters and what was done with them, as text and as JSON."""

import json
from collections import Counter
from collections.abc import Iterable

from shared.cli.plain import plain
from shared.messaging.audit import Action
from shared.messaging.deadletter import DeadLetter

FIELDS = ("id", "key", "type", "queue", "reason", "detail", "handler", "tries", "first", "last", "sender")


def line(letter: DeadLetter) -> str:
    """One on a line."""
    return plain(f"{letter.last[:19]:19}  {letter.queue:30}  {letter.reason:15}  {letter.name}  {letter.detail[:80]}")


def document(letter: DeadLetter) -> str:
    """One as a JSON document."""
    fields = {name: value for name, value in vars(letter).items() if name != "body"} | {"key": letter.key}
    return json.dumps(fields | {"body": letter.body.decode("utf-8", "backslashreplace")}, ensure_ascii=False)


def summary(counts: Counter[tuple[str, str]]) -> list[str]:
    """How many, by service and reason."""
    total = counts.total()
    lines = [f"{service:15}  {reason:15}  {count:6}" for (service, reason), count in sorted(counts.items())]
    return [*map(plain, lines), f"{total} dead letter{'' if total == 1 else 's'}"]


def whole(letter: DeadLetter) -> str:
    """All that is known of one, and how to follow it through the system."""
    fields = [f"{name + ':':13}{plain(str(getattr(letter, name)))}" for name in FIELDS]
    return "\n".join(
        [*fields, *_follow(letter), f"trace:\n{plain(letter.trace, keep='\n')}", "", plain(letter.text(), keep="\n")]
    )


def _follow(letter: DeadLetter) -> Iterable[str]:
    if letter.correlation:
        yield f"correlation: {plain(letter.correlation)}  (in log records, events, dead letters of the same action)"
    if letter.traceparent:
        trace = letter.traceparent.split("-")[1] if letter.traceparent.count("-") == 3 else letter.traceparent
        yield f"traceparent: {plain(letter.traceparent)}  (trace {plain(trace)} where traces are collected)"


def action_line(action: Action) -> str:
    """One action of an operator on a line."""
    why = f", because: {action.why}" if action.why else ""
    was = f", was {action.reason}" if action.reason else ""
    which = " ".join(filter(None, (action.message, action.type)))
    what = f"{action.action} {which} of {action.queue or action.service}{was}"
    return plain(f"{action.at:%Y-%m-%d %H:%M:%S}  {action.user} ({action.by})  {what}{why}: {action.outcome}")
