"""Keeps that a mail came back, once; an address that is dead, or does not answer for long, gets no more mails."""

from functools import partial
from typing import Literal

from services.notifications.bouncing.often import comes_back_too_often
from services.notifications.bouncing.report import Report
from services.notifications.domain import OPEN, Suppression
from services.notifications.sending.delivering import said
from services.notifications.store import DELIVERIES, SUPPRESSIONS
from shared.messaging.executor import Executor
from shared.store.work import Work

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
    if delivery.address_id and (report.bounce == "hard" or await comes_back_too_often(work.store, delivery)):
        entry = Suppression(id=delivery.address_id, version=1, reason="hard-bounce", detail=reason, at=work.now)
        await work.put(SUPPRESSIONS, entry)
    work.save(DELIVERIES, *bounced)
