"""What may be read by who looks after the system, and holds nobody's name: logs at level debug, metrics, processes."""

import asyncio
import json
import re
import uuid
from pathlib import Path

import aio_pika
import httpx
from aio_pika.abc import AbstractChannel

from deploy.local.demo import cast
from shared.contracts.base import Envelope
from shared.contracts.events import SignupConfirmed
from shared.contracts.notifications import Subscribe
from shared.messaging import failing
from tests.e2e.played import Played
from tests.support.embedded import SERVICES, Embedded
from tests.support.running import until

CPR = "010180-1234"
SURFER = "203.0.113.77"
"""The address of a person behind a proxy that is trusted."""
STRANGER = "Signe Hemmelig"
FORM = {"email": f"{STRANGER} <signe@hemmelig.example>", "name": f"{STRANGER} {CPR}", "topics": "newsletter"}


async def go_wrong(system: Embedded) -> None:
    """Every way into an error with personal data in hand, over the broker and over HTTP."""
    connection = await aio_pika.connect(system.url("operator"))
    async with connection:
        channel = await connection.channel()
        spoilt = {**Subscribe(email="signe@hemmelig.example", topics=("newsletter",)).model_dump(mode="json"), **FORM}
        poison = [
            json.dumps(FORM).encode(),
            f"{STRANGER} {CPR}".encode(),
            b'{"specversion": "1.0", "id": "' + STRANGER.encode(),
        ]
        for body in (*poison, _command(spoilt), _command({STRANGER: STRANGER})):
            await _put(channel, "notifications.commands", body, "operator")
        event = {"name": STRANGER, "email": "signe@hemmelig.example", "details": STRANGER, "signup_id": [STRANGER]}
        for queue, sender in (("notifications.from.events", "events"), ("procurement.from.supplier", "supplier")):
            envelope = Envelope(id=str(uuid.uuid4()), source=f"/{sender}", type=SignupConfirmed.type(), data=event)
            await _put(channel, queue, envelope.to_json(), sender)
    async with httpx.AsyncClient(headers={"X-Forwarded-For": SURFER, "User-Agent": STRANGER}) as browser:
        news, events = system.http["notifications"], system.http["events"]
        for path in (
            "/nyhedsbrev",
            "/bekraeft/" + "aB3" * 20,
            "/afmeld/" + "aB3" * 20,
            f"/signe@hemmelig.example/{CPR}",
        ):
            await browser.get(news + path, params={"email": "signe@hemmelig.example", "t": "aB3" * 20})
            await browser.post(news + path, data=FORM)
        await browser.post(f"{events}/arrangementer/{uuid.uuid4()}", data=FORM)
        await browser.get(f"{events}/afbud/{'aB3' * 20}")


def _command(data: dict[str, object]) -> bytes:
    return Envelope(id=str(uuid.uuid4()), source="/x", type=Subscribe.type(), data=data).to_json()


async def _put(channel: AbstractChannel, queue: str, body: bytes, sender: str) -> None:
    message = aio_pika.Message(body, user_id="operator", headers={failing.SENDER: sender})
    await channel.default_exchange.publish(message, queue)


async def dead_letters(system: Embedded) -> int:
    """How many messages were laid aside, as the metrics tell."""
    async with httpx.AsyncClient() as client:
        pages = [(await client.get(f"{url}/metrics")).text for url in system.http.values()]
    found = re.findall(r"^rummelig_dead_lettered_total\{.*\} (\S+)$", "\n".join(pages), re.MULTILINE)
    return sum(int(float(count)) for count in found)


async def metrics(system: Embedded) -> str:
    async with httpx.AsyncClient() as client:
        return "\n".join(
            [(await client.get(f"{url}/{page}")).text for url in system.http.values() for page in ("metrics", "readyz")]
        )


async def personal(system: Embedded) -> dict[str, str]:
    """What must not be seen -> what it is."""
    people = [*cast.READERS.values(), "Bjergager", "Prøvestad", STRANGER]
    addresses = {mail.to for mail in await system.mails()} | {*cast.READERS, cast.DOUBTER, "signe@hemmelig.example"}
    tokens = {
        token
        for mail in await system.mails()
        for token in re.findall(r"/(?:bekraeft|afmeld|afbud)/([\w-]{20,})", mail.text + str(mail.message))
    }
    returns = {str(mail.message["X-Envelope-From"]).partition("@")[0] for mail in await system.mails()}
    assert len(addresses) > 20
    assert len(tokens) > 20
    assert len(returns) > 20
    told = {
        "name": people,
        "address": addresses,
        "token": tokens,
        "return address": returns,
        "CPR": [CPR],
        "IP": [SURFER],
    }
    return {each: kind for kind, found in told.items() for each in found}


def secrets(system: Embedded) -> dict[str, str]:
    kept: dict[str, str] = json.loads((system.system.home.path / "secrets.json").read_text())
    assert {*SERVICES, "operator", "integrator"} <= set(kept)
    return {value.removeprefix("k1:"): f"secret of {name}" for name, value in kept.items()}


def seen(text: str, forbidden: dict[str, str]) -> list[str]:
    """The lines in which something stands that must not."""
    low = text.casefold()
    return [
        f"{kind} {what!r}: {next(line for line in text.splitlines() if what.casefold() in line.casefold())[:400]}"
        for what, kind in forbidden.items()
        if what.casefold() in low
    ]


def command_lines() -> str:
    """Of all processes of this machine, as `ps` shows them to everybody."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)


async def test_logs_metrics_and_processes_of_a_whole_demo_name_nobody_and_no_secret(played: Played):
    system = played.system
    await go_wrong(system)

    async def laid_aside() -> int:
        return await dead_letters(system)

    await until(laid_aside, lambda count: count >= 7)
    forbidden = await personal(system) | await asyncio.to_thread(secrets, system)
    shown = await metrics(system)
    processes = command_lines()
    await asyncio.to_thread(system.system.stop)  # what is said at the end counts too
    logs = {
        path.name: path.read_text(encoding="utf-8", errors="replace") for path in system.system.home.logs.glob("*.log")
    }
    assert {*(f"{name}.log" for name in SERVICES), "rabbitmq.log", "supervisor.log"} <= set(logs)
    assert all(len(logs[f"{name}.log"].splitlines()) > 3 for name in SERVICES)
    assert [f"{name}: {line}" for name, text in logs.items() for line in seen(text, forbidden)] == []
    assert seen(shown, forbidden) == []
    assert seen(processes, secrets(system)) == []
