"""The pages of events as a browser meets them: what is to come, and signing up."""

import asyncio

import pytest

from shared.contracts.events import CancelSignup, SignupConfirmed, SignupWaitlisted
from shared.web import even
from tests.events.builders import ENDS, STARTS, announced, call_off, on_site_only, seats, signed_up
from tests.events.reading import text

WHO = {"name": "Asta Eksempel", "email": "asta@forening.example", "attendance": "on-site"}


async def test_the_page_of_an_event(rig, browser):
    event_id = await announced(rig)
    await signed_up(rig, event_id, *range(13))
    await signed_up(rig, event_id, *range(20, 26), attendance="online")
    page = text(await browser.get(f"/arrangementer/{event_id}"))

    assert "Tilbud og støtte til socialøkonomiske virksomheder" in page
    assert "tirsdag den 9. februar 2027 kl. 14.00–17.00" in page
    assert "Kulturhuset Terrassen Hasselvej 15, 8620 Kjellerup" in page
    assert "1 ledig plads" in page
    assert "Fuldt. 2 på venteliste" in page
    assert "moede.example" not in page


async def test_in_english(rig, browser):
    response = await browser.get(f"/arrangementer/{await announced(rig)}?lang=en")

    assert '<html lang="en">' in response.text
    assert "Tuesday 9 February 2027, 14:00–17:00" in text(response)
    assert "14 free seats" in text(response)
    assert 'action="?lang=en#tilmeld"' in response.text


async def test_signing_up(rig, browser):
    event_id = await announced(rig)
    response = await browser.post(f"/arrangementer/{event_id}", data=WHO)

    assert response.status_code == 200
    assert "Se i din indbakke" in text(response)
    assert "asta@forening.example" in text(response)
    await rig.relayed()
    [told] = rig.told(SignupConfirmed)
    assert (told.name, told.language) == ("Asta Eksempel", "da")


async def test_signing_up_in_english_by_multipart(rig, browser):
    event_id = await announced(rig)
    fields = {name: (None, value) for name, value in WHO.items()}
    response = await browser.post(f"/arrangementer/{event_id}?lang=en", files=fields)

    assert "Look in your inbox" in text(response)
    await rig.relayed()
    assert rig.told(SignupConfirmed)[0].language == "en"


async def test_the_button_pressed_twice_is_one_sign_up(rig, browser):
    event_id = await announced(rig)
    for _ in range(2):
        assert "Se i din indbakke" in text(await browser.post(f"/arrangementer/{event_id}", data=WHO))

    assert (await seats(rig, event_id))["on_site"] == (1, 0)


async def test_the_waiting_list(rig, browser):
    event_id = await announced(rig, on_site_only(1))
    await signed_up(rig, event_id, 1, 2)
    assert "Skriv mig på ventelisten" in text(await browser.get(f"/arrangementer/{event_id}"))
    await browser.post(f"/arrangementer/{event_id}", data=WHO)

    await rig.relayed()
    assert rig.told(SignupWaitlisted)[-1].email == WHO["email"]


async def test_nobody_learns_from_the_page_who_is_signed_up(rig, browser):
    """Seated, waiting, seated in the other kind, cancelled, unknown: one answer, after one time."""
    event_id = await announced(rig)
    first, *_ = await signed_up(rig, event_id, *range(1, 15))
    await signed_up(rig, event_id, 16)
    await signed_up(rig, event_id, 17, attendance="online")
    await rig.send(CancelSignup(signup_id=first))
    loop, answers, seconds = asyncio.get_running_loop(), set(), []
    for number in (2, 16, 17, 1, 99):
        email = f"deltager{number}@forening.example"
        began = loop.time()
        page = await browser.post(f"/arrangementer/{event_id}", data=WHO | {"email": email})
        seconds.append(loop.time() - began)
        answers.add((page.status_code, page.text.replace(email, "")))
    assert len(answers) == 1
    assert min(seconds) >= even.SECONDS


