"""Mails that come back: real reports in a Maildir, from what a mail server saw to what is kept and told."""

import mailbox
from email.message import EmailMessage
from pathlib import Path

import pytest

from services.notifications.bouncing.job import read_maildir
from services.notifications.bouncing.report import read_report
from services.notifications.domain import Delivery
from services.notifications.verp import return_address
from shared.contracts.notifications import MailFailed
from tests.notifications.happenings import confirmed
from tests.notifications.rig import Rig

GUEST = "asta@forening.example"


def report(
    to: str, status: str, action: str = "failed", said: str = "smtp; 550 <asta@forening.example> nobody"
) -> bytes:
    """As Postfix writes it (RFC 3464)."""
    return (
        f"Return-Path: <>\r\nDelivered-To: {to}\r\nFrom: MAILER-DAEMON@mx.example\r\nTo: {to}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is the mail system.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example\r\nArrival-Date: Mon, 23 Nov 2026 12:00:00 +0100\r\n\r\n"
        f"Final-Recipient: rfc822; {GUEST}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: {said}\r\n\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: Din tilmelding\r\n\r\nHej\r\n--b--\r\n"
    ).encode()


@pytest.fixture
def maildir(tmp_path: Path) -> mailbox.Maildir:
    return mailbox.Maildir(tmp_path / "bounces")


async def read(rig: Rig, maildir: mailbox.Maildir) -> None:
    await read_maildir(Path(maildir._path), rig.harness.executor, rig.context.address_key, rig._told)
    await rig.harness.sweep()


async def sent(rig: Rig, cause: str = "c1", email: str = GUEST) -> str:
    """A mail that the server took; the address that it returns to."""
    before = len(rig.sink.received)
    await rig.harness.feed(confirmed(signup_id=cause, email=email), id=cause)
    await rig.sent()
    (mail,) = rig.sink.received[before:]
    rig.later(minutes=1)
    return mail.sender


async def delivery(rig: Rig, cause: str = "c1") -> Delivery:
    (found,) = [d for d in await rig.deliveries() if d.cause == cause]
    return found


async def test_a_hard_bounce_is_kept_and_told_once_and_the_address_gets_no_more(rig: Rig, maildir: mailbox.Maildir):
    to = await sent(rig)
    for _ in range(3):
        maildir.add(report(to, "5.1.1"))
        await read(rig, maildir)
    assert len(maildir) == 0
    kept = await delivery(rig)
    assert (kept.state, kept.bounce) == ("sent", "hard")
    (event,) = rig.harness.told(MailFailed)
    assert (event.mail_id, event.outcome) == (kept.id, "failed")
    assert event.reason.startswith("bounced: 5.1.1")
    assert "asta" not in event.reason
    await rig.harness.feed(confirmed(signup_id="s2", email=GUEST), id="c2")
    await rig.sent()
    assert (await delivery(rig, "c2")).reason == "suppressed"
    assert rig.ended["bounce", "hard-recorded"] == 1
    assert rig.ended["bounce", "hard-known"] == 2


@pytest.mark.parametrize("status", ["5.2.2", "5.7.1", "4.4.7"])
async def test_three_soft_ones_of_the_last_five_are_too_many(rig: Rig, maildir: mailbox.Maildir, status: str):
    for n in range(2):
        maildir.add(report(await sent(rig, f"soft-{n}"), status))
        await read(rig, maildir)
    for n in range(4):
        await sent(rig, f"well-{n}")
    maildir.add(report(await sent(rig, "soft-2"), status))
    await read(rig, maildir)
    assert (await rig.harness.dump())["suppressions"] == [], "those that arrived count too"
    for n in range(3, 5):
        maildir.add(report(await sent(rig, f"soft-{n}"), status))
        await read(rig, maildir)
    assert len((await rig.harness.dump())["suppressions"]) == 1
    assert len(rig.harness.told(MailFailed)) == 5


async def test_a_full_mailbox_that_is_told_at_once_counts_too(rig: Rig):
    rig.sink.rcpt = lambda _: "552 5.2.2 mailbox full"
    for n in range(4):
        await rig.harness.feed(confirmed(signup_id=f"s{n}", email=GUEST), id=f"full-{n}")
        await rig.sent()
        rig.later(minutes=1)
    assert [(await delivery(rig, f"full-{n}")).state for n in range(4)] == ["failed", "failed", "failed", "skipped"]
    assert len((await rig.harness.dump())["suppressions"]) == 1


async def test_late_is_not_lost_and_what_is_no_report_of_ours_changes_nothing(rig: Rig, maildir: mailbox.Maildir):
    to = await sent(rig)
    reply = EmailMessage()
    reply["To"], reply["Subject"] = to, "Jeg er på ferie"
    reply.set_content("Svarer mandag.")
    forged = return_address((await delivery(rig)).id, "rummelig.example", b"another key")
    for raw in (report(to, "4.4.1", "delayed"), report(to, "2.0.0", "relayed"), bytes(reply), report(forged, "5.1.1")):
        maildir.add(raw)
    maildir.add(b"\xff\x00 no mail at all")
    await read(rig, maildir)
    assert len(maildir) == 0
    assert (await delivery(rig)).bounce is None
    assert rig.harness.told(MailFailed) == []


async def test_one_that_comes_before_the_mail_is_written_as_sent_waits(rig: Rig, maildir: mailbox.Maildir):
    await rig.harness.feed(confirmed(email=GUEST), id="c1")
    waiting = await delivery(rig)
    maildir.add(report(return_address(waiting.id, "rummelig.example", rig.context.address_key), "5.1.1"))
    await read(rig, maildir)
    assert len(maildir) == 1
    await rig.sent()
    await read(rig, maildir)
    assert len(maildir) == 0
    assert (await delivery(rig)).bounce == "hard"


@pytest.mark.parametrize("cut", range(0, 900, 61))
def test_a_report_that_is_cut_off_harms_nobody(cut: int):
    key = b"only-for-tests"
    to = return_address("1a2b3c4d-5e6f-5a7b-8c9d-0e1f2a3b4c07", "rummelig.example", key)
    whole = report(to, "5.1.1")
    found = read_report(whole[:cut], key)
    told = whole.index(b"Status: 5.1.1") + len(b"Status: 5.1.1") <= cut
    assert (found.status if found else None) == ("5.1.1" if told else None)


async def test_a_mail_that_no_parser_stands_keeps_no_others(rig: Rig, maildir: mailbox.Maildir):
    to = await sent(rig)
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(3000))
    maildir.add(f"Delivered-To: {to}\n{nested}".encode())
    maildir.add(report(to, "5.1.1"))
    await read(rig, maildir)
    assert (await delivery(rig)).bounce == "hard"
    assert len(maildir) == 0
