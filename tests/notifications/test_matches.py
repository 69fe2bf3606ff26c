"""A supplier fits a demand: buyer and supplier hear of it, and their answers go to each other."""

from tests.notifications.happenings import matched
from tests.notifications.rig import Rig, told


async def test_both_are_told(rig: Rig):
    await rig.harness.feed(matched())
    await rig.sent()
    (to_buyer,) = rig.sink.to("indkob@birkelund.example")
    (to_supplier,) = rig.sink.to("kontakt@genbrug.example")
    assert to_buyer.mail["Reply-To"] == "kontakt@genbrug.example"
    assert to_supplier.mail["Reply-To"] == "indkob@birkelund.example"
    assert to_buyer.mail["Subject"] == "En leverandør til jer: Genbrugsværkstedet ApS"
    assert to_supplier.mail["Subject"] == "Birkelund Kommune søger: Rengøring af tre daginstitutioner"
    for received in (to_buyer, to_supplier):
        assert "mandag den 1. marts 2027 kl. 12.00" in received.part("plain")
        assert "Kontorrengøring" in received.part("plain")
        assert received.mail["Auto-Submitted"] == "auto-generated"


async def test_each_in_the_own_language(rig: Rig):
    await rig.harness.feed(matched(buyer={"language": "en"}))
    await rig.sent()
    assert rig.sink.to("indkob@birkelund.example")[0].mail["Subject"].startswith("A supplier for you")
    assert rig.sink.to("kontakt@genbrug.example")[0].mail["Subject"].startswith("Birkelund Kommune søger")


async def test_once_for_each(rig: Rig):
    for _ in range(3):
        await rig.harness.feed(matched(), id="one")
    assert len(await rig.sent()) == 2
    assert len(told(rig, "mail-sent")) == 2
    assert {e.data["cause"] for e in told(rig, "mail-sent")} == {"one"}


async def test_one_address_for_both_gets_both(rig: Rig):
    await rig.harness.feed(matched(buyer={"email": "en@faelles.example"}, supplier={"email": "en@faelles.example"}))
    assert len(await rig.sent()) == 2


async def test_nobody_is_told_after_the_deadline(rig: Rig):
    await rig.harness.feed(matched(deadline="2026-11-23T09:30:00Z"))
    rig.later(hours=1)
    assert await rig.sent() == []


async def test_an_address_that_is_none_fails_and_the_other_mail_goes(rig: Rig):
    await rig.harness.feed(matched(buyer={"email": "a@b.example, c@d.example"}))
    await rig.sent()
    assert rig.sink.received == []  # the supplier's answer would go nowhere either
    assert {d.state for d in await rig.deliveries()} == {"failed"}
    assert len(told(rig, "mail-failed")) == 2