async def test_nobody_learns_it_once_the_event_has_begun_either(rig, browser):
    event_id = await announced(rig)
    await signed_up(rig, event_id, 1)
    rig.now = STARTS
    addresses = [f"deltager{number}@forening.example" for number in (1, 99)]
    pages = [await browser.post(f"/arrangementer/{event_id}", data=WHO | {"email": email}) for email in addresses]
    assert {page.status_code for page in pages} == {409}
    assert pages[0].text == pages[1].text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "Skriv dit navn"),
        ({"name": "Asta 010203-1234"}, "Skriv aldrig et CPR-nummer"),
        ({"email": "asta"}, "Skriv en hel e-mailadresse"),
        ({"email": ""}, "Skriv en hel e-mailadresse"),
        ({"attendance": ""}, "Vælg en af de to"),
        ({"attendance": "hybrid"}, "Vælg en af de to"),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_is_kept(rig, browser, changes, message):
    event_id = await announced(rig)
    response = await browser.post(f"/arrangementer/{event_id}", data=WHO | changes)

    assert response.status_code == 422
    assert message in text(response)
    assert "Du er ikke tilmeldt endnu" in text(response)
    if "name" not in changes:
        assert 'value="Asta Eksempel"' in response.text
    assert (await seats(rig, event_id))["on_site"] == (0, 0)


async def test_an_empty_form(rig, browser):
    response = await browser.post(f"/arrangementer/{await announced(rig)}")

    assert response.status_code == 422
    assert response.text.count('class="error"') == 3


async def test_nothing_typed_becomes_markup(rig, browser):
    name = '"><script>alert(1)</script>'
    response = await browser.post(f"/arrangementer/{await announced(rig)}", data=WHO | {"name": name, "email": "x"})

    assert "<script" not in response.text


async def test_the_other_kind_of_seat_changes_nothing(rig, browser):
    event_id = await announced(rig)
    await browser.post(f"/arrangementer/{event_id}", data=WHO)
    response = await browser.post(f"/arrangementer/{event_id}", data=WHO | {"attendance": "online"})

    assert "meld først afbud" in text(response)
    assert (await seats(rig, event_id))["on_site"] == (1, 0)
    assert (await seats(rig, event_id))["online"] == (0, 0)


async def test_with_one_kind_of_seat_nobody_has_to_choose(rig, browser):
    event_id = await announced(rig, on_site_only(3))
    page = await browser.get(f"/arrangementer/{event_id}")

    assert '<input type="hidden" name="attendance" value="on-site">' in page.text
    assert 'type="radio"' not in page.text
    response = await browser.post(f"/arrangementer/{event_id}", data=WHO | {"attendance": "online"})
    assert response.status_code == 422
    assert "kun følges på den måde" in text(response)


async def test_closed_once_it_has_begun_and_when_called_off(rig, browser):
    first, second = await announced(rig), await announced(rig)
    await call_off(rig, first, "Oplægsholderen er syg.")
    rig.now = STARTS

    for event_id, said in ((first, "aflyst. Oplægsholderen er syg."), (second, "Arrangementet er begyndt")):
        page = await browser.get(f"/arrangementer/{event_id}")
        assert said in text(page)
        assert "<form" not in page.text
        late = await browser.post(f"/arrangementer/{event_id}", data=WHO)
        assert (late.status_code, "<form" in late.text) == (409, False)
    rig.now = ENDS
    assert "Arrangementet er afholdt" in text(await browser.get(f"/arrangementer/{second}"))


@pytest.mark.parametrize("event_id", ["no-such-event", "a%00b", "%ff", "x" * 200, "<b>"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_such_event(browser, event_id, method):
    response = await browser.request(method, f"/arrangementer/{event_id}")

    assert response.status_code == 404
    assert "Siden findes ikke" in text(response)


async def test_a_description_keeps_its_paragraphs_but_no_markup(rig, browser):
    event_id = await announced(rig, on_site_only(1, description="Først kaffe.\nSå oplæg.\n\n<b>Kom</b> i god tid."))
    page = (await browser.get(f"/arrangementer/{event_id}")).text

    assert "<p>Først kaffe.<br>Så oplæg.</p>" in page
    assert "<p>&lt;b&gt;Kom&lt;/b&gt; i god tid.</p>" in page


async def test_the_front_page_lists_what_is_to_come(rig, browser):
    assert "ingen arrangementer" in text(await browser.get("/"))
    later = await announced(
        rig, on_site_only(1, title="Senere", starts_at="2027-03-01T10:00:00", ends_at="2027-03-01T12:00:00")
    )
    sooner = await announced(rig, on_site_only(1, title="Snart"))
    await call_off(rig, await announced(rig, on_site_only(1, title="Aflyst")))
    page = (await browser.get("/")).text

    assert page.index(f"/arrangementer/{sooner}") < page.index(f"/arrangementer/{later}")
    assert "Aflyst" not in page
    rig.now = STARTS
    assert "Snart" not in (await browser.get("/")).text
