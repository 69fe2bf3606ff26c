"""The quick way to a campaign's mail gives the same bytes as the long one, whoever it goes to and whatever it says."""

import re
from datetime import UTC, datetime
from email.headerregistry import Address

import pytest

from services.notifications.composing.composer import Composer, Mail
from services.notifications.composing.mime import UnusableAddress
from services.notifications.composing.signing import DkimSigner
from services.notifications.domain import Campaign, Delivery, News, Subscriber
from services.notifications.links import MailLinks
from shared.contracts.base import derived_id
from shared.contracts.types import Language
from shared.web.links import Signer
from tests.notifications.rig import KEYS, SITE

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
LONG = "l" * 60
ADDRESSES = [
    "asta@forening.example",
    "ASTA.Moeller+liste_x-1@Forening.example",
    "o'brien@forening.example",
    "a!#$%&*/=?^`{|}~b@forening.example",
    "=?utf-8?q?a?=@forening.example",
    '"asta moeller"@forening.example',
    '"a,b"@forening.example',
    '"a@b"@forening.example',
    "a(c)@forening.example",
    f"{LONG}@forening.example",
    f"a@{LONG}.{LONG}.{LONG}.example",
    f"a@{'b' * 64}.example",
    "a@-b-.example",
    "1@2.3",
    "a@b",
    "a@[127.0.0.1]",
    "x@forening.example.",
    "a..b@forening.example",
    "a b@forening.example",
    "a@b.example, c@d.example",
    "asta@blåbær.example",
    "asta@forening.example\r\nBcc: alle@forening.example",
    "asta@forening.example\n",
    "",
]
NAMES = [None, "", "Asta", "Åse Ærlig", "Asta\r\nBcc: b@x.example", 'A" <b@x.example>, "C', "=?utf-8?q?x?="]
BODIES = [
    "Hej",
    "# Overskrift\n\nÆrligt: *alt* er = muligt.\n\n- et\n- to\n\n> citat\n\n    kode = 1",
    "ord " * 200 + "\n\n" + "ø" * 300 + "\n\n" + "æ ø å " * 60,
    ".\n\n..\n\nFrom her\n\n--=_x\n\n---",
    "linje med mellemrum til sidst  \nny linje\ttab\t\n\nform\x0cfeed \x1c \x85 \u2028 slut",
    "https://rummelig.invalid/afmeld/mark og [her](https://x.example/?a=b&c=d)",
    "x" * 75 + "\n\n" + "x" * 76 + "\n\n" + "x" * 77 + "\n\n" + "x" * 78 + "\n\n" + "=" * 40,
    "",
]


def links(site: str = SITE, keys: str = KEYS) -> MailLinks:
    return MailLinks(site, Signer(keys))


def campaign(body: str = "Hej", subject: str = "Nyt") -> Campaign:
    news = (News(name="Æblehaven = & <b>", municipality="101", offerings=("Æbler",), website="https://x.example/?a=b"),)
    return Campaign(
        id="c1", kind="campaign", topic="newsletter", data={"subject": subject, "body": body},
        news=news, created_at=NOW, due_at=NOW,
    )  # fmt: skip


def to(email: str, sent: Campaign, number: int = 0, language: Language = "da", name: str | None = None) -> Delivery:
    person = Subscriber(id=derived_id("person", number), email="x@forening.example", language=language)
    made = sent.delivery_to(person, "rummelig.example", NOW.replace(day=1 + number % 28, minute=number % 60))
    return made.model_copy(update={"recipient": email, "name": name})


async def composed(composer: Composer, delivery: Delivery, sent: Campaign) -> Mail | str:
    """The mail with its boundary, which is made of chance, replaced; or that there is none."""
    try:
        mail = await composer.compose(delivery, sent)
    except UnusableAddress as error:
        return str(error)
    return Mail(mail.sender, mail.recipient, re.sub(rb"={15}\d+==", b"boundary", mail.content))


class Long(Composer):
    """Builds each mail by itself."""

    def _filled(self, *_: object) -> None:
        return None


def both(sender: Address | None = None, around: MailLinks | None = None) -> tuple[Composer, Composer]:
    given = (around or links(), sender or Address("Rummelig", addr_spec="post@rummelig.example"), b"key")
    return Composer(*given), Long(*given)


@pytest.mark.parametrize("first", [0, 1, 5])
@pytest.mark.parametrize("name", NAMES, ids=repr)
async def test_whoever_it_goes_to(name: str | None, first: int):
    quick, long = both()
    sent = campaign(BODIES[1])
    for number, email in enumerate([ADDRESSES[first], *ADDRESSES]):
        delivery = to(email, sent, number, name=name)
        assert await composed(quick, delivery, sent) == await composed(long, delivery, sent), email


@pytest.mark.parametrize("language", ["da", "en"])
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_whatever_it_says(body: str, language: Language):
    quick, long = both()
    sent = campaign(body, subject=f"Ærligt talt {body}")
    for number in range(3):
        delivery = to("asta@forening.example", sent, number, language)
        assert await composed(quick, delivery, sent) == await composed(long, delivery, sent)
    assert all(quick._patterns.values()), "the quick way was taken"


@pytest.mark.parametrize("site", [SITE, f"https://post.example/{'a/' * 60}", "https://post.example/?=?utf-8?q?x?=/&"])
async def test_wherever_its_links_lead(site: str):
    keys = "a-very-long-key-id"[:16] + ":only-for-tests-0123456789"
    for sender in (Address('Ærlig, "A" =?', addr_spec="post@rummelig.example"), Address(addr_spec="p@r.example")):
        quick, long = both(sender, links(site, keys))
        sent = campaign()
        for number in range(3):
            delivery = to("asta@forening.example", sent, number, "en")
            assert await composed(quick, delivery, sent) == await composed(long, delivery, sent)


async def test_a_signed_one_is_the_same_with_a_signature_in_front(rsa_key: tuple[str, str]):
    signer = DkimSigner(rsa_key[0], "nov", "rummelig.example")
    quick = Composer(links(), Address(addr_spec="post@rummelig.example"), b"key", signer)
    _, long = both(Address(addr_spec="post@rummelig.example"))
    sent = campaign()
    delivery = to("asta@forening.example", sent)
    signed, bare = await composed(quick, delivery, sent), await composed(long, delivery, sent)
    assert isinstance(signed, Mail)
    assert isinstance(bare, Mail)
    assert signed.content.startswith(b"DKIM-Signature:")
    assert signed.content.endswith(bare.content)
