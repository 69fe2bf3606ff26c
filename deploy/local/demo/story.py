"""The story of the network meeting, scene by scene, with invented people. Each scene checks what came out."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.local.demo import cast
from deploy.local.demo.mails import Mail
from deploy.local.demo.stage import Stage
from shared.contracts.events import AnnounceEvent, CancelSignup, Place, SignUp
from shared.contracts.notifications import SendCampaign
from shared.contracts.procurement import PublishDemand
from shared.contracts.supplier import RegisterSupplier, UpdateSupplier


def _confirmation(mail: Mail) -> bool:
    return bool(mail.link("/bekraeft/"))


async def newsletter(stage: Stage) -> None:
    """Five people subscribe and confirm, one asks twice and never does."""
    stage.scene("1. Nyhedsbrevet: fem tilmelder sig og bekræfter, en gør det aldrig")
    addresses = [*cast.READERS, cast.DOUBTER, cast.DOUBTER]
    replies = [await stage.send(cast.subscription(address)) for address in addresses]
    stage.check("subscribe answers the same whoever asks", 1, len({r.to_json() for r in replies}))
    mails = await stage.mails_when(6, wanted=_confirmation)
    stage.check("one confirmation mail per address", sorted({*addresses}), sorted(m.to for m in mails))
    english = [m for m in mails if m.to == cast.ENGLISH]
    stage.check("English on request", [True], ['lang="en"' in m.html for m in english])
    links = {m.to: m.link("/bekraeft/") for m in mails}
    seen = [(await stage.http.get(links[a])).status_code for a in cast.READERS]
    stage.check("opening the link shows a page", [200] * 5, seen)
    stage.check("and changes nothing", 0, len(stage.told("subscription-confirmed")))
    pressed = [(await stage.http.post(links[a])).status_code for a in cast.READERS]
    stage.check("the button confirms", [200] * 5, pressed)
    stage.check("five confirmed", 5, len(await stage.told_when("subscription-confirmed", 5)))


async def suppliers(stage: Stage) -> None:
    """Three enterprises register; a typing slip, an unknown place and a double are refused."""
    stage.scene("2. Leverandørportalen: virksomheder melder sig")
    companies = (cast.CLEANERS, cast.KITCHEN, cast.FURNITURE)
    replies = [await stage.send(company) for company in companies]
    stage.check("three registered", [True] * 3, [r.ok for r in replies])
    stage.notes["cleaners"] = (replies[0].result or {}).get("supplier_id")
    await _refusals(stage)
    for company in companies:
        mails = await stage.mails_when(1, company.email)
        stage.check(f"{company.name} is welcomed by mail", 1, len(mails))


async def _refusals(stage: Stage) -> None:
    good = cast.LATECOMER.model_dump(mode="json")
    for field, value in (("cvr", "13585627"), ("municipality", "9999"), ("colour", "green")):
        reply = await stage.client.send_data("supplier", RegisterSupplier.routing_key(), {**good, field: value})
        problem = reply.problem
        got = (problem.status, [e.field for e in problem.errors]) if problem else None
        stage.check(f"a wrong {field} is refused by name", (422, [field]), got)
    double = cast.CLEANERS.model_copy(update={"name": "Rent Bord II ApS"})
    problem = (await stage.send(double)).problem
    named = problem is not None and stage.notes["cleaners"] in problem.detail
    stage.check("a second profile for a CVR is a conflict that names the first", (409, True), _pair(problem, named))


def _pair(problem: Any, named: bool) -> tuple[int | None, bool]:
    return (problem.status if problem else None, named)


async def demand(stage: Stage) -> None:
    """A municipality wants cleaning: who offers it is matched, also who comes later."""
    stage.scene("3. Sociale indkøb: en kommune søger rengøring")
    deadline = datetime.now(UTC) + timedelta(days=60)
    wanted = PublishDemand(
        title="Rengøring af tre daginstitutioner", cpv=("90910000-9",), deadline=deadline, buyer=cast.BUYER
    )
    stage.check("the demand is published", True, (await stage.send(wanted)).ok)
    await stage.told_when("supplier-matched", 1)
    stage.check("who registers later is told too", True, (await stage.send(cast.LATECOMER)).ok)
    matches = await stage.told_when("supplier-matched", 2)
    expected = sorted([cast.CLEANERS.name, cast.LATECOMER.name])
    stage.check("two suppliers match, none else", expected, sorted(m["supplier"]["name"] for m in matches))
    stage.check("the buyer hears of both", 2, len(await stage.mails_when(2, cast.BUYER.email)))
    about = [await stage.mails_when(2, c.email, lambda m: not m.is_campaign) for c in (cast.CLEANERS, cast.LATECOMER)]
    stage.check("each matched supplier hears of the demand", [2, 2], [len(mails) for mails in about])
    update = UpdateSupplier(supplier_id=stage.notes["cleaners"], name="Rent Bord Viborg ApS")
    stage.check("a profile is changed", True, (await stage.send(update)).ok)
    stage.check("and its change is told", 1, len(await stage.told_when("supplier-updated", 1)))


async def meeting(stage: Stage) -> None:
    """The network meeting is announced: fourteen seats on site, three online, and twenty people sign up."""
    stage.scene("4. Netværksmødet: 14 pladser i salen, 3 på skærmen, 20 vil med")
    day = (datetime.now(UTC) + timedelta(days=70)).date()
    announced = await stage.send(
        AnnounceEvent(
            title="Tilbud og støtte til socialøkonomiske virksomheder",
            starts_at=datetime.fromisoformat(f"{day}T14:00:00"),
            ends_at=datetime.fromisoformat(f"{day}T17:00:00"),
            timezone="Europe/Copenhagen",
            place=Place(name="Kulturhuset Terrassen", address="Hasselvej 15, 8620 Kjellerup"),
            online_url="https://moede.example/netvaerk",
            capacity_on_site=14,
            capacity_online=3,
            description="Vi præsenterer alle tilbud og drikker kaffe.",
        )
    )
    event_id = (announced.result or {}).get("event_id", "")
    stage.check("the meeting is announced", True, announced.ok)
    news = await stage.mails_when(5, wanted=_announcement)
    stage.check("the subscribers of network events hear of it", sorted(cast.READERS), sorted(m.to for m in news))
    await _sign_up(stage, event_id)


def _announcement(mail: Mail) -> bool:
    return mail.is_campaign and "network-events" in str(mail.message["List-Id"])


async def _sign_up(stage: Stage, event_id: str) -> None:
    people = [(a, "on-site") for a in cast.ON_SITE] + [(a, "online") for a in cast.ONLINE]
    results: dict[str, dict[str, Any]] = {}
    for number, (address, attendance) in enumerate(people, 1):
        command = SignUp.model_validate(
            {"event_id": event_id, "name": cast.guest_name(number), "email": address, "attendance": attendance}
        )
        results[address] = (await stage.send(command, id=f"signup-{number}")).result or {}
    stage.notes["signups"] = results
    states = [(r.get("state"), r.get("position")) for r in results.values()]
    expected: list[tuple[str, int | None]] = [("confirmed", None)] * 14 + [("waiting", 1), ("waiting", 2)]
    stage.check("the seats go to the first, the rest wait in line", expected, states[:16])
    stage.check("online is counted apart", [("confirmed", None)] * 3 + [("waiting", 1)], states[16:])
    again = await stage.send(SignUp(event_id=event_id, name="Gry", email=cast.ON_SITE[0], attendance="on-site"))
    stage.check("signing up again changes nothing", results[cast.ON_SITE[0]], again.result)
    invited = await stage.mails_when(17, wanted=lambda m: m.calendar.startswith("REQUEST"))
    stage.check("each seat has a calendar invitation", sorted(_seated(results)), sorted(m.to for m in invited))
    waiting = [await stage.mails_when(1, a) for a in results if results[a].get("state") == "waiting"]
    stage.check(
        "who waits is told, without an entry", [(1, "")] * 3, [(len(w), w[0].calendar if w else None) for w in waiting]
    )
    links = [bool("moede.example" in m.text) for m in invited if m.to in (cast.ON_SITE[0], cast.ONLINE[0])]
    stage.check("the link to join goes only to those online", [False, True], sorted(links))


def _seated(results: dict[str, dict[str, Any]]) -> list[str]:
    return [address for address, r in results.items() if r.get("state") == "confirmed"]


async def cancellations(stage: Stage) -> None:
    """One gives the seat back by the link in the mail, one through a colleague's system: the line moves up."""
    stage.scene("5. To melder afbud, to på ventelisten rykker op")
    first, second = cast.ON_SITE[2], cast.ON_SITE[5]
    mail = (await stage.mails(first, lambda m: bool(m.calendar)))[0]
    link = mail.link("/afbud/")
    page = await stage.http.get(link)
    stage.check("the link in the mail shows a page", (200, True), (page.status_code, "<button" in page.text))
    stage.check("looking gives up nothing", 0, len(stage.told("signup-cancelled")))
    stage.check("the button gives the seat back", 200, (await stage.http.post(link)).status_code)
    await stage.told_when("signup-promoted", 1)
    reply = await stage.send(CancelSignup(signup_id=stage.notes["signups"][second]["signup_id"]))
    stage.check("a system cancels as well", "cancelled", (reply.result or {}).get("state"))
    promoted = await stage.told_when("signup-promoted", 2)
    stage.check("the first two in line move up, in order", cast.ON_SITE[14:16], [p["email"] for p in promoted])
    for address in cast.ON_SITE[14:16]:
        mails = await stage.mails_when(1, address, lambda m: m.calendar.startswith("REQUEST"))
        stage.check(f"{address} gets an invitation", 1, len(mails))
    taken = [await stage.mails_when(1, a, lambda m: m.calendar == "CANCEL CANCELLED") for a in (first, second)]
    stage.check("calendars drop the entry of those who cancelled", [1, 1], [len(mails) for mails in taken])


