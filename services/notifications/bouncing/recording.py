"""Keeps that a mail came back, once; an address that is dead, or does not answer for long, gets no more mails."""

from functools import partial
from typing import Literal

from services.notifications.bouncing.report import Report
from services.notifications.domain import OPEN, Delivery, Suppression
from services.notifications.sending.delivering import said
from services.notifications.store import DELIVERIES, SUPPRESSIONS
from shared.messaging.executor import Executor
from shared.store.work import Work

LAST, MOST_SOFT = 5, 3
"""So many of the last mails to an address may not come back softly."""

Recorded = Literal["recorded", "known", "early"]


async def record_bounce(executor: Executor, report: Report) -> Recorded:
    """`early`: the delivery is not written as sent yet; ask again. `known`: nothing new, or no delivery of ours."""
    document = await executor.store.get(DELIVERIES.collection, report.mail_id)
    if document is None:
        return "known"
    delivery = DELIVERIES.to_aggregate(document)
    reason = f"bounced: {report.status} {said(report.said)}".strip()
    if delivery.state in OPEN:
        return "early"
    if delivery.bounced(report.bounce, reason) is None:
        return "known"
    name = f"bounce:{report.mail_id}:{report.bounce}"
    await executor.act(name, partial(_record, report, reason), type="bounce", correlation=delivery.correlation)
    return "recorded"


async def _record(report: Report, reason: str, work: Work) -> None:
    delivery = await work.get(DELIVERIES, report.mail_id)
    bounced = delivery.bounced(report.bounce, reason) if delivery else None
    if delivery is None or bounced is None:
        return
    if delivery.address_id and (report.bounce == "hard" or await _too_often(delivery, work)):
        entry = Suppression(id=delivery.address_id, version=1, reason="hard-bounce", detail=reason, at=work.now)
        await work.put(SUPPRESSIONS, entry)
    work.save(DELIVERIES, *bounced)


async def _too_often(delivery: Delivery, work: Work) -> bool:
    last = await work.find(DELIVERIES, {"address_id": delivery.address_id}, order="-created_at", limit=LAST)
    return 1 + sum(d.bounce is not None for d in last if d.id != delivery.id) >= MOST_SOFT
