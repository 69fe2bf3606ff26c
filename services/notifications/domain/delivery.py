"""One mail to one address: claimed with a lease, tried until it ends, never sent again where that could be noticed.

queued ──► sending ──► sent
   ▲          ├──────► failed      refused for good, or given up after days
   │          ├──────► uncertain   the server may have taken it: nobody knows
   ├──────────┘ 4xx, network       (again later)
   └──► skipped                    no longer wanted when its turn came
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from services.notifications.domain.letter import Letter
from shared.contracts.aggregate import Aggregate
from shared.contracts.base import Event, derived_id
from shared.contracts.notifications import MailFailed, MailSent
from shared.contracts.types import KeptEmail, Language, Topic

Lane = Literal["transactional", "campaign"]
DeliveryState = Literal["queued", "sending", "sent", "failed", "skipped", "uncertain"]

Bounce = Literal["hard", "soft"]

OPEN: tuple[DeliveryState, ...] = ("queued", "sending")
"""States that are not an end."""


KEPT = timedelta(days=90)
"""After its end a mail's address and content are kept for questions about it; then only that it was sent."""


class Patience(BaseModel):
    """How long to wait before each further try, and when to give up."""

    model_config = ConfigDict(frozen=True)

    delays: tuple[float, ...] = (60, 300, 900, 3600, 14400)
    """Seconds; after the last of them the pauses double, up to half a day."""
    give_up_after: timedelta = timedelta(days=5)

    def pause(self, tries: int, jitter: float) -> timedelta:
        """Before the try after `tries` failed ones; `jitter` from -1 to 1 moves it by up to a fifth."""
        last = len(self.delays) - 1
        seconds = self.delays[min(tries - 1, last)] * 2.0 ** min(max(0, tries - 1 - last), 20)
        return timedelta(seconds=min(seconds, max(43_200.0, self.delays[last])) * (1 + 0.2 * jitter))


_GONE: dict[str, Any] = {"recipient": "", "name": None, "reply_to": None, "data": {}, "erase_at": None}
"""What tells of the person in a mail."""


