"""`./rummelig demo`: the story of a network meeting on a system of its own, with every outcome checked.

With RUMMELIG_HTTP_<SERVICE> for all services, RUMMELIG_AMQP_URL, <SERVICE>_STORE_URL and RUMMELIG_MAILPIT_URL in the
environment it plays on that system instead and starts nothing.
"""

import argparse
import asyncio
import importlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from deploy.local.demo.mails import Mailbox, Maildir, Mailpit
from deploy.local.demo.stage import Stage, listen
from deploy.local.demo.story import SCENES
from deploy.local.problem import Problem
from deploy.local.system import System
from shared.messaging.client import Client
from shared.store.connect import connect

SERVICES = ("supplier", "events", "procurement", "notifications")


@dataclass(frozen=True)
class Addresses:
    """Where a running system is reached."""

    amqp: str
    http: Mapping[str, str]
    store: Mapping[str, str]
    mailbox: Mailbox


def main(arguments: Sequence[str] = ()) -> int:
    """Play the story. 0: every check held; 1: one did not; 2: it could not be played."""
    parser = argparse.ArgumentParser("rummelig demo", description="Plays a whole story on a system of its own.")
    parser.add_argument("--json", action="store_true", help="print only the outcome, as JSON")
    quiet: bool = parser.parse_args(arguments).json
    result = asyncio.run(_given(quiet)) if _existing() else _fresh(quiet)
    _tell(result, quiet)
    return 0 if result["ok"] else 1


def _existing() -> Addresses | None:
    """The system that the environment names, if it does."""
    e = os.environ
    http = {s: e[f"RUMMELIG_HTTP_{s.upper()}"] for s in SERVICES if f"RUMMELIG_HTTP_{s.upper()}" in e}
    if len(http) < len(SERVICES):
        return None
    needed = ["RUMMELIG_AMQP_URL", "RUMMELIG_MAILPIT_URL", *(f"{s.upper()}_STORE_URL" for s in SERVICES)]
    if missing := [name for name in needed if name not in e]:
        raise Problem(f"to play on an existing system, set also {', '.join(missing)}")
    stores = {s: e[f"{s.upper()}_STORE_URL"] for s in SERVICES}
    return Addresses(e["RUMMELIG_AMQP_URL"], http, stores, Mailpit(e["RUMMELIG_MAILPIT_URL"]))


async def _given(quiet: bool) -> dict[str, Any]:
    addresses = _existing()
    assert addresses is not None  # noqa: S101 - main looked
    return await play(addresses, quiet)


def _fresh(quiet: bool) -> dict[str, Any]:
    """Play on a system that is made in a scratch directory and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rummelig-demo-") as folder:
        system = System(Path(folder))
        _say(quiet, "Starter RabbitMQ, fire tjenester og en postkasse …")
        with system:
            system.wait_ready(progress=lambda line: _say(quiet, f"   {line}"))
            result = asyncio.run(play(addresses_of(system), quiet))
            _say(quiet, "\nStopper …")
    return result


def addresses_of(system: System) -> Addresses:
    """Where an embedded system is reached."""
    found = system.endpoints()
    return Addresses(found["amqp"], found["http"], found["store"], Maildir(Path(found["mailbox"])))


async def play(addresses: Addresses, quiet: bool) -> dict[str, Any]:
    """Play every scene; a scene that breaks off counts as a check that failed."""
    async with staged(addresses, quiet) as stage:
        for scene in SCENES:
            try:
                await scene(stage)
            except Exception as error:  # noqa: BLE001 - told as a failed check, and the story ends
                stage.check(f"scene {scene.__name__} plays to its end", "", f"{type(error).__name__}: {error}")
                break
        return await stage.result()


@asynccontextmanager
async def staged(addresses: Addresses, quiet: bool = True) -> AsyncIterator[Stage]:
    """The stage over a running system."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(addresses.amqp))
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=15, headers={"User-Agent": "rummelig-demo"}))
        stores = {name: connect(url) for name, url in addresses.store.items()}
        for name, store in stores.items():
            repositories = importlib.import_module(f"services.{name}.store").REPOSITORIES
            await store.open([repository.collection for repository in repositories])
            stack.push_async_callback(store.close)
        stage = Stage(client, http, addresses.http, addresses.mailbox, stores, quiet)
        listening = await listen(addresses.amqp, list(SERVICES), stage.events)
        stack.push_async_callback(listening.close)
        yield stage


def _tell(result: Mapping[str, Any], quiet: bool) -> None:
    if quiet:
        print(json.dumps(result, ensure_ascii=False, default=str))
        return
    failed = [check["name"] for check in result["checks"] if not check["ok"]]
    held = len(result["checks"]) - len(failed)
    print(f"\n{held} of {len(result['checks'])} checks held, {result['mails']} mails, {result['seconds']} s")
    for name in failed:
        print(f"   ✗ {name}", file=sys.stderr)


def _say(quiet: bool, line: str) -> None:
    if not quiet:
        print(line, flush=True)
