"""Stores that were lost come back from a backup that was made under load, and everything goes on."""

import asyncio
import shutil
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from deploy.local.demo import cast
from deploy.local.demo.mails import Mail
from shared.contracts.base import Reply
from shared.contracts.events import SignUp
from shared.contracts.examples import example
from shared.contracts.notifications import SendCampaign
from shared.contracts.supplier import RegisterSupplier, UpdateSupplier
from shared.messaging.client import Client
from tests.support.announcing import announced
from tests.support.embedded import Embedded, Everything, embedded, rummelig
from tests.support.running import until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

TITLE, SEATS = "Møde med sikkerhedskopi", 30
SLOW = 200.0
"""Seconds, on a machine that is busy with much else."""


class Signing:
    """People who sign up for one event, one after another in two rows, until they are told to stop."""

    def __init__(self, client: Client, event_id: str) -> None:
        self._client, self._event_id = client, event_id
        self.wishes: dict[str, SignUp] = {}
        self.replies: dict[str, Reply] = {}
        self._stop = asyncio.Event()

    async def send(self, id: str) -> Reply:
        return await self._client.send(self.wishes[id], id=id)

    async def row(self) -> None:
        while not self._stop.is_set():
            name = str(uuid.uuid4())
            email = f"{name[:8]}@raekken.example"
            self.wishes[name] = SignUp(event_id=self._event_id, name="Bo", email=email, attendance="on-site")
            self.replies[name] = await self.send(name)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        rows = [asyncio.create_task(self.row()) for _ in range(2)]
        try:
            yield
        finally:
            self._stop.set()
            await asyncio.gather(*rows)

    async def at_least(self, number: int) -> None:
        async def count() -> int:
            return len(self.replies)

        await until(count, lambda found: found >= number, patience=60)


def ledger(found: Everything, event_id: str) -> tuple[Counter[str], dict[str, int]]:
    """How many sign-ups are in each state, and what the event itself counts."""
    states = Counter(d["state"] for d in found["events"]["signups"])
    (event,) = (d for d in found["events"]["events"] if d["_id"] == event_id)
    return states, event["on_site"]


def as_counted(states: Counter[str]) -> dict[str, int]:
    return {
        "capacity": SEATS,
        "taken": states["confirmed"],
        "waiting": states["waiting"],
        "arrivals": states.total(),
    }


async def subscribed(system: Embedded, client: Client, email: str) -> str:
    """The link to confirm, from the mail; not pressed."""
    assert (await client.send(cast.subscription(email))).ok

    async def link() -> str:
        return "".join(m.link("/bekraeft/") for m in await system.mails() if m.to == email)

    return await until(link)


async def press(system: Embedded, service: str, link: str) -> None:
    """Press the button behind a link of an old mail, wherever the service is now."""
    async with httpx.AsyncClient() as http:
        address = system.http[service] + urlsplit(link).path
        assert (await http.get(address)).status_code == 200
        assert (await http.post(address)).status_code == 200


