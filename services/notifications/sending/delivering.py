"""One delivery over one connection, and what its answer means for it."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from services.notifications.bouncing.often import comes_back_too_often
from services.notifications.composing.composer import Composer
from services.notifications.composing.mime import UnusableAddress
from services.notifications.domain import Bounce, Campaign, Delivery, Patience
from services.notifications.sending.leases import Leases
from services.notifications.sending.ledger import Ledger
from services.notifications.sending.pacing import Pacer
from services.notifications.sending.smtp import (
    Answer,
    Connection,
    Doubtful,
    MailServerAway,
    NotMine,
    Refused,
    Taken,
    Unreached,
)
from shared.contracts.base import Event
from shared.observability import tracing
from shared.observability.masking import mask_text
from shared.store.errors import StoreError

log = structlog.get_logger()

TOO_MUCH = frozenset({421, 432, 452})
"""The server is busy, whoever the mail is for."""
MAILBOX: Mapping[str, Bounce] = {"5.1.1": "hard", "5.2.2": "soft"}
"""No such mailbox; it is full. What else a server says against a mail tells nothing of the address."""
LONGEST_REASON = 300

type Told = Callable[[str, str], None]
"""Hears the kind of every mail and how it ended (or `postponed`)."""


class Writing:
    """What came of the last mail over a connection, on its way into the store.

    Meanwhile the next one is offered to the server, but not begun: so at most one mail of a connection is in doubt.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def done(self) -> None:
        """Return when it is written."""
        if self._task:
            await self._task
            self._task = None

    async def follow(self, act: Coroutine[Any, Any, None]) -> None:
        """Begin the next one, which raises nothing."""
        try:
            await self.done()
        except BaseException:
            act.close()
            raise
        self._task = asyncio.create_task(act)


@dataclass(frozen=True)
class Deliverer:
    """Hands mails over and writes what came of it."""

    ledger: Ledger
    leases: Leases
    composer: Composer
    pacer: Pacer
    patience: Patience
    told: Told

    async def deliver(
        self, delivery: Delivery, campaign: Campaign | None, connection: Connection, writing: Writing
    ) -> None:
        """Compose, send, have the outcome written. MailServerAway where it could not even be tried."""
        with tracing.span(f"deliver {delivery.kind}", delivery.traceparent, mail_id=delivery.id):
            await self._deliver(delivery, campaign, connection, writing)

    async def _deliver(
        self, delivery: Delivery, campaign: Campaign | None, connection: Connection, writing: Writing
    ) -> None:
        try:
            mail = await self.composer.compose(delivery, campaign)
        except UnusableAddress as error:
            await self._end(*delivery.refused(self.ledger.clock(), None, str(error)))
            return
        held = [delivery]

        async def begin() -> None:
            if len(held) == 1:  # else it was begun on a connection that broke before anything was handed over
                await writing.done()
                held.append(await self.ledger.begin(delivery))
                self.leases.hold(held[-1])

        try:
            with tracing.span("SMTP send", kind="client"):
                answer = await connection.send(mail, begin)
                tracing.note(answer=type(answer).__name__)
        except NotMine:
            log.info("mail_taken_over", mail_id=delivery.id)
        except MailServerAway as away:
            if len(held) > 1:  # begun, and not handed over
                await writing.follow(self._written(held[-1], Unreached(str(away))))
            raise
        except BaseException:
            self.leases.drop(delivery)
            raise
        else:
            await writing.follow(self._written(held[-1], answer))

    async def _written(self, delivery: Delivery, answer: Answer) -> None:
        try:
            await self._write(delivery, answer)
        except StoreError as error:
            log.warning("store_away", error=str(error))  # its lease ends: then it is as if we had died
        except Exception:
            log.exception("mail_stuck", mail_id=delivery.id)
        finally:
            self.leases.drop(delivery)

    async def skip(self, delivery: Delivery, reason: str) -> None:
        """It is no longer wanted."""
        await self._end(delivery.skipped(self.ledger.clock(), reason), ())

    async def fail(self, delivery: Delivery, error: Exception) -> None:
        """A fault of ours, such as a template that cannot say it: tried again later, as a mended version may."""
        log.error("mail_not_written", mail_id=delivery.id, kind=delivery.kind, exc_info=error)
        await self._end(*self._later(delivery, None, f"{type(error).__name__} while writing the mail"))

    async def _write(self, delivery: Delivery, answer: Answer) -> None:
        now = self.ledger.clock()
        match answer:
            case Taken():
                await self._end(*delivery.sent(now))
                await self.pacer.went_well()
            case Refused() as refused if refused.for_good:
                bounce = MAILBOX.get(refused.enhanced)
                if bounce and await self._dead(delivery, bounce):
                    await self.ledger.suppress(delivery, said(refused.text))
                await self._end(*delivery.refused(now, refused.code, said(refused.text), bounce))
            case Refused(code, text):
                await self._end(*self._later(delivery, code, said(text)))
                if code in TOO_MUCH:
                    await self.pacer.strike()
            case Unreached(reason):
                await self._end(*self._later(delivery, None, said(reason)))
            case Doubtful(reason):
                await self._end(*delivery.doubtful(now, said(reason)))

    async def _dead(self, delivery: Delivery, bounce: Bounce) -> bool:
        """Whether no mail should go to the address any more."""
        store = self.ledger.store
        return bounce == "hard" or await self.ledger.patiently(delivery, lambda: comes_back_too_often(store, delivery))

    def _later(self, delivery: Delivery, code: int | None, reason: str) -> tuple[Delivery, tuple[Event, ...]]:
        jitter = random.uniform(-1, 1)  # noqa: S311 - no secret
        return delivery.postponed(self.ledger.clock(), code, reason, self.patience, jitter)

    async def _end(self, after: Delivery, events: Sequence[Event]) -> None:
        if not await self.ledger.end(after, events):
            log.warning("mail_taken_over", mail_id=after.id, state=after.state)
            return
        outcome = "postponed" if after.state == "queued" else after.state
        self.told(after.kind, outcome)
        log.info("mail", mail_id=after.id, kind=after.kind, outcome=outcome, code=after.code, reason=after.reason)


def said(text: str) -> str:
    """What the server said, without addresses: it is told to others. Bytes that are no UTF-8 become question marks."""
    readable = text.encode("utf-8", "replace").decode()
    return mask_text(" ".join(readable.split()))[:LONGEST_REASON]
