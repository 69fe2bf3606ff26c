"""One run: a system of its own, the load and the faults side by side, then the ledger."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from deploy.local.home import Home
from deploy.local.system import System
from tests.faults.chaos.recovery import LIMIT_SECONDS, Probes, Recoveries, figures
from tests.faults.chaos.schedule import SERVICES, Fault, schedule
from tests.faults.chaos.striking import Striker
from tests.faults.hearing import hearing
from tests.faults.ledger import Happened, Ledger, audit, counted
from tests.faults.load import plan
from tests.faults.playing import Player, Postbox
from tests.faults.quiesce import quiesce
from tests.faults.sending import Sender
from tests.notifications.sink import Sink, running_sink
from tests.support.embedded import on_its_own
from tests.support.tap import Tap, tapped

ANSWERS_SECONDS = 60.0
"""After the load's time, how long commands and pages may wait for their answers before they count as lost."""
QUIET_SECONDS = 60.0
SENDERS = 3
MOST_SHOWN = 40
"""Findings that people are told; --json has all."""

QUICK = {
    "HTTP_RATE": "100000",  # all people of the load have one address
    "HTTP_BURST": "10000",
    "RETRY_DELAYS": "0.5,1,2,4,8",
}
"""Settings of every service: what waits for minutes in production waits for seconds here."""
QUICK_MAIL = {
    "NOTIFICATIONS_SUBSCRIBE_BURST": "10000",
    "NOTIFICATIONS_MAIL_LEASE_SECONDS": "3",
    "NOTIFICATIONS_MAIL_RETRY_DELAYS": "1,2,4",
    "NOTIFICATIONS_SMTP_SECONDS": "5",
    "NOTIFICATIONS_SMTP_DATA_SECONDS": "5",
}


@asynccontextmanager
async def prepared(folder: Path) -> AsyncIterator[tuple[System, dict[str, Tap], Sink]]:
    """The system in `folder`, ready, with a tap between each service and the broker and a mail server of ours."""
    async with AsyncExitStack() as stack:
        home = Home(folder)
        home.create()
        urls = System(home, environment=on_its_own())
        taps = {name: await stack.enter_async_context(tapped(urls.amqp_url(name))) for name in SERVICES}
        sink = await stack.enter_async_context(running_sink())
        environment = on_its_own() | QUICK_MAIL | {"NOTIFICATIONS_SMTP_URL": f"smtp://127.0.0.1:{sink.port}"}
        for name, tap in taps.items():
            environment |= {f"{name.upper()}_{key}": value for key, value in QUICK.items()}
            environment[f"{name.upper()}_AMQP_URL"] = tap.url
        system = System(home, environment=environment)
        system.start()  # by the thread that lives longest: the system ends with it
        stack.push_async_callback(asyncio.to_thread, system.stop)
        await asyncio.to_thread(system.wait_ready)
        yield system, taps, sink


@dataclass
class Run:
    """What a run left behind."""

    ledger: Ledger
    recoveries: Recoveries
    skipped: int = 0
    quiet_seconds: float = 0.0


type Meanwhile = Callable[[System, Sink], Awaitable[None]]


async def recorded(
    seed: int,
    seconds: float,
    folder: Path,
    faults: Sequence[Fault],
    *,
    patience: float = QUIET_SECONDS,
    meanwhile: Meanwhile | None = None,
) -> Run:
    """Play the seed's load under these faults until all is quiet. `meanwhile` may do more harm, after the load."""
    began = time.monotonic()
    for library in ("aiormq", "aio_pika"):  # they tell at length of each connection that the faults break
        logging.getLogger(library).setLevel(logging.CRITICAL)
    ledger = Ledger()
    async with prepared(folder) as (system, taps, sink), AsyncExitStack() as stack:
        url = system.amqp_url("integrator")
        await stack.enter_async_context(hearing(url, SERVICES, ledger))
        senders = [await stack.enter_async_context(Sender(url, ledger)) for _ in range(SENDERS)]
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=5))
        probes = Probes(ledger, await stack.enter_async_context(Sender(url, ledger)))
        await probes.prepare()
        post = Postbox(sink, ledger)
        player = Player(ledger, senders, http, system.endpoints()["http"], post)
        found = Run(ledger, Recoveries(probes))
        striking = _strike_all(Striker(system, taps, sink), faults, found.recoveries, ledger)
        say(f"seed {seed}: ready after {time.monotonic() - began:.1f} s")
        unanswered = await _together(player.play(plan(seed, seconds)), striking, seconds + ANSWERS_SECONDS)
        say(f"{time.monotonic() - began:6.1f} s  load and faults are through, waiting until all is quiet")
        if meanwhile:
            await meanwhile(system, sink)
        found.quiet_seconds = await quiesce(system, ledger, patience)
        post.to("")
        ledger.unsettled += unanswered
        found.skipped = player.skipped
    return found


