"""Finds the command that is asked for and imports only that: a start costs little.

A command is a module with `configure(parser)`, which adds its arguments, and `run(arguments) -> exit code`.
Exit codes: 0 done; 1 the answer is a problem; 2 wrong use or no connection, told in one line; 130 stopped by Ctrl-C.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.cli.problem import CliError


class Command(NamedTuple):
    """Where a command is, and what it does in a few words."""

    module: str
    help: str


COMMANDS = {
    "send": Command("shared.cli.send", "send a command to a service and print its reply"),
    "watch": Command("shared.cli.watch", "print events as they come"),
    "dead": Command("shared.cli.dead", "list, show, edit, replay or drop the messages that were given up"),
    "replay": Command("shared.cli.replay", "feed one service from the log of all events"),
    "person": Command("shared.cli.person", "tell what is kept of a person, or erase the person everywhere"),
    "contracts": Command("shared.cli.contracts", "list the messages; show the schema and an example of one"),
}


def main(argv: Sequence[str], commands: Mapping[str, Command] = COMMANDS, prog: str = "rummelig") -> int:
    """Run one command; returns the exit code and never raises for what a person did wrong."""
    try:
        return _run(argv, commands, prog)
    except CliError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2
    except SystemExit as stop:  # argparse: --help or wrong use
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader went away, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(argv: Sequence[str], commands: Mapping[str, Command], prog: str) -> int:
    name = argv[0] if argv else "--help"
    if name in ("-h", "--help", "help"):
        print(overview(commands, prog))
        return 0 if argv else 2
    if name not in commands:
        raise CliError(f"there is no command {name!r}; there are: {', '.join(commands)}")
    command = commands[name]
    module = importlib.import_module(command.module)
    parser = argparse.ArgumentParser(f"{prog} {name}", description=f"{command.help[0].upper()}{command.help[1:]}.")
    module.configure(parser)
    code = module.run(parser.parse_args(argv[1:]))
    return int(code)


def overview(commands: Mapping[str, Command], prog: str) -> str:
    """All commands, a line each."""
    width = max(map(len, commands), default=0)
    lines = [f"  {name:{width}}  {command.help}" for name, command in commands.items()]
    return "\n".join([f"usage: {prog} <command> …", "", *lines, "", f"{prog} <command> --help tells more."])
