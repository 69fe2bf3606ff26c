"""Mails about sign-ups: each change one mail, with a calendar entry where there is a seat."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar, Event

from shared.contracts.events import SignupPromoted, SignupWaitlisted
from shared.store.work import INBOX
from tests.notifications.happenings import cancelled, confirmed, signup
from tests.notifications.rig import Rig
from tests.notifications.sink import Received

STARTS = datetime(2027, 2, 9, 14, tzinfo=ZoneInfo("Europe/Copenhagen"))


def calendar(received: Received) -> Any:
    (part,) = [p for p in received.mail.walk() if p.get_content_type() == "text/calendar"]
    found = Calendar.from_ical(part.get_content())
    assert isinstance(found, Calendar)
    assert part["Content-Type"].params["method"] == found["METHOD"]
    assert part["Content-Type"].params["charset"] == "utf-8"
    return found


def entry(received: Received) -> Any:
    (found,) = calendar(received).walk("VEVENT")
    assert isinstance(found, Event)
    assert not found.errors
    return found


async def mail_of(rig: Rig, *events, version: int = 1) -> Received:
    for number, event in enumerate(events, start=version):
        await rig.harness.feed(event, number)
        rig.later(seconds=1)
    return (await rig.sent())[-1]


async def test_a_confirmed_seat(rig: Rig):
    received = await mail_of(rig, confirmed())
    mail = received.mail
    assert mail["Subject"] == "Du har en plads: Tilbud og støtte til socialøkonomiske virksomheder"
    assert str(mail["To"]) == "Asta Eksempel <asta@forening.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is None
    text = received.part("plain")
    assert "tirsdag den 9. februar 2027 kl. 14.00–17.00" in text
    assert "Kulturhuset Terrassen, Hasselvej 15, 8620 Kjellerup" in text
    assert "meld afbud (https://rummelig.example/afbud/" in text
    assert "moede.example" not in received.content.decode()
    assert "https://rummelig.example/afbud/" in received.part("html")


async def test_its_calendar_entry(rig: Rig):
    received = await mail_of(rig, confirmed())
    found = entry(received)
    assert calendar(received)["METHOD"] == "REQUEST"
    assert found["UID"] == f"{confirmed().signup_id}@rummelig.example"
    assert found["SEQUENCE"] == 0
    assert found["STATUS"] == "CONFIRMED"
    assert found["DTSTART"].dt == STARTS
    assert found["DTSTART"].params["TZID"] == "Europe/Copenhagen"
    assert found["DTEND"].dt == STARTS + timedelta(hours=3)
    assert found["ORGANIZER"] == "mailto:post@rummelig.example"
    assert not found["ORGANIZER"].params
    assert found["ATTENDEE"] == "mailto:asta@forening.example"
    assert found["ATTENDEE"].params["CN"] == "Asta Eksempel"
    assert found["LOCATION"] == "Kulturhuset Terrassen, Hasselvej 15, 8620 Kjellerup"
    assert "URL" not in found


async def test_the_calendar_part_is_the_last_alternative_and_attached(rig: Rig):
    mail = (await mail_of(rig, confirmed())).mail
    alternatives, attachment = mail.iter_parts()
    assert mail.get_content_type() == "multipart/mixed"
    assert [p.get_content_type() for p in alternatives.iter_parts()] == ["text/plain", "text/html", "text/calendar"]
    assert attachment.get_content_type() == "application/ics"
    assert attachment.get_filename() == "invite.ics"


async def test_its_lines_are_folded_and_end_as_they_must(rig: Rig):
    name = "Å" * 80 + '; "Eksempel", \\'
    received = await mail_of(rig, confirmed(name=name, details={"title": "Møde; om, alt\\ " + "æ" * 200}))
    (part,) = [p for p in received.mail.walk() if p.get_content_type() == "application/ics"]
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    lines = content.split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert entry(received)["SUMMARY"] == "Møde; om, alt\\ " + "æ" * 200


async def test_its_timezone_is_that_of_the_law(rig: Rig):
    (zone,) = calendar(await mail_of(rig, confirmed())).walk("VTIMEZONE")
    assert zone["TZID"] == "Europe/Copenhagen"
    rules = {part.name: part["RRULE"] for part in zone.subcomponents}
    assert rules["DAYLIGHT"]["BYMONTH"] == [3]
    assert rules["STANDARD"]["BYMONTH"] == [10]
    copenhagen, ours = ZoneInfo("Europe/Copenhagen"), zone.to_tz(lookup_tzid=False)
    for day in (date(2026, 1, 1) + timedelta(days=n) for n in range(730)):
        noon = datetime(day.year, day.month, day.day, 12)  # noqa: DTZ001 - a wall time
        assert noon.replace(tzinfo=ours).utcoffset() == noon.replace(tzinfo=copenhagen).utcoffset(), day


async def test_another_zone_goes_as_utc(rig: Rig):
    received = await mail_of(rig, confirmed(details={"timezone": "America/New_York"}))
    assert entry(received)["DTSTART"].dt == datetime(2027, 2, 9, 19, tzinfo=UTC)
    assert not calendar(received).walk("VTIMEZONE")
    assert "lokal tid, America/New_York" in received.part("plain")


async def test_who_comes_online_gets_the_link(rig: Rig):
    received = await mail_of(rig, confirmed(attendance="online"))
    assert "Deltag online:\nhttps://moede.example/netvaerk" in received.part("plain")
    assert entry(received)["URL"] == "https://moede.example/netvaerk"
    assert entry(received)["LOCATION"] == "Online"
    assert "Hasselvej" not in received.part("plain")


async def test_who_waits_gets_no_entry(rig: Rig):
    received = await mail_of(rig, signup(SignupWaitlisted, position=3))
    assert received.mail["Subject"].startswith("Du er på venteliste: ")
    assert "nummer 3 på ventelisten" in received.part("plain")
    assert "skriv dig af listen (https://" in received.part("plain")
    assert "calendar" not in received.content.decode()


async def test_who_moves_up_gets_one(rig: Rig):
    received = await mail_of(rig, signup(SignupWaitlisted, position=3), signup(SignupPromoted))
    assert received.mail["Subject"].startswith("Nu er der en plads til dig: ")
    assert calendar(received)["METHOD"] == "REQUEST"
    assert len(rig.sink.received) == 2


async def test_a_cancelled_seat_is_taken_back(rig: Rig):
    received = await mail_of(rig, confirmed(), cancelled())
    first, second = map(entry, rig.sink.received)
    assert calendar(received)["METHOD"] == "CANCEL"
    assert second["STATUS"] == "CANCELLED"
    assert second["UID"] == first["UID"]
    assert second["SEQUENCE"] == first["SEQUENCE"] + 1
    assert second["ORGANIZER"] == first["ORGANIZER"]
    assert second["ATTENDEE"] == first["ATTENDEE"]
    assert received.mail["Subject"].startswith("Du er meldt fra: ")


async def test_leaving_the_waiting_list_takes_nothing_back(rig: Rig):
    received = await mail_of(rig, cancelled(had_seat=False))
    assert "ikke længere på ventelisten" in received.part("plain")
    assert "calendar" not in received.content.decode()


async def test_an_event_that_is_called_off(rig: Rig):
    received = await mail_of(rig, cancelled(event_cancelled=True, reason="Oplægsholderen er syg.\nVi beklager."))
    assert received.mail["Subject"].startswith("Aflyst: ")
    assert "Oplægsholderen er syg.\nVi beklager." in received.part("plain")
    assert calendar(received)["METHOD"] == "CANCEL"


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (confirmed(language="en"), "You have a seat: "),
        (signup(SignupWaitlisted, language="en", position=1), "You are on the waiting list: "),
        (signup(SignupPromoted, language="en"), "There is a seat for you now: "),
        (cancelled(language="en"), "You are no longer signed up: "),
        (cancelled(language="en", event_cancelled=True), "Cancelled: "),
    ],
)
async def test_english_on_request(rig: Rig, event, subject: str):
    received = await mail_of(rig, event)
    assert received.mail["Subject"].startswith(subject)
    assert "Tuesday 9 February 2027, 14:00–17:00" in received.part("plain")
    assert "Hello Asta Eksempel" in received.part("plain")
    assert '<html lang="en">' in received.part("html")


async def test_the_same_event_three_times_is_one_mail(rig: Rig):
    for _ in range(3):
        await rig.harness.feed(confirmed(), 1, "one")
    await rig.store.delete(INBOX, {"_id": "notifications.from.events:one"})
    await rig.harness.feed(confirmed(), 1, "one")
    assert len(await rig.sent()) == 1


async def test_old_news_that_come_late_are_not_told(rig: Rig):
    await rig.harness.feed(cancelled(), 2)
    await rig.harness.feed(confirmed(), 1)
    (received,) = await rig.sent()
    assert received.mail["Subject"].startswith("Du er meldt fra: ")


async def test_nobody_hears_of_an_event_that_is_over(rig: Rig):
    await rig.harness.feed(confirmed())
    rig.harness.now = datetime(2027, 2, 9, 16, tzinfo=UTC)
    assert await rig.sent() == []
    assert (await rig.delivery()).reason == "too late"


async def test_a_replay_of_old_events_into_an_empty_store_writes_to_nobody(rig: Rig):
    message = confirmed()
    now = rig.harness.now
    rig.harness.now = now - timedelta(days=8)
    await rig.harness.feed(message)
    rig.harness.now = now
    assert await rig.sent() == []


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("Asta Eksempel", "Hej Asta Eksempel\n"),
        ("Vind en telefon på www.spam.example", "Hej\n"),
        ("https://spam.example", "Hej\n"),
        ("x" * 100, "Hej\n"),
        ("*Asta* [her](x) `kode` <b>", "Hej\n"),
        ("Asta *Stjerne* _Eksempel_ #1", "Hej Asta *Stjerne* _Eksempel_ #1\n"),
    ],
)
async def test_a_name_is_no_place_for_advertising(rig: Rig, name: str, greeting: str):
    received = await mail_of(rig, confirmed(name=name))
    assert received.part("plain").startswith(greeting)


async def test_what_people_write_is_no_markup(rig: Rig):
    received = await mail_of(
        rig,
        confirmed(
            details={
                "title": "<script>alert(1)</script> **fed** [link](https://x.example) &amp;",
                "description": "# Overskrift\n- <img src=x onerror=y>\n\n    kode",
            }
        ),
    )
    html = received.part("html")
    assert "<script" not in html
    assert "<img" not in html
    assert "<h1" not in html
    assert 'href="https://x.example"' not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; **fed** [link](https://x.example) &amp;amp;" in html
    assert (
        received.mail["Subject"] == "Du har en plads: <script>alert(1)</script> **fed** [link](https://x.example) &amp;"
    )
    assert "# Overskrift\n- <img src=x onerror=y>\n\nkode" in received.part("plain")
