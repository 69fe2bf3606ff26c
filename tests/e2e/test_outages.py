"""The broker goes away and comes back: pages go on, services say why they are not ready, and nothing is lost."""

import asyncio
import time
import uuid
from functools import partial
from typing import Any

import httpx
import pytest

from deploy.local.demo.mails import Mail
from shared.contracts.events import SignUp
from shared.messaging.client import Client
from tests.support.announcing import announced
from tests.support.broker import control
from tests.support.embedded import Embedded
from tests.support.running import until

BACK_SECONDS = 15.0
"""After the broker is up, until every consumer is there again."""


async def readiness(system: Embedded) -> dict[str, dict[str, Any]]:
    """Service -> what it answers to GET /readyz."""
    async with httpx.AsyncClient() as http:
        return {name: (await http.get(f"{url}/readyz")).json() for name, url in system.http.items()}


async def meeting(system: Embedded) -> str:
    async with Client(system.url("integrator")) as client:
        return await announced(client, "Møde uden mægler", seats=2)


async def test_without_a_broker_pages_go_on_and_tell_others_later(system: Embedded):
    event_id = await meeting(system)
    http = dict(system.http)
    address = f"{uuid.uuid4().hex[:8]}@uden-maegler.example"
    async with system.without("rabbitmq"):
        reasons = await until(partial(readiness, system), none_ready)
        assert all("broker" in " ".join(each["reasons"]) or "consumer" in str(each) for each in reasons.values())
        async with httpx.AsyncClient(follow_redirects=True) as client:
            page = f"{http['events']}/arrangementer/{event_id}"
            assert (await client.get(page)).status_code == 200
            form = {"name": "Astrid Prøvestad", "email": address, "attendance": "on-site"}
            assert (await client.post(page, data=form)).status_code == 200
            assert (await client.get(f"{http['supplier']}/livez")).status_code == 200
        assert [mail for mail in await system.mails() if mail.to == address] == []

    async def confirmed() -> list[Mail]:
        return [mail for mail in await system.mails() if mail.to == address]

    (mail,) = await until(confirmed)
    assert mail.calendar.startswith("REQUEST")


async def test_consumers_are_back_within_seconds_after_the_broker(system: Embedded):
    event_id = await meeting(system)
    await asyncio.to_thread(system.system.hold, "rabbitmq")
    system.system.release("rabbitmq")

    async def broker_is_up() -> bool:
        return bool(system.system.processes()["rabbitmq"]["ready"])

    await until(broker_is_up, patience=60)
    up = time.monotonic()
    await until(partial(readiness, system), all_ready, patience=BACK_SECONDS)
    assert time.monotonic() - up < BACK_SECONDS
    async with Client(system.url("integrator"), timeout=BACK_SECONDS) as client:
        wish = SignUp(event_id=event_id, name="Bo", email="bo@igen.example", attendance="on-site")
        assert (await client.send(wish)).ok


@pytest.mark.faults
async def test_case_19_people_sign_up_on_a_page_under_a_disk_alarm_of_the_broker(system: Embedded):
    event_id = await meeting(system)
    people = [f"person{n}-{uuid.uuid4().hex[:8]}@fuld-disk.example" for n in range(2)]
    home = system.system.home
    await asyncio.to_thread(control, home, "set_disk_free_limit", "1000000000000000")
    try:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            page = f"{system.http['events']}/arrangementer/{event_id}"
            for address in people:
                form = {"name": "Astrid Prøvestad", "email": address, "attendance": "on-site"}
                assert (await client.post(page, data=form)).status_code == 200
        assert not await mails_to(system, people)
    finally:
        await asyncio.to_thread(control, home, "set_disk_free_limit", "200MB")
    await until(partial(mails_to, system, people), lambda found: found == set(people), patience=60)


async def mails_to(system: Embedded, people: list[str]) -> set[str]:
    return {mail.to for mail in await system.mails()} & set(people)


def none_ready(answers: dict[str, dict[str, Any]]) -> bool:
    return not any(each["ready"] for each in answers.values())


def all_ready(answers: dict[str, dict[str, Any]]) -> bool:
    return all(each["ready"] for each in answers.values())
