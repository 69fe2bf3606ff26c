"""Hostile text in every field that ends in a mail, a calendar entry or a page: it is shown, and does nothing."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from icalendar import Calendar

from shared.contracts.base import Event
from shared.contracts.events import EventAnnounced, SignupCancelled, SignupConfirmed, SignupPromoted, SignupWaitlisted
from shared.contracts.notifications import SendCampaign, Subscribe
from shared.contracts.procurement import SupplierMatched
from shared.contracts.supplier import SupplierRegistered
from tests.notifications.happenings import happened
from tests.notifications.rig import Rig, rig_with
from tests.notifications.sink import Received, running_sink

TEXTS = {
    "template": "{{ 7*7 }}${7*7}#{7*7}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "format": "%s%n%d {0.__class__.__init__.__globals__} %(password)s",
    "header": "Hej\r\nBcc: evil@hemmelig.example\r\nX-Injected: yes\r\n\r\n<script>alert(1)</script>",
    "bare line feeds": "Hej\nBcc: evil@hemmelig.example\n\nbody\n.\nQUIT",
    "markup": "</title></style><script>alert(1)</script><img src=x onerror=alert(1)><a href='javascript:alert(1)'>",
    "markdown": "[x](javascript:alert(1)) ![x](http://spor.example/p.gif) <http://spor.example> # x\n---\n```",
    "calendar": "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:evil\r\nATTENDEE:mailto:evil@hemmelig.example\r\nBEGIN:VALARM",
    "encoded word": "=?utf-8?q?=0D=0ABcc:_evil@hemmelig.example?=",
    "seen backwards": "\u202egpj.exe\u2066 \u200b\x1b[2J Bcc: evil@hemmelig.example",
    "long": "æ" * 500,
}
FIXED = ("_id", "_at", "_url", "cvr", "municipality", "language", "attendance", "timezone", "deadline", "email", "cpv")
"""Fields that are no text: what they may hold is checked elsewhere."""
KINDS: tuple[type[Event], ...] = (
    SignupConfirmed,
    SignupWaitlisted,
    SignupPromoted,
    SignupCancelled,
    SupplierRegistered,
    SupplierMatched,
    EventAnnounced,
)


def spoilt(value: Any, text: str, name: str = "") -> Any:
    """The same with the text in place of every text."""
    if isinstance(value, dict):
        return {key: spoilt(each, text, key) for key, each in value.items()}
    if isinstance(value, list):
        return [spoilt(each, text, name) for each in value]
    return text if isinstance(value, str) and not name.endswith((*FIXED, "website")) else value


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with running_sink() as sink, rig_with(sink) as running:
        yield running


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_every_kind_of_mail(rig: Rig, text: str):
    await rig.subscribed("reader@forening.example", topic="network-events")
    for model in KINDS:
        example = happened(model)
        data = spoilt(example.model_dump(mode="json"), text)
        await rig.harness.feed(model.model_validate(data))
    mails = await rig.sent()
    assert len(mails) >= len(KINDS)
    for mail in mails:
        is_one_mail_to_one(mail)
        shows_and_does_nothing(mail)


def is_one_mail_to_one(mail: Received) -> None:
    """One recipient, and no header that we did not write."""
    head = mail.content.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("ascii")
    names = [line.partition(":")[0].casefold() for line in head.splitlines() if not line.startswith((" ", "\t"))]
    assert len(set(names)) == len(names)
    assert not {"bcc", "cc", "x-injected"} & set(names)
    assert mail.mail["To"].addresses[0].addr_spec == mail.recipient
    assert len(mail.mail["To"].addresses) == 1


def shows_and_does_nothing(mail: Received) -> None:
    """No element and no address of an attacker's in the HTML, nothing evaluated, one entry in the calendar."""
    html, text = mail.part("html"), mail.part("plain")
    for shown in (html, text, str(mail.mail["Subject"])):
        assert "49" not in re.sub(r"[\w-]{20,}|\d{4,}|\d\d:\d\d", "", shown.replace("7*7", ""))
        assert "<class '" not in shown
        assert "__globals__': " not in shown
    low = html.casefold()
    assert not re.search(r"<(script|img|iframe|object|embed|form|svg|link|base)\b", low)
    assert not re.search(r"<[^>]+\s(on\w+|style=[^>]*expression|href=[\"']?\s*(javascript|data|vbscript):)", low)
    assert not re.search(r"<[^>]+(src|href)=[\"']?[^\"'>]*spor\.example", low)
    for part in mail.mail.walk():
        if part.get_content_type() == "text/calendar":
            (entry,) = Calendar.from_ical(str(part.get_content())).walk("VEVENT")
            assert not entry.subcomponents
            assert str(entry["ATTENDEE"]).casefold() == f"mailto:{mail.recipient}"
            assert str(entry["UID"]) != "evil"


ADDRESSES = [
    "a@b.example\r\nBcc: c@d.example",
    "a@b.example, c@d.example",
    "a@b.example;c@d.example",
    "Bob <a@b.example>",
    "a@b.example\x00",
    '"a b"@c.example',
    "a@[127.0.0.1]",
    "a@localhost",
    "a@b.example%0aBcc:c@d.example",
    "-oQ/tmp@b.example x",
    "postmaster",
    "a" * 300 + "@b.example",
    "{{7*7}}@b.example, c@d.example",
    "<script>@b.example",
]


@pytest.mark.parametrize("email", ADDRESSES)
async def test_an_address_is_one_address_or_refused(rig: Rig, email: str):
    reply = await rig.harness.send_data(Subscribe, {"email": email, "topics": ["newsletter"]})
    assert reply.problem is not None
    assert reply.problem.status == 422
    assert await rig.sent() == []


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_a_newsletters_own_text(rig: Rig, text: str):
    """Its author is trusted to write Markdown, and no more than that."""
    await rig.subscribed("reader@forening.example")
    subject = "Nyt: " + re.sub(r"[^\x20-\x7e]", " ", text)[:100]
    body = re.sub(r"[^\n\x20-\x7eæ]", " ", text)
    reply = await rig.harness.send_data(SendCampaign, {"topic": "newsletter", "subject": subject, "body": body})
    assert reply.ok, reply.problem
    (mail,) = await rig.sent()
    is_one_mail_to_one(mail)
    if "spor.example" not in text:  # an author may link where she wants
        shows_and_does_nothing(mail)
