"""The background job that sends, put together from the service's settings."""

import asyncio
import contextlib
import os
import socket
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from services.notifications.composing.composer import Composer
from services.notifications.context import Context
from services.notifications.domain import Pace, Patience
from services.notifications.sending.delivering import Deliverer, Told
from services.notifications.sending.dispatcher import Dispatcher
from services.notifications.sending.gate import Gate
from services.notifications.sending.leases import Leases
from services.notifications.sending.ledger import Ledger
from services.notifications.sending.outage import Outage
from services.notifications.sending.pacing import Pacer
from services.notifications.sending.smtp import Connection
from services.notifications.settings import Settings
from services.notifications.store import DELIVERIES
from shared.service import Service
from shared.store.errors import StoreError
from shared.store.port import Store
from shared.store.work import Pending

REASON = "mail server"
WATCH_SECONDS = 5.0


@dataclass(frozen=True)
class Surroundings:
    """What the service gives to the job."""

    store: Store
    context: Context
    clock: Callable[[], datetime]
    offer: Callable[[Sequence[Pending]], None]
    told: Told
    away: Callable[[str | None], None]


def dispatcher(settings: Settings, around: Surroundings) -> Dispatcher:
    """Everything that sending needs."""
    worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    lease = timedelta(seconds=settings.mail_lease_seconds)
    ledger = Ledger(around.store, worker, lease, around.clock, around.offer)
    pace = Pace(rate=settings.smtp_rate, burst=settings.smtp_burst)
    composer = Composer(around.context.links, settings.sender, around.context.address_key, settings.dkim)
    patience = Patience(
        delays=settings.mail_retry_delays, give_up_after=timedelta(seconds=settings.mail_give_up_seconds)
    )
    pacer = Pacer(around.store, settings.sender.addr_spec, pace, around.clock)
    connect = partial(
        Connection, settings.mail_server, seconds=settings.smtp_seconds, data_seconds=settings.smtp_data_seconds
    )
    return Dispatcher(
        Deliverer(ledger, Leases(ledger), composer, pacer, patience, around.told),
        Gate(around.store, around.clock),
        Outage(connect, around.away),
        connect,
        connections=settings.smtp_connections,
        wake=around.context.bell.listener(),
    )


async def send_mails(service: Service) -> None:
    """Send what is due, for ever."""
    settings, context = service.settings, service.executor.context
    assert isinstance(settings, Settings)  # noqa: S101 - app.py gave it
    assert isinstance(context, Context)  # noqa: S101

    def away(reason: str | None) -> None:
        if reason is None:
            service.extra_reasons.pop(REASON, None)
        else:
            service.extra_reasons[REASON] = f"mail server: {reason}"

    service.metrics.mail_server_away.set_function(lambda: REASON in service.extra_reasons)
    around = Surroundings(
        service.store, context, service.executor.clock, service.relay.offer, service.metrics.mail, away
    )
    await dispatcher(settings, around).run()


async def watch_waiting(service: Service) -> None:
    """Measure how long the oldest transactional mail has been due, for ever. Campaigns take the time that they take."""
    where = {"lane": "transactional", "state": "queued"}
    while True:
        with contextlib.suppress(StoreError):
            found = await service.store.find(DELIVERIES.collection, where, order="due_at", limit=1)
            now = service.executor.clock()
            waited = now - (found[0]["due_at"] if found else now)
            service.metrics.mail_waiting.set(max(0.0, waited.total_seconds()))
        await asyncio.sleep(WATCH_SECONDS)
