"""The mail as bytes: nobody adds a header or a recipient, and other programs read it."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.policy import default

import dkim
import pytest

from services.notifications.composing.composer import Composer, Mail
from services.notifications.composing.mime import UnusableAddress, address
from services.notifications.composing.signing import DkimSigner
from services.notifications.domain import Campaign, Subscriber, delivery, signup_letter
from services.notifications.links import MailLinks
from shared.web.links import Signer
from tests.notifications.happenings import confirmed
from tests.notifications.rig import KEYS, SITE

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
LINKS = MailLinks(SITE, Signer(KEYS))
SENDER = Address("Rummelig", addr_spec="post@rummelig.example")
CAMPAIGN = Campaign(
    id="c1", kind="campaign", topic="network-events", data={"subject": "Nyt", "body": "Hej"}, created_at=NOW, due_at=NOW
)

RSA = """-----BEGIN RSA PRIVATE KEY-----
{}
-----END RSA PRIVATE KEY-----"""


async def signup_mail(composer: Composer | None = None, **changes: object) -> Mail:
    letter = signup_letter(confirmed(**changes))
    mail = delivery(letter, cause="x", correlation=None, address="a1", domain="rummelig.example", now=NOW)
    return await (composer or Composer(LINKS, SENDER, b"key")).compose(mail, None)


async def campaign_mail(composer: Composer | None = None, campaign: Campaign = CAMPAIGN) -> Mail:
    person = Subscriber(id="6d1f0f5c-7f3f-5f0e-8a55-6a3c0d1e2f30", email="asta@forening.example", language="da")
    to = campaign.delivery_to(person, "rummelig.example", NOW)
    return await (composer or Composer(LINKS, SENDER, b"key")).compose(to, campaign)


INJECTIONS = [
    "Asta\r\nBcc: alle@forening.example",
    "Asta\nBcc: alle@forening.example",
    "Asta\rBcc: alle@forening.example",
    "Asta\x0bBcc: alle@forening.example",
    "Asta\u2028Bcc: alle@forening.example",
    "Asta\x85Bcc: alle@forening.example",
    "Asta\x00<b@x.example>, evil@x.example",
    'Asta" <evil@x.example>, "B',
    "=?utf-8?q?Asta=0D=0ABcc=3A_alle=40forening=2Eexample?=",
]


@pytest.mark.parametrize("text", INJECTIONS, ids=repr)
async def test_a_name_or_a_title_adds_no_header(text: str):
    written = await signup_mail(name=text, details={"title": text})
    mail = message_from_bytes(written.content, policy=default)
    assert mail["Bcc"] is None
    assert [a.addr_spec for a in mail["To"].addresses] == ["asta@forening.example"]
    assert written.recipient == "asta@forening.example"
    assert sorted(mail.keys()) == sorted(
        [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "MIME-Version",
            "Content-Type",
            "Content-Language",
        ]
    )


@pytest.mark.parametrize("text", INJECTIONS, ids=repr)
async def test_a_campaign_adds_no_header(text: str):
    written = await campaign_mail(campaign=CAMPAIGN.model_copy(update={"data": {"subject": text, "body": text}}))
    mail = message_from_bytes(written.content, policy=default)
    assert mail["Bcc"] is None
    assert len(mail["To"].addresses) == 1


@pytest.mark.parametrize(
    "email",
    [
        "a@b.example, c@d.example",
        "Asta <a@b.example>",
        "a@b.example\r\nBcc: c@d.example",
        "a b@c.example",
        "åse@forening.example",
        "asta@blåbær.example",
        "asta",
        "",
        "@",
    ],
)
def test_an_address_is_one_or_none(email: str):
    with pytest.raises(UnusableAddress):
        address(email)


async def test_no_line_is_too_long_and_all_is_seven_bits():
    title = "Ærligt talt: " + "æøå " * 40
    for written in (
        await signup_mail(name="Åse Ærlig", details={"title": title, "description": "ø" * 3000}),
        await campaign_mail(campaign=CAMPAIGN.model_copy(update={"data": {"subject": title, "body": "å" * 3000}})),
    ):
        assert written.content.isascii()
        lines = written.content.split(b"\r\n")
        assert b"\n" not in b"".join(lines)
        assert max(map(len, lines)) <= 998
        words = [line for line in lines if b"=?utf-8?" in line]
        assert words
        assert max(map(len, words)) <= 78
        assert message_from_bytes(written.content, policy=default)["Subject"].endswith(title.strip())


async def test_links_in_headers_stay_whole():
    written = await campaign_mail()
    head = written.content.split(b"\r\n\r\n")[0].decode()
    (line,) = [line for line in head.split("\r\n") if line.startswith("List-Unsubscribe:")]
    token = LINKS.unsubscribe_token("6d1f0f5c-7f3f-5f0e-8a55-6a3c0d1e2f30", "network-events")
    assert line == (f"List-Unsubscribe: <{SITE}/afmeld/{token}>, <mailto:afmeld@rummelig.example?subject={token}>")


async def test_dkim_covers_what_matters(rsa_key: tuple[str, str]):
    private, public = rsa_key
    composer = Composer(LINKS, SENDER, b"key", DkimSigner(private, "nov", "rummelig.example"))
    for written in (await campaign_mail(composer), await signup_mail(composer)):

        def dns(name: bytes, timeout: int = 5) -> bytes:
            assert name == b"nov._domainkey.rummelig.example."
            return f"v=DKIM1; k=rsa; p={public}".encode()

        assert dkim.verify(written.content, dnsfunc=dns)
        head = written.content.split(b"\r\n\r\n")[0].replace(b"\r\n ", b"").replace(b" ", b"")
        signed = head.partition(b";h=")[2].partition(b";")[0].decode().lower().split(":")
        assert signed.count("from") == 2
        if b"List-Unsubscribe" in head:
            assert {"list-unsubscribe", "list-unsubscribe-post", "list-id"} <= set(signed)
        changed = written.content.replace(b"Message-ID: <", b"Message-ID: <x")
        assert not dkim.verify(changed, dnsfunc=dns)


def test_a_key_that_is_none_is_refused():
    for key in ("", "nonsense", RSA.format("AAAA")):
        with pytest.raises(ValueError, match="RSA private key"):
            DkimSigner(key, "nov", "rummelig.example")