async def campaign(stage: Stage) -> None:
    """A newsletter goes out, one reader leaves with one click, the next one skips him."""
    stage.scene("6. Nyhedsbrevet går ud, en framelder sig med ét klik")
    first = await _send(stage, "Nyt fra Rummelig", "# Hej\n\nTak for **et godt møde**.")
    stage.check("each subscriber gets exactly one", sorted(cast.READERS), sorted(m.to for m in first))
    stage.check("new suppliers stand in it", [True] * 5, [cast.FURNITURE.name in m.text for m in first])
    headers = {bool(m.one_click) and str(m.message["List-Unsubscribe-Post"]) for m in first}
    stage.check("with one-click unsubscribe", {"List-Unsubscribe=One-Click"}, headers)
    parts = {(bool(m.text), "<strong>" in m.html) for m in first}
    stage.check("as text and HTML", {(True, True)}, parts)
    one_click = next((m.one_click for m in first if m.to == cast.LEAVER), "")
    await stage.http.get(one_click)
    stage.check("a scanner that opens the link unsubscribes nobody", 0, len(stage.told("subscriber-unsubscribed")))
    clicked = await stage.http.post(one_click, data={"List-Unsubscribe": "One-Click"})
    stage.check("one click unsubscribes", (200, 0), (clicked.status_code, len(clicked.history)))
    stage.check("and is told", 1, len(await stage.told_when("subscriber-unsubscribed", 1)))
    second = await _send(stage, "Endnu et brev", "Husk **kampagnedagen**.")
    stays = sorted(set(cast.READERS) - {cast.LEAVER})
    stage.check("the next newsletter skips him", stays, sorted(m.to for m in second))


