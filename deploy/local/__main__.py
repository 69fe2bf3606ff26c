"""`./rummelig <command>`: the embedded system's own commands; every other one is the operator's (`shared.cli`)."""

import os
import sys
from collections.abc import Callable

from deploy.local.problem import Problem

type Run = Callable[[list[str]], int]


def _up(arguments: list[str]) -> int:
    from deploy.local.commands import up

    return up(arguments)


def _down(arguments: list[str]) -> int:
    from deploy.local.commands import down

    return down(arguments)


def _status(arguments: list[str]) -> int:
    from deploy.local.commands import status

    return status(arguments)


def _mailbox(arguments: list[str]) -> int:
    from deploy.local.commands import show_mailbox

    return show_mailbox(arguments)


def _demo(arguments: list[str]) -> int:
    from deploy.local import demo

    return demo.main(arguments)


def _backup(arguments: list[str]) -> int:
    from deploy.local.keeping import backup

    return backup(arguments)


def _restore(arguments: list[str]) -> int:
    from deploy.local.keeping import restore

    return restore(arguments)


def _test(arguments: list[str]) -> int:
    from deploy.local.commands import test

    return test(arguments)


def _chaos(arguments: list[str]) -> int:
    from tests.faults import chaos

    return chaos.main(arguments)


def _bench(arguments: list[str]) -> int:
    from tests.bench import command

    return command.main(arguments)


def _operate(arguments: list[str]) -> int:
    from deploy.local.commands import operate

    return operate(arguments)


COMMANDS: dict[str, tuple[Run, str]] = {
    "demo": (_demo, "plays the whole story in a scratch directory and checks what came out [--json]"),
    "up": (_up, "starts broker, mail sink and services; Ctrl-C ends them [--detach: returns when all are ready]"),
    "down": (_down, "ends what `up --detach` started; data stay"),
    "status": (_status, "what runs, what is ready and why not [--json]"),
    "mailbox": (_mailbox, "the mails that were sent [list | show <number>]"),
    "backup": (_backup, "saves every store and the keys in a directory, while the system serves"),
    "restore": (_restore, "fills the empty stores of a system that is down from a backup"),
    "test": (_test, "runs the tests [pytest arguments; --faults: the long ones too]"),
    "chaos": (_chaos, "a load under random faults, and what was lost [--seconds N --seed S|A..B --json]"),
    "bench": (_bench, "what it costs against bare code, in figures [names] [--json FILE --store URL --scale N]"),
    "send": (_operate, "sends a command and prints its reply: send <service> <command> [file|-]"),
    "watch": (_operate, "follows events as they happen [pattern]"),
    "dead": (_operate, "dead letters: list, show, edit, replay, drop; audit"),
    "replay": (_operate, "feeds past events to one service: replay --to <service> [--since …] [--type …]"),
    "person": (_operate, "what is kept of a person, or out with it: person export|erase <email>"),
    "contracts": (_operate, "a message's schema and an example"),
}


def usage() -> str:
    """What -h prints."""
    lines = [f"  {name:10} {said}" for name, (_, said) in COMMANDS.items()]
    return "\n".join(["usage: ./rummelig <command> [-h] …", "", *lines, "", "Data: .rummelig/, or $RUMMELIG_HOME."])


def main(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(usage())
        return 0 if arguments else 2
    run, _ = COMMANDS.get(arguments[0], (_operate, ""))
    try:
        return run(arguments if run is _operate else arguments[1:])
    except Problem as problem:
        print(f"rummelig: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