async def run(seed: int, seconds: float, folder: Path) -> dict[str, Any]:
    """One seed; the outcome as `--json` prints it."""
    began = time.monotonic()
    found = await recorded(seed, seconds, folder, schedule(seed, seconds))
    return outcome(seed, seconds, found) | {"wall_seconds": round(time.monotonic() - began, 1)}


async def _together(load: Any, faults: Any, patience: float) -> list[str]:
    tasks = {asyncio.create_task(load, name="the load"), asyncio.create_task(faults, name="recovery from the faults")}
    done, waiting = await asyncio.wait(tasks, timeout=patience)
    for task in waiting:
        task.cancel()
    await asyncio.wait(tasks)
    for task in done:
        task.result()
    return [f"{task.get_name()} did not end within {patience:.0f} s" for task in waiting]


async def _strike_all(striker: Striker, faults: Sequence[Fault], recoveries: Recoveries, ledger: Ledger) -> None:
    began = time.monotonic()

    async def strike(fault: Fault) -> None:
        await asyncio.sleep(began + fault.at - time.monotonic())
        started = time.monotonic()
        say(f"{started - began:6.1f} s  {fault}")
        recoveries.began(fault.kind)
        try:
            await striker.strike(fault)
        finally:
            recoveries.ended()
            ledger.faults.append(Happened(fault.kind, fault.target, started, time.monotonic()))

    async with asyncio.TaskGroup() as group:
        for fault in faults:
            group.create_task(strike(fault))
    await recoveries.done()


def outcome(seed: int, seconds: float, found: Run) -> dict[str, Any]:
    """What is told of a run."""
    ledger, recovered = found.ledger, found.recoveries.seconds
    findings = audit(ledger)
    counts = counted(findings)
    broker = max(recovered["kill broker"], default=None)
    zeros = not (counts["lost"] or counts["duplicated"] or counts["stuck"])
    return {
        "ok": zeros and broker is not None and broker < LIMIT_SECONDS,
        "seed": seed,
        "seconds": seconds,
        "commands": len(ledger.commands),
        "faults": len(ledger.faults),
        **counts,
        "recovery_seconds": figures(each for kind in recovered.values() for each in kind),
        "recovery_by_kind": {kind: figures(each) for kind, each in sorted(recovered.items()) if each},
        "recoveries": found.recoveries.all,
        "sent_again": sum(max(0, sent.sends - 1) for sent in ledger.commands.values()),
        "pages": len(ledger.pages),
        "events": len(ledger.told),
        "events_again": len(ledger.events) - len(ledger.told),
        "mails": len(ledger.mails),
        "struck": [f"{each.kind} {each.target}" for each in sorted(ledger.faults, key=lambda f: f.began)],
        "skipped": found.skipped,
        "quiet_seconds": round(found.quiet_seconds, 1),
        "findings": [asdict(finding) for finding in findings],
    }


def say(line: str) -> None:
    """Progress, for people."""
    print(line, file=sys.stderr, flush=True)


def told(shown: dict[str, Any]) -> str:
    """A run's summary."""
    named = ("commands", "pages", "events", "mails", "faults", "lost", "duplicated", "stuck", "uncertain")
    lines = [
        f"seed {shown['seed']}: {'ok' if shown['ok'] else 'NOT OK'}",
        f"  {', '.join(f'{name} {shown[name]}' for name in named)}",
        f"  recovery {json.dumps(shown['recovery_seconds'])}, by kind {json.dumps(shown['recovery_by_kind'])}",
    ]
    wrong = [each for each in shown["findings"] if each["kind"] != "uncertain"]
    lines += [f"  {each['kind']}: {each['what']}: {each['why']}" for each in wrong[:MOST_SHOWN]]
    lines += [f"  … and {len(wrong) - MOST_SHOWN} more"] if len(wrong) > MOST_SHOWN else []
    return "\n".join(lines)