async def _send(stage: Stage, subject: str, body: str) -> list[Mail]:
    before = len(stage.told("campaign-finished"))
    await stage.send(SendCampaign(topic="newsletter", subject=subject, body=body))
    await stage.told_when("campaign-finished", before + 1)
    return await stage.mails(wanted=lambda m: m.is_campaign and m.subject == subject)


async def outcome(stage: Stage) -> None:
    """What stands in the stores in the end."""
    stage.scene("7. Hvad står der i de fire tjenesters egne databaser")
    stage.check("supplier: four profiles", 4, len(await stage.documents("supplier", "suppliers")))
    signups = await stage.tally("events", "signups", "state")
    stage.check("events: seats and line", {"confirmed": 17, "waiting": 1, "cancelled": 2}, signups)
    stage.check("procurement: knows the suppliers", 4, len(await stage.documents("procurement", "suppliers")))
    stage.check("procurement: two matches", 2, len(await stage.documents("procurement", "matches")))

    async def deliveries() -> dict[Any, int]:
        return await stage.tally("notifications", "deliveries", "state")

    sent = len(await stage.mails())
    settled = await stage.until(deliveries, lambda states: set(states) <= {"sent", "skipped"})
    stage.check("notifications: every mail is accounted for", {"sent": sent}, settled)
    stage.check("every mail was told as sent", sent, len(await stage.told_when("mail-sent", sent)))
    stage.check("nothing is left to send in any outbox", 0, await stage.until(lambda: _owed(stage), lambda n: n == 0))


async def _owed(stage: Stage) -> int:
    found = await asyncio.gather(
        stage.documents("supplier", "suppliers"),
        stage.documents("events", "events"),
        stage.documents("events", "signups"),
        stage.documents("procurement", "matches"),
        stage.documents("notifications", "deliveries"),
    )
    return sum(len(d.get("outbox") or ()) for documents in found for d in documents)


SCENES = (newsletter, suppliers, demand, meeting, cancellations, campaign, outcome)
