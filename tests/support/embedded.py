"""The whole system as real processes in a directory of its own: what the end-to-end tests hold in their hands."""

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from deploy.local.demo.mails import Mail, Maildir
from deploy.local.home import ROOT, Home
from deploy.local.plan import discover
from deploy.local.system import System
from shared.messaging.topology import Topology
from shared.service import topology
from shared.store.connect import connect
from shared.store.port import PENDING, PENDING_LISTS, Document
from shared.store.work import OWN_COLLECTIONS
from tests.support.running import until

SERVICES = discover()

type Everything = dict[str, dict[str, list[Document]]]
"""Service -> collection -> its documents."""


class Embedded:
    """A running system. What blocks for long is a coroutine."""

    def __init__(self, system: System) -> None:
        self.system = system

    def url(self, user: str) -> str:
        """amqp:// URL of `operator`, `integrator` or a service's user."""
        return self.system.amqp_url(user)

    @property
    def http(self) -> dict[str, str]:
        """Service -> base URL."""
        return dict(self.system.endpoints()["http"])

    async def ready(self, seconds: float = 60) -> None:
        """Wait until every process is ready."""
        await asyncio.to_thread(self.system.wait_ready, seconds)

    @asynccontextmanager
    async def without(self, name: str) -> AsyncIterator[None]:
        """A process is killed and stays away; all is ready again at the end."""
        await asyncio.to_thread(self.system.hold, name)
        try:
            yield
        finally:
            self.system.release(name)
            await self.ready()

    def command(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """`./rummelig …` on this system, as its own process."""
        return rummelig(*arguments, home=self.system.home.path, seconds=seconds)

    async def run(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """The same beside what else the test does."""
        return await asyncio.to_thread(self.command, *arguments, seconds=seconds)

    async def mails(self) -> list[Mail]:
        """All mails so far."""
        return await Maildir(self.system.home.mailbox).mails()

    async def everything(self, *, owed: bool = False) -> Everything:
        """What stands in the stores of all services; with `owed`, also what documents still have to tell."""
        stores: Mapping[str, str] = self.system.endpoints()["store"]
        found = {service: await documents(service, url) for service, url in stores.items()}
        return found if owed else _each(found, _settled)

    async def settled(self) -> Everything:
        """The same once nothing is owed, and nothing changes from one look to the next."""
        looks: list[Everything] = []

        async def quiet() -> bool:
            looks.append(await self.everything(owed=True))
            return len(looks) > 1 and looks[-2] == looks[-1] and not _owing(looks[-1])

        await until(quiet, patience=60)
        return _each(looks[-1], _settled)

    async def consumed(self) -> dict[str, int]:
        """Queue -> how many messages its service has handled and settled since it started."""
        counts: dict[str, int] = {}
        async with httpx.AsyncClient() as client:
            for url in self.http.values():
                for line in (await client.get(f"{url}/metrics")).text.splitlines():
                    if line.startswith("rummelig_consumed_total{"):
                        queue = line.partition('queue="')[2].partition('"')[0]
                        counts[queue] = counts.get(queue, 0) + int(float(line.rpartition(" ")[2]))
        return counts


@contextmanager
def embedded(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Embedded]:
    """Start the system in `folder`, ready, and stop it at the end."""
    system = System(Home(folder), environment=on_its_own() | dict(environment or {}))
    with system:
        system.wait_ready()
        yield Embedded(system)


def on_its_own() -> dict[str, str]:
    """What the environment says about other systems, emptied."""
    prefixes = ("RUMMELIG_", *(f"{name.upper()}_" for name in SERVICES))
    return {name: "" for name in os.environ if name.startswith(prefixes)}


def rummelig(*arguments: str, home: Path, seconds: float = 60, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `./rummelig`; `more` goes into its environment."""
    return subprocess.run(
        program(*arguments),
        cwd=ROOT,
        env={**os.environ, **on_its_own(), "RUMMELIG_HOME": str(home), **more},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def program(*arguments: str) -> list[str]:
    """The launcher, where its Python is the one that runs the tests; else what it would start."""
    prepared = Path(sys.prefix) == ROOT / ".venv"
    return [str(ROOT / "rummelig"), *arguments] if prepared else [sys.executable, "-m", "deploy.local", *arguments]


async def documents(service: str, url: str) -> dict[str, list[Document]]:
    """Every document of every collection of one service's store."""
    repositories = importlib.import_module(f"services.{service}.store").REPOSITORIES
    collections = [*OWN_COLLECTIONS, *(r.collection for r in repositories)]
    store = connect(url)
    await store.open(collections)
    try:
        return {c.name: [d async for d in store.everything(c)] for c in collections}
    finally:
        await store.close()


def _each(found: Everything, change: Callable[[Document], Document]) -> Everything:
    return {s: {c: [change(d) for d in documents] for c, documents in cs.items()} for s, cs in found.items()}


def _owing(found: Everything) -> bool:
    return any(PENDING in d for collections in found.values() for documents in collections.values() for d in documents)


def _settled(document: Document) -> Document:
    return {key: value for key, value in document.items() if key not in (PENDING, *PENDING_LISTS)}


def topologies() -> list[Topology]:
    """What each service has on the broker."""
    tables: Sequence[tuple[str, Any]] = [(s, importlib.import_module(f"services.{s}.messages")) for s in SERVICES]
    return [topology(name, m.CONSUMES, m.PUBLISHES, (1.0,)) for name, m in tables]