class Delivery(Aggregate):
    """A mail and how it stands. While it is claimed, `due_at` is the end of the lease; `version` grows with the state,
    so that only one of two who hold it can go on.
    """

    cause: str
    correlation: str | None = None
    traceparent: str | None = None
    """The trace that led to it, for what it is sent by: another process, perhaps days later."""
    kind: str
    lane: Lane
    recipient: KeptEmail
    address_id: str
    name: str | None = None
    language: Language
    data: dict[str, Any]
    reply_to: KeptEmail | None = None
    message_id: str
    campaign_id: str | None = None
    topic: Topic | None = None
    state: DeliveryState = "queued"
    created_at: datetime
    due_at: datetime
    expires_at: datetime | None = None
    tries: int = 0
    doubts: int = 0
    code: int | None = None
    reason: str = ""
    bounce: Bounce | None = None
    """It came back, at once or after a server took it: the address is dead (hard), or not reached now (soft)."""
    ended_at: datetime | None = None
    erase_at: datetime | None = None

    def begun(self, until: datetime) -> "Delivery":
        """It is being handed over; whoever does it gives a sign of life before `until`."""
        return self.model_copy(update={"state": "sending", "due_at": until, "version": self.version + 1})

    def sent(self, now: datetime) -> "tuple[Delivery, tuple[Event, ...]]":
        """The server took it."""
        told = MailSent(mail_id=self.id, kind=self.kind, cause=self.cause)
        return self._over("sent", now, code=250, reason=""), (told,)

    def refused(
        self, now: datetime, code: int | None, reason: str, bounce: Bounce | None = None
    ) -> "tuple[Delivery, tuple[Event, ...]]":
        """It will never be taken. `bounce`: because of the mailbox, which is not there (hard) or full (soft)."""
        after, told = self._ended("failed", now, code, reason)
        return after.model_copy(update={"bounce": bounce}), told

    def postponed(
        self, now: datetime, code: int | None, reason: str, patience: Patience, jitter: float
    ) -> "tuple[Delivery, tuple[Event, ...]]":
        """Not now: tried again later, or given up when that has gone on for too long."""
        again = now + patience.pause(self.tries + 1, jitter)
        if again - self.created_at > patience.give_up_after:
            return self._ended("failed", now, code, f"given up after {self.tries + 1} tries: {reason}")
        return self._to("queued", now, due_at=again, tries=self.tries + 1, code=code, reason=reason), ()

    def doubtful(self, now: datetime, reason: str) -> "tuple[Delivery, tuple[Event, ...]]":
        """DATA was begun and no answer came. A transactional mail goes out once more, with the same Message-ID."""
        if self.lane == "transactional" and self.doubts == 0:
            return self._to("queued", now, due_at=now, doubts=1, reason=reason), ()
        return self._ended("uncertain", now, None, reason)

    def skipped(self, now: datetime, reason: str) -> "Delivery":
        """No longer wanted."""
        return self._over("skipped", now, reason=reason)

    def bounced(self, bounce: Bounce, reason: str) -> "tuple[Delivery, tuple[Event, ...]] | None":
        """It came back: told once. None where that is known, or no server had taken it. For `work.save`."""
        if self.state not in ("sent", "uncertain") or self.bounce in (bounce, "hard"):
            return None
        failed = MailFailed(mail_id=self.id, kind=self.kind, cause=self.cause, outcome="failed", reason=reason)
        told = () if self.bounce or self.state == "uncertain" else (failed,)  # `uncertain` was told as such
        return self.model_copy(update={"bounce": bounce, "reason": reason}), told

    def restored(self, now: datetime) -> "tuple[Delivery, tuple[Event, ...]]":
        """It was open in a backup that came back: nobody knows whether it went out since. It does not go out again."""
        return self._ended("uncertain", now, None, "open in a backup that was restored: it may have gone out since")

    def heard(self, state: Literal["sent", "failed", "uncertain"], at: datetime) -> "Delivery":
        """It ended after the backup that this comes from, as the log of all events tells."""
        return self._over(state, at, reason="" if state == "sent" else "told by the log of all events")

    def forgotten(self) -> "Delivery":
        """What is left of it when nobody needs to know any more who got what."""
        return self.model_copy(update={**_GONE, "version": self.version + 1})

    def without_person(self, now: datetime) -> "tuple[Delivery, tuple[Event, ...]]":
        """The recipient was erased: it is not sent any more, and nothing tells to whom it was."""
        after, told = self._stopped(now)
        return after.model_copy(update={**_GONE, "address_id": ""}), told

    def without_content(self, now: datetime) -> "tuple[Delivery, tuple[Event, ...]]":
        """Somebody it speaks of was erased: it is not sent any more, and nothing of what it said stays."""
        after, told = self._stopped(now)
        return after.model_copy(update={"reply_to": None, "data": {}}), told

    def _stopped(self, now: datetime) -> "tuple[Delivery, tuple[Event, ...]]":
        match self.state:
            case "queued":
                return self.skipped(now, "erased"), ()
            case "sending":  # it may be out; whoever hands it over right now finds that it was ended meanwhile
                return self._ended("uncertain", now, None, "erased while it was being handed over")
            case _:
                return self.model_copy(update={"version": self.version + 1}), ()

    def _ended(
        self, state: Literal["failed", "uncertain"], now: datetime, code: int | None, reason: str
    ) -> "tuple[Delivery, tuple[Event, ...]]":
        told = MailFailed(
            mail_id=self.id, kind=self.kind, cause=self.cause, outcome=state, code=code, reason=reason or state
        )
        return self._over(state, now, code=code, reason=reason), (told,)

    def _over(self, state: DeliveryState, now: datetime, **changes: Any) -> "Delivery":
        return self._to(state, now, ended_at=now, erase_at=now + KEPT, **changes)

    def _to(self, state: DeliveryState, now: datetime, **changes: Any) -> "Delivery":
        # `due_at` of what is over tells nothing; set to now it leaves the range that claims look at.
        return self.model_copy(update={"state": state, "due_at": now, "version": self.version + 1, **changes})


def ended_unseen(mail_id: str, kind: str, cause: str, at: datetime) -> Delivery:
    """Stands where a delivery would that ended after the backup: its event, told again, leads to no second mail."""
    of_campaign = kind in ("campaign", "event-announced")
    return Delivery(
        id=mail_id,
        cause=cause,
        kind=kind,
        lane="campaign" if of_campaign else "transactional",
        campaign_id=cause if of_campaign else None,
        recipient="",
        address_id="",
        language="da",
        data={},
        message_id="",
        created_at=at,
        due_at=at,
    )


def delivery(
    letter: Letter,
    *,
    cause: str,
    correlation: str | None,
    address: str,
    domain: str,
    now: datetime,
    traceparent: str | None = None,
) -> Delivery:
    """The delivery of a letter, at version 1, as `work.put` takes it: the same whenever its cause is handled again.

    `correlation` is the id of the business action, `address` the id of the recipient's address, `domain` the one that
    we send from.
    """
    mail_id = derived_id("delivery", letter.kind, cause, address)
    return Delivery(
        id=mail_id,
        version=1,
        cause=cause,
        correlation=correlation,
        traceparent=traceparent,
        lane="transactional",
        address_id=address,
        message_id=f"<{mail_id}@{domain}>",
        created_at=now,
        due_at=now,
        **letter.model_dump(),
    )