async def test_a_backup_under_load_goes_on_in_an_empty_system(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    with embedded(tmp_path / "old") as old:
        async with Client(old.url("integrator")) as client:
            event_id = await announced(client, TITLE, SEATS)
            confirm = await subscribed(old, client, "lone@laeser.example")
            signing = Signing(client, event_id)
            async with signing.going_on():
                await signing.at_least(60)
                before = list(signing.replies)
                done = await old.run("backup", str(saved), seconds=SLOW)
                assert done.returncode == 0, done.stderr
                await signing.at_least(len(signing.replies) + 20)
        await old.settled()
        mails = await old.mails()
    assert oct(saved.stat().st_mode)[-3:] == "700"
    assert {oct(path.stat().st_mode)[-3:] for path in saved.iterdir()} == {"600"}
    done = rummelig("restore", str(saved), home=tmp_path / "new", seconds=SLOW)
    assert done.returncode == 0, done.stderr
    with embedded(tmp_path / "new") as new:
        states, counted = ledger(await new.settled(), event_id)
        assert counted == as_counted(states), "the event and its sign-ups are of one moment"
        assert len(before) <= states.total() < len(signing.replies)
        async with Client(new.url("integrator")) as client:
            signing._client = client
            replies = {name: await signing.send(name) for name in signing.replies}
        assert all(reply.ok for reply in replies.values())
        same = {name for name, reply in replies.items() if reply == signing.replies[name]}
        assert set(before) <= same, "what was done before the backup is answered as it was then"
        states, counted = ledger(await new.settled(), event_id)
        assert states.total() == len(signing.replies), "sent again with its id, each is there once"
        assert counted == as_counted(states)
        await press(new, "notifications", confirm)
        cancel = next(m.link("/afbud/") for m in mails if m.to == signing.wishes[before[0]].email)
        await press(new, "events", cancel)
        found = await new.settled()
        assert ledger(found, event_id)[0]["cancelled"] == 1
        (subscriber,) = (s for s in found["notifications"]["subscribers"] if s["email"] == "lone@laeser.example")
        assert subscriber["topics"]


async def test_lost_stores_with_the_log_at_hand_send_no_mail_twice(tmp_path: Path) -> None:
    """Backed up, went on for a while, lost every store but not the broker."""
    saved, home = tmp_path / "saved", tmp_path / "home"
    company = example(RegisterSupplier)
    with embedded(home) as system:
        async with Client(system.url("integrator")) as client:
            event_id = await announced(client, TITLE, SEATS)
            for name in ("a", "b"):
                await press(system, "notifications", await subscribed(system, client, f"{name}@laeser.example"))
            supplier_id = str(((await client.send(company)).result or {})["supplier_id"])
            await system.settled()
            begun = datetime.now(UTC)
            done = await system.run("backup", str(saved), seconds=SLOW)
            assert done.returncode == 0, done.stderr
            signing = Signing(client, event_id)
            async with signing.going_on():
                await signing.at_least(30)
            campaign = SendCampaign(topic="newsletter", subject="Efter sikkerhedskopien", body="Hej.")
            assert (await client.send(campaign)).ok
            for number in range(3):
                changed = UpdateSupplier(supplier_id=supplier_id, description=f"Nummer {number}")
                assert (await client.send(changed)).ok

            async def to_b() -> list[Mail]:
                return [m for m in await system.mails() if m.is_campaign and m.to == "b@laeser.example"]

            (left,) = await until(to_b)
            await system.settled()
            async with httpx.AsyncClient() as http:
                assert (await http.post(left.one_click)).status_code == 200
            await system.settled()
        sent = Counter(str(m.message["Message-ID"]) for m in await system.mails())
    for store in home.glob("*.db*"):
        store.unlink()
    done = rummelig("restore", str(saved), home=home, seconds=SLOW)
    assert done.returncode == 0, done.stderr
    assert "the log of events told of" in done.stdout
    with embedded(home) as system:
        for service in ("notifications", "procurement"):
            done = await system.run("replay", "--to", service, "--since", begun.isoformat())
            assert done.returncode == 0, done.stderr
        found = await system.settled()
        topics = {s["email"]: s["topics"] for s in found["notifications"]["subscribers"]}
        assert "newsletter" in topics["a@laeser.example"]
        assert "newsletter" not in topics["b@laeser.example"], "who left since the backup stays away"
        async with Client(system.url("integrator")) as client:
            changed = UpdateSupplier(supplier_id=supplier_id, name="Nyt Navn ApS")
            assert (await client.send(changed)).ok
        found = await system.settled()
        assert Counter(str(m.message["Message-ID"]) for m in await system.mails()) == sent, "no mail a second time"
        (copy,) = (s for s in found["procurement"]["suppliers"] if s["_id"] == supplier_id)
        assert copy["name"] == "Nyt Navn ApS", "news from a restored service count as newer than what was heard of it"


async def test_a_restore_that_would_do_harm_is_refused(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    with embedded(tmp_path / "home") as system:
        done = await system.run("backup", str(saved), seconds=SLOW)
        assert done.returncode == 0, done.stderr
        again = await system.run("backup", str(saved), seconds=SLOW)
        assert (again.returncode, "exists" in again.stderr) == (1, True)
        running = await system.run("restore", str(saved))
        assert (running.returncode, "the system runs" in running.stderr) == (1, True)
        async with Client(system.url("integrator")) as client:
            await announced(client, TITLE, SEATS)
        await system.settled()
    filled = rummelig("restore", str(saved), home=tmp_path / "home", seconds=SLOW)
    assert filled.returncode == 1
    assert "not empty" in filled.stderr
    (saved / "supplier.backup").unlink()
    gone = rummelig("restore", str(saved), home=tmp_path / "none")
    assert (gone.returncode, "supplier.backup" in gone.stderr) == (1, True)
    assert not (tmp_path / "none").exists()
    shutil.rmtree(saved)
