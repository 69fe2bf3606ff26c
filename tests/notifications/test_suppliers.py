"""Suppliers: a welcome, and a line in the next newsletter."""

import itertools

import pytest

from services.notifications.store import NEWS
from shared.contracts.supplier import SupplierState, SupplierUpdated, SupplierWithdrawn
from tests.notifications.happenings import happened, registered
from tests.notifications.rig import Rig, rig_with

ASTA = "asta@forening.example"


async def test_a_supplier_is_welcomed(rig: Rig):
    await rig.harness.feed(registered(offerings=[{"title": "Kontorrengøring", "cpv": None}, {"title": "Vinduer"}]))
    (received,) = await rig.sent()
    assert received.recipient == "kontakt@genbrug.example"
    assert received.mail["Subject"] == "Velkommen i leverandørportalen, Genbrugsværkstedet ApS"
    text = received.part("plain")
    assert "Kommune: Viborg" in text
    assert "I tilbyder: Kontorrengøring, Vinduer" in text
    assert "13585628" in text


async def test_in_english_on_request(rig: Rig):
    await rig.harness.feed(registered(language="en"))
    (received,) = await rig.sent()
    assert received.mail["Subject"] == "Welcome to the supplier portal, Genbrugsværkstedet ApS"


async def test_the_next_newsletter_tells_of_it_once(rig: Rig):
    await rig.harness.feed(registered())
    await rig.subscribed(ASTA)
    await rig.send_campaign()
    await rig.sent()
    await rig.send_campaign(subject="Nummer to")
    await rig.sent()
    first, second = rig.sink.to(ASTA)
    assert "Nye leverandører" in first.part("plain")
    assert "- Genbrugsværkstedet ApS (https://genbrug.example), Viborg: Kontorrengøring" in first.part("plain")
    assert "<strong>Genbrugsværkstedet ApS</strong>" in first.part("html")
    assert "leverandører" not in second.part("plain")


async def test_other_topics_do_not_tell_of_it(rig: Rig):
    await rig.harness.feed(registered())
    await rig.subscribed(ASTA, topic="guidance")
    await rig.send_campaign("guidance")
    await rig.sent()
    assert "Genbrugsværkstedet" not in rig.sink.to(ASTA)[0].part("plain")
    (item,) = (await rig.harness.dump())["news"]
    assert item["state"] == "new"


async def test_a_change_before_the_newsletter_counts(rig: Rig):
    await rig.harness.feed(registered(), 1)
    await rig.harness.feed(happened(SupplierUpdated, name="Genbrug Midt ApS"), 2)
    await rig.subscribed(ASTA)
    await rig.send_campaign()
    await rig.sent()
    assert "Genbrug Midt ApS" in rig.sink.to(ASTA)[0].part("plain")


async def test_who_left_before_the_newsletter_is_not_told_of(rig: Rig):
    await rig.harness.feed(registered(), 1)
    await rig.harness.feed(happened(SupplierWithdrawn), 2)
    await rig.subscribed(ASTA)
    await rig.send_campaign()
    await rig.sent()
    assert "leverandører" not in rig.sink.to(ASTA)[0].part("plain")
    (item,) = (await rig.harness.dump())["news"]
    assert item["news"] is None


async def test_who_comes_back_is_not_told_of_twice(rig: Rig):
    await rig.subscribed(ASTA)
    await rig.harness.feed(registered(), 1)
    await rig.send_campaign()
    await rig.sent()
    await rig.harness.feed(happened(SupplierWithdrawn), 2)
    await rig.harness.feed(registered(), 3)
    await rig.send_campaign()
    await rig.sent()
    assert "leverandører" not in rig.sink.to(ASTA)[1].part("plain")


STORY: list[tuple[SupplierState | SupplierWithdrawn, int]] = [
    (registered(), 1),
    (happened(SupplierUpdated, name="Andet navn ApS"), 2),
    (happened(SupplierWithdrawn), 3),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_any_order_leads_to_the_same(sink, order: tuple[int, ...]):
    async with rig_with(sink) as rig:
        for number in order * 2:
            event, version = STORY[number]
            await rig.harness.feed(event, version, f"id-{version}")
        (item,) = [d async for d in rig.store.everything(NEWS.collection)]
    assert (item["state"], item["heard"], item["news"]) == ("gone", 3, None)


async def test_a_registration_that_comes_after_its_change_keeps_the_change(rig: Rig):
    await rig.harness.feed(STORY[1][0], 2)
    (item,) = (await rig.harness.dump())["news"]
    assert item["state"] == "known"
    await rig.harness.feed(STORY[0][0], 1)
    (item,) = (await rig.harness.dump())["news"]
    assert (item["state"], item["heard"], item["news"]["name"]) == ("new", 2, "Andet navn ApS")
    assert len(await rig.sent()) == 1


async def test_what_stands_in_a_profile_is_no_markup(rig: Rig):
    await rig.subscribed(ASTA)
    await rig.harness.feed(registered(name="[Køb](https://spam.example) <b>nu</b>", website="https://ok.example/a)_b"))
    await rig.send_campaign()
    await rig.sent()
    html = rig.sink.to(ASTA)[0].part("html")
    assert 'href="https://spam.example"' not in html
    assert "<b>" not in html
    assert 'href="https://ok.example/a)_b"' in html
