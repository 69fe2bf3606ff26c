"""One trace from the click to the mail, over processes, stores and an absent broker, with nothing personal in it."""

import re
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from deploy.local.home import Home
from deploy.local.system import System
from shared.messaging.client import Client
from tests.support.announcing import announced
from tests.support.embedded import Embedded, on_its_own
from tests.support.otlp import Receiver, Span, otlp_receiver
from tests.support.running import until

SERVICES = ("events", "notifications")
NAME, ADDRESS = "Asta Sporløs", "asta.sporloes@borger.example"

CLICK, COMMAND = "POST /arrangementer/{event_id}", "sign-up"
HEARD, DELIVERED, HANDED_OVER = "notifications.from.events signup-confirmed", "deliver signup-confirmed", "SMTP send"
TOLD, TOLD_AFTER = "publish events.outbox signup-confirmed.v1", "publish notifications.outbox mail-sent.v1"

PARENTS = {
    COMMAND: CLICK,
    TOLD: COMMAND,
    HEARD: COMMAND,
    DELIVERED: HEARD,
    HANDED_OVER: DELIVERED,
    TOLD_AFTER: DELIVERED,
}
"""Step -> the step that led to it."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as found:
        yield found


@pytest.fixture(scope="module")
def traced(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """The two services that a sign-up takes, telling their traces."""
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    home = Home(tmp_path_factory.mktemp("traced"))
    with System(home, services=SERVICES, environment=on_its_own() | tracing) as system:
        system.wait_ready()
        yield Embedded(system)


def whole(seen: dict[str, Span]) -> bool:
    """Whether every step is there, the last try of each a success: while the broker was away publishing failed."""
    return all(step in seen and seen[step].status == "" for step in PARENTS)


async def test_one_trace_from_the_click_to_the_mail(traced: Embedded, receiver: Receiver):
    async with Client(traced.url("integrator")) as client:
        event_id = await announced(client, "Sporet gennem systemet", seats=2)
    page = f"{traced.http['events']}/arrangementer/{event_id}"
    form = {"name": NAME, "email": ADDRESS, "attendance": "on-site"}
    async with traced.without("rabbitmq"):
        async with httpx.AsyncClient() as browser:
            forged = {"traceparent": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"}
            assert (await browser.post(page, data=form, headers=forged)).status_code == 200
        assert HEARD not in await until(partial(receiver.trace_of, CLICK))
        # What is sent later is sent by another process, which knows the trace from the store alone.
        traced.system.kill("events")
    spans: dict[str, Span] = await until(partial(receiver.trace_of, TOLD), whole)
    assert {step: spans[step].parent for step in PARENTS} == {step: spans[led].id for step, led in PARENTS.items()}
    assert {span.service for span in spans.values()} == {*SERVICES}
    clicks = [span for span in receiver.spans if span.name == CLICK]
    assert [(span.trace, span.parent) for span in clicks] == [(spans[COMMAND].trace, "")]
    assert clicks[0].attributes["http.response.status_code"] == 200
    assert spans[HANDED_OVER].attributes["answer"] == "Taken"


async def test_nothing_personal_is_in_any_trace(traced: Embedded, receiver: Receiver):
    mails = await until(traced.mails, lambda found: any(mail.to == ADDRESS for mail in found))
    told = next(mail for mail in mails if mail.to == ADDRESS).text
    link = re.search(r"http://\S+/afbud/[\w-]+", told)
    assert link
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(link[0])).status_code == 200
    await until(partial(receiver.trace_of, "GET /afbud/{token}"))
    said = repr(receiver.spans)
    token = link[0].rpartition("/")[2]
    assert [word for word in (NAME, *NAME.split(), ADDRESS, "borger.example", token) if word in said] == []
