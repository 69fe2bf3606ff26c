"""The mail sink as a process, and the command that shows what came in."""

import asyncio
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from deploy.local import mailbox
from deploy.local.home import Home
from deploy.local.probe import probe
from deploy.local.process import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    home = Home(tmp_path)
    found = home.ports(["smtp"], must_be_free=True)["smtp"]
    command = [sys.executable, "-m", "deploy.local.mailsink", str(found), str(home.mailbox)]
    with subprocess.Popen(command, cwd=ROOT) as sink:
        assert wait_until(lambda: not asyncio.run(probe(f"smtp:{found}")), 20)
        yield found
        sink.terminate()
    assert sink.returncode == 0


def mail(subject: str, text: str = "Kære Ida\n\nVelkommen.\n") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Nyhedsbrev <news@rummelig.example>"
    message["To"] = "Ida <ida@forening.example>"
    message["Subject"] = subject
    message["Date"] = "Tue, 24 Nov 2026 09:00:00 +0100"
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p>", subtype="html")
    return message


def test_mail_is_kept_with_its_envelope(port: int, tmp_path: Path) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(mail("Møde på Årø"), "bounce+7@rummelig.example", ["ida@forening.example", "bo@b.example"])
        refused = client.send_message(mail("Nr. 2"), "bounce+8@rummelig.example", ["ida@forening.example"])
    assert refused == {}

    first, second = mailbox.mails(tmp_path / "mailbox")
    assert first["X-Envelope-From"] == "bounce+7@rummelig.example"
    assert first.get_all("X-Envelope-To") == ["ida@forening.example", "bo@b.example"]
    line = " ".join(mailbox.line(1, first).split())
    assert line == "1 Tue, 24 Nov 2026 09:00:00 +0100 ida@forening.example, bo@b.example Møde på Årø"
    assert "Kære Ida\n\nVelkommen." in mailbox.text(first)
    assert "[text/html]" in mailbox.text(first)
    assert mailbox.header(second, "Subject") == "Nr. 2"
    assert not list((tmp_path / "mailbox" / "tmp").iterdir())


def test_lines_that_begin_with_a_dot_and_long_lines(port: int, tmp_path: Path) -> None:
    raw = b"Subject: raw\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.\r\n..two\r\n" + b"x" * 900 + b"\r\n\xc3\xa6\r\n"
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("a@a.example", ["b@b.example"], raw)
    (file,) = (tmp_path / "mailbox" / "new").iterdir()
    head, _, body = file.read_bytes().partition(b"\n\n")
    assert head.startswith(b"X-Envelope-From: a@a.example\nX-Envelope-To: b@b.example\nSubject: raw\n")
    assert body == b".\n..two\n" + b"x" * 900 + b"\n\xc3\xa6\n"


def test_no_mailbox_is_no_mail(tmp_path: Path) -> None:
    assert mailbox.mails(tmp_path / "nowhere") == []
