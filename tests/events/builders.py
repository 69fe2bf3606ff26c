"""Commands as a test needs them, and what came of them."""

from datetime import UTC, datetime
from typing import Any

from services.events.links import PublicLinks
from services.events.store import EVENTS, SIGNUPS
from shared.contracts.base import Reply
from shared.contracts.events import AnnounceEvent, Attendance, CancelEvent, CancelSignup, SignUp
from shared.web.links import Signer
from tests.support.harness import Harness, done

LINKS = PublicLinks("https://moeder.example", Signer("k1:only-for-tests-0123456789"))

STARTS = datetime(2027, 2, 9, 13, 0, tzinfo=UTC)  # 14:00 in Copenhagen
ENDS = datetime(2027, 2, 9, 16, 0, tzinfo=UTC)

MEETING: dict[str, Any] = {
    "title": "Tilbud og støtte til socialøkonomiske virksomheder",
    "starts_at": "2027-02-09T14:00:00",
    "ends_at": "2027-02-09T17:00:00",
    "timezone": "Europe/Copenhagen",
    "place": {"name": "Kulturhuset Terrassen", "address": "Hasselvej 15, 8620 Kjellerup"},
    "online_url": "https://moede.example/netvaerk",
    "capacity_on_site": 14,
    "capacity_online": 4,
}


def meeting(**changes: Any) -> AnnounceEvent:
    return AnnounceEvent.model_validate(MEETING | changes)


def on_site_only(seats: int, **changes: Any) -> AnnounceEvent:
    return meeting(online_url=None, capacity_online=0, capacity_on_site=seats, **changes)


def person(event_id: str, number: int, attendance: Attendance = "on-site", **changes: Any) -> SignUp:
    values = {"name": f"Deltager {number}", "email": f"deltager{number}@forening.example"}
    return SignUp.model_validate({"event_id": event_id, "attendance": attendance} | values | changes)


async def announced(rig: Harness, command: AnnounceEvent | None = None) -> str:
    return str(done(await rig.send(command or meeting()))["event_id"])


async def signed_up(rig: Harness, event_id: str, *numbers: int, attendance: Attendance = "on-site") -> list[str]:
    """The sign-ups' ids, one after another."""
    replies = [await rig.send(person(event_id, number, attendance)) for number in numbers]
    return [str(done(reply)["signup_id"]) for reply in replies]


async def cancel(rig: Harness, signup_id: str, id: str | None = None) -> Reply:
    return await rig.send(CancelSignup(signup_id=signup_id), id)


async def call_off(rig: Harness, event_id: str, reason: str = "", id: str | None = None) -> Reply:
    return await rig.send(CancelEvent(event_id=event_id, reason=reason), id)


async def states(rig: Harness, event_id: str) -> dict[str, str]:
    """Name -> state of everyone who ever signed up, in order of arrival."""
    found = [d async for d in rig.store.everything(SIGNUPS.collection) if d["event_id"] == event_id]
    return {d["name"]: d["state"] for d in sorted(found, key=lambda d: (d["attendance"], d["arrival"]))}


async def seats(rig: Harness, event_id: str) -> dict[str, tuple[int, int]]:
    """Taken and waiting of each kind."""
    document = await rig.store.get(EVENTS.collection, event_id)
    assert document is not None
    return {kind: (document[kind]["taken"], document[kind]["waiting"]) for kind in ("on_site", "online")}
