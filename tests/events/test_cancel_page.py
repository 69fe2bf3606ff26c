"""The page behind the link in a mail, where a person gives a seat back."""

from typing import Any
from urllib.parse import urlencode

import pytest

from shared.contracts.events import SignupCancelled, SignupConfirmed, SignupPromoted, SignupWaitlisted
from tests.events.builders import ENDS, LINKS, announced, call_off, on_site_only, person, signed_up
from tests.events.reading import text

FORM = "application/x-www-form-urlencoded"


async def cancel_path(rig, event_id: str, number: int = 1, **changes: Any) -> str:
    """The path of the link in the last mail to a person who signs up."""
    await rig.send(person(event_id, number, **changes))
    told = [*rig.told(SignupConfirmed), *rig.told(SignupWaitlisted)]
    url = next(t.cancel_url for t in told if t.email == f"deltager{number}@forening.example")
    assert url is not None
    return str(url).removeprefix("https://moeder.example")


async def test_opening_the_link_changes_nothing(rig, browser):
    path = await cancel_path(rig, await announced(rig))
    before = await rig.dump()
    for method in ("GET", "HEAD", "OPTIONS"):
        await browser.request(method, path)
    response = await browser.get(path)

    assert response.status_code == 200
    page = text(response)
    assert "Vil du melde afbud?" in page
    assert "Du har en plads" in page
    assert "tirsdag den 9. februar 2027 kl. 14.00–17.00" in page
    assert response.text.count("<button>") == 1
    assert await rig.dump() == before


async def test_the_button_gives_the_seat_to_the_next(rig, browser):
    event_id = await announced(rig, on_site_only(1))
    path = await cancel_path(rig, event_id)
    [next_one] = await signed_up(rig, event_id, 2)
    response = await browser.post(path, content=urlencode({}), headers={"Content-Type": FORM})

    assert response.status_code == 200
    assert "Du har meldt afbud" in text(response)
    assert "<button>" not in response.text
    await rig.relayed()
    assert [told.signup_id for told in rig.told(SignupPromoted)] == [next_one]


async def test_the_button_pressed_again_changes_nothing(rig, browser):
    path = await cancel_path(rig, await announced(rig))
    pressed = [await browser.post(path) for _ in range(3)]

    assert {text(page) for page in pressed} == {text(pressed[0])}
    assert text(await browser.get(path)) == text(pressed[0])
    await rig.relayed()
    assert len(rig.told(SignupCancelled)) == 1


async def test_who_waits_sees_the_position(rig, browser):
    event_id = await announced(rig, on_site_only(1))
    await signed_up(rig, event_id, 8, 9)

    assert "Du er nummer 2 på ventelisten" in text(await browser.get(await cancel_path(rig, event_id)))


async def test_the_page_speaks_as_the_person_signed_up(rig, browser):
    path = await cancel_path(rig, await announced(rig), language="en")

    assert "Do you want to cancel?" in text(await browser.get(path))
    assert "Vil du melde afbud?" in text(await browser.get(path + "?lang=da"))
    assert "You have cancelled" in text(await browser.post(path))


async def test_when_the_event_is_called_off_there_is_nothing_to_do(rig, browser):
    event_id = await announced(rig)
    path = await cancel_path(rig, event_id)
    await call_off(rig, event_id, "Storm.")

    for response in (await browser.get(path), await browser.post(path)):
        assert "Arrangementet er aflyst" in text(response)
        assert "Storm." in text(response)
        assert "<button>" not in response.text


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_that_is_cut_forged_or_for_something_else(rig, browser, method):
    path = await cancel_path(rig, await announced(rig))
    other = LINKS.signer.sign("unsubscribe", "7b1d1f6e-2c5f-5a1c-9f0e-3a9d2f4b6c02", ENDS)
    for wrong in (path[:-3], path[:-6] + "AAAAAA", "/afbud/x", f"/afbud/{other}", "/afbud/%ff%00"):
        response = await browser.request(method, wrong)
        assert response.status_code == 404
        assert "Linket virker ikke" in text(response)
    assert rig.told(SignupCancelled) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_link_ends_with_the_event(rig, browser, method):
    path = await cancel_path(rig, await announced(rig))
    rig.now = ENDS
    response = await browser.request(method, path)

    assert response.status_code == 410
    assert "Linket er udløbet" in text(response)
