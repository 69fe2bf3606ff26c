"""Cases 15 to 17: mail servers that are slow, that vanish after DATA, that say not now or never."""

import asyncio
import statistics
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from services.notifications.app import create
from services.notifications.domain import Delivery
from shared.contracts.notifications import MailFailed, MailSent, Subscribe
from shared.messaging.client import Client
from shared.messaging.deadletters import DeadLetters
from shared.messaging.publisher import Publisher
from tests.notifications.conftest import rig, sink
from tests.notifications.happenings import confirmed, registered
from tests.notifications.rig import Rig, settings
from tests.notifications.sink import DROP, Sink
from tests.support.names import new_name
from tests.support.running import until

__all__ = ["rig", "sink"]

EACH = 200
SLOW_SECONDS = 60.0
PEOPLE = 30
CAUSE = "cause-17"


@pytest.mark.faults
@pytest.mark.timeout(300)
async def test_case_15_a_server_that_answers_after_a_minute_holds_nothing_else_up(
    sink: Sink, broker: Any, tmp_path: Any, told: Any
):
    chosen = settings(
        smtp_url=SecretStr(f"smtp://127.0.0.1:{sink.port}"),
        store_url=SecretStr(f"sqlite:///{tmp_path / 'n.db'}"),
        amqp_url=SecretStr(broker.url("notifications")),
        mail_lease_seconds=20,
        log_level="error",
    )
    app = create(chosen)
    operator = Publisher(broker.url("operator"), "test-operator")
    async with app.router.lifespan_context(app), Client(broker.url("integrator"), timeout=30) as client:
        await subscribe(client, 20)
        calm = await subscribe(client, EACH)
        await sink.mails(EACH + 20)
        began, sink.seconds = time.monotonic(), SLOW_SECONDS
        slow = await subscribe(client, EACH)
        assert len(sink.received) == EACH + 20, "the server has answered nothing yet"
        told("case 15", p99_calm_ms=round(p99(calm) * 1000, 1), p99_slow_ms=round(p99(slow) * 1000, 1))
        assert p99(slow) <= 2 * p99(calm)
        await sink.mails(EACH + 21, seconds=2 * SLOW_SECONDS)
        assert time.monotonic() - began >= SLOW_SECONDS
        sink.seconds = 0
        await sink.mails(2 * EACH + 20, seconds=2 * SLOW_SECONDS)
        assert await DeadLetters(operator, "notifications").all() == []
    await operator.close()
    assert set(Counter(r.recipient for r in sink.received).values()) == {1}


async def subscribe(client: Client, count: int) -> list[float]:
    """Seconds that each of so many commands took to its reply; each leads to a mail."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        reply = await client.send(Subscribe(email=f"{new_name()}@forening.example", topics=("newsletter",)))
        took.append(time.perf_counter() - began)
        assert reply.ok
    return took


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


async def test_case_16_a_lost_answer_leads_to_at_most_one_further_mail_with_the_same_id(rig: Rig, told: Any):
    """Every third answer is lost, for every third mail both; to a campaign mail none is ever sent again."""
    seen: Counter[str] = Counter()

    def vanish(email: str) -> str | None:
        seen[email] += 1
        number = int(email.partition("@")[0].removeprefix("p"))
        return DROP if number % 3 == 0 or (number % 3 == 1 and seen[email] == 1) else None

    rig.sink.data = vanish
    people = [f"p{n}@forening.example" for n in range(PEOPLE)]
    for n, email in enumerate(people):
        await rig.harness.feed(confirmed(signup_id=f"s{n}", email=email), id=f"cause-{n}")
    await rig.sent()
    transactional = Counter((r.recipient, str(r.mail["Message-ID"])) for r in rig.sink.received)
    assert {email for email, _ in transactional} == set(people)
    assert len(transactional) == PEOPLE, "one Message-ID each"
    assert Counter(transactional.values()) == {1: PEOPLE // 3, 2: 2 * PEOPLE // 3}
    states = Counter(d.state for d in await rig.deliveries())
    assert states == {"sent": 2 * PEOPLE // 3, "uncertain": PEOPLE // 3}
    assert len(rig.harness.told(MailSent)) + len(rig.harness.told(MailFailed)) == PEOPLE

    rig.sink.received.clear()
    seen.clear()
    await rig.subscribed(*people)
    campaign = await rig.campaign(await rig.send_campaign())
    await rig.sent()
    assert set(Counter(r.recipient for r in rig.sink.received).values()) == {1}
    told("case 16", mails=PEOPLE, twice=sum(n == 2 for n in transactional.values()), three_times=0)
    assert (await rig.campaign(campaign.id)).outcome["uncertain"] == 2 * PEOPLE // 3


async def test_case_17_not_now_is_tried_for_five_days_and_told_once(rig: Rig, told: Any):
    rig.sink.rcpt = lambda _: "451 4.7.1 greylisted"
    await rig.harness.feed(registered(), id=CAUSE)
    began, pauses = rig.harness.now, list[timedelta]()
    while (delivery := await ended(rig)).state == "queued":
        pauses.append(delivery.due_at - rig.harness.now)
        rig.harness.now = delivery.due_at
    lasted = rig.harness.now - began
    rig.sink.rcpt = lambda _: None
    rig.later(days=30)
    await rig.harness.feed(registered(), id=CAUSE)  # the same event once more
    assert await rig.sent() == []
    told("case 17", tries=len(pauses) + 1, days=round(lasted / timedelta(days=1), 1))
    assert timedelta(days=4) < lasted <= timedelta(days=5)
    assert sorted(pauses[:5]) == pauses[:5]
    assert max(pauses) <= timedelta(hours=14.4)
    assert [e.outcome for e in rig.harness.told(MailFailed)] == ["failed"]


@pytest.mark.parametrize("stage", ["rcpt", "data"])
async def test_case_17_never_is_not_tried_again_and_told_once(rig: Rig, stage: str):
    tries = []

    def never(email: str) -> str:
        tries.append(email)
        return "550 5.1.1 no such mailbox"

    setattr(rig.sink, stage, never)
    await rig.harness.feed(registered(), id=CAUSE)
    jobs = [asyncio.create_task(rig.dispatcher().run()) for _ in range(2)]  # two workers

    async def failed() -> list[Delivery]:
        return [d for d in await rig.deliveries() if d.state == "failed"]

    await until(failed)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    for _ in range(6):
        rig.later(days=1)
        await rig.harness.feed(registered(), id=CAUSE)
        await rig.sent()
    assert len(tries) == 1
    assert [(e.outcome, e.code) for e in rig.harness.told(MailFailed)] == [("failed", 550)]
    assert len((await rig.harness.dump())["suppressions"]) == 1


async def ended(rig: Rig) -> Delivery:
    await rig.sent()
    return await rig.delivery()
