"""The commands of the embedded system."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from deploy.local.home import ROOT
from deploy.local.problem import Problem
from deploy.local.system import AlreadyRuns, Changes, System


def up(arguments: Sequence[str]) -> int:
    """Start the system; in front until Ctrl-C, or return when it is ready."""
    parser = argparse.ArgumentParser("rummelig up", description="Starts RabbitMQ, the mail sink and the services.")
    parser.add_argument("--detach", action="store_true", help="return when all is ready; `rummelig down` ends it")
    detach = parser.parse_args(arguments).detach
    system = System()
    began = time.monotonic()
    try:
        system.start(bound=not detach)
    except AlreadyRuns as problem:
        print(problem)
        if detach:
            system.wait_ready(progress=_print)
        return 0
    return _detached(system, began) if detach else _in_front(system, began)


def _detached(system: System, began: float) -> int:
    try:
        system.wait_ready(progress=_print)
    except BaseException:
        system.stop()
        raise
    _tell_ready(system, began)
    return 0


def _in_front(system: System, began: float) -> int:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    changes = Changes(_print)
    ready = False
    try:
        while not stop.wait(0.1) and system.runs():
            changes.ready(system.processes())
            if not ready and system.home.endpoints.exists():
                ready = True
                _tell_ready(system, began)
                _print("Ctrl-C ends it.")
    finally:
        if system.runs():
            _print("stopping …")
        system.stop()
    return 0


def _tell_ready(system: System, began: float) -> None:
    endpoints = system.endpoints()
    print(f"ready after {time.monotonic() - began:.1f} s. Addresses: {system.home.endpoints}")
    for name, url in endpoints["http"].items():
        print(f"  {name:14} {url}")
    print(f"  {'mails':14} {endpoints['mailbox']}")


def _print(line: str) -> None:
    print(line, flush=True)


def down(arguments: Sequence[str]) -> int:
    """End the system of this home."""
    argparse.ArgumentParser("rummelig down", description="Ends what runs; data stay.").parse_args(arguments)
    system = System()
    ran = system.runs()
    system.stop()
    print("stopped" if ran else "nothing runs")
    return 0


def status(arguments: Sequence[str]) -> int:
    """What runs and what is ready."""
    parser = argparse.ArgumentParser("rummelig status", description="What runs, what is ready and why not.")
    parser.add_argument("--json", action="store_true", help='{"processes": {name: {"pid", "ready", "reasons"}}}')
    found = System().status()
    if parser.parse_args(arguments).json:
        print(json.dumps(found, indent=1))
        return 0
    for name, each in found["processes"].items():
        print(f"{name:14} {each['pid'] or '-':>8}  {'ready' if each['ready'] else '; '.join(each['reasons'])}")
    if not found["processes"]:
        print("nothing runs: ./rummelig up --detach")
    return 0


def show_mailbox(arguments: Sequence[str]) -> int:
    """List the mails, or show one."""
    from deploy.local import mailbox

    parser = argparse.ArgumentParser("rummelig mailbox", description="The mails that the embedded system sent.")
    parser.add_argument("what", nargs="?", choices=["list", "show"], default="list")
    parser.add_argument("number", nargs="?", type=int, help="which one, as numbered by list")
    parser.add_argument("--raw", action="store_true", help="show it as it was sent")
    options = parser.parse_args(arguments)
    found = mailbox.mails(System().home.mailbox)
    if options.what == "list":
        for number, mail in enumerate(found, 1):
            print(mailbox.line(number, mail))
        print(f"{len(found)} mails" if len(found) != 1 else "1 mail")
        return 0
    if options.number is None or not 1 <= options.number <= len(found):
        raise Problem(f"./rummelig mailbox show <1 to {len(found)}>" if found else "no mail yet")
    mail = found[options.number - 1]
    print(mail.as_string() if options.raw else mailbox.text(mail))
    return 0


def test(arguments: Sequence[str]) -> int:
    """Become pytest, in the repository."""
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])  # noqa: S606 - that is the command


def operate(arguments: Sequence[str]) -> int:
    """Give the operator's command line the addresses of the system that runs here, where the environment gives none."""
    from shared.cli import main

    system = System()
    if system.runs():
        os.environ.update(system.cli_environment())
    return main(list(arguments))
