"""The field types take what they should, in the form they keep, and refuse the rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.contracts.base import Attribute
from shared.contracts.events import Seats, WallTime, Zone
from shared.contracts.municipalities import MUNICIPALITIES
from shared.contracts.types import Cpv, Cvr, Email, HttpUrl, Id, Line, Municipality, Text


def parse(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


def refused(kind: Any, value: object) -> str:
    """What is said to whoever sends the value."""
    with pytest.raises(ValidationError) as caught:
        parse(kind, value)
    return str(caught.value.errors()[0]["msg"])


@pytest.mark.parametrize("cvr", ["13585628", "24256790", "30715063", "35408002"])
@pytest.mark.parametrize("form", ["{}", "DK{}", "dk {}", " {} ", "DK-{}"])
def test_cvr(cvr: str, form: str):
    assert parse(Cvr, form.format(cvr)) == cvr


def test_cvr_apart():
    assert parse(Cvr, "13 58.56-28") == "13585628"


@pytest.mark.parametrize(
    "cvr",
    [
        "13585627",
        "01234567",
        "88776655",
        "1358562",
        "135856280",
        "",
        "DK",
        "DKDK13585628",
        "13,585/628",
        "1358–5628",
        "１３５８５６２８",
        "SE13585628",
        13585628,
        None,
    ],
)
def test_no_cvr(cvr: object):
    refused(Cvr, cvr)


def test_98_municipalities():
    assert len(MUNICIPALITIES) == 98
    assert parse(Municipality, "0791") == "0791"
    assert MUNICIPALITIES["0791"] == "Viborg"


@pytest.mark.parametrize("code", ["791", "0792", "0411", "Viborg", "0791 ", "", "٠٧٩١", 790])
def test_no_municipality(code: object):
    refused(Municipality, code)


@pytest.mark.parametrize("code", ["90919200", "90919200-4", " 90919200-4 ", "90919200\n"])
def test_cpv_is_kept_without_check_digit(code: str):
    assert parse(Cpv, code) == "90919200"


def test_cpv_outside_the_starter_set_is_taken_in_a_known_division():
    assert parse(Cpv, "90919999-1") == "90919999"


@pytest.mark.parametrize(
    "code", ["9091920", "909192000", "90919200-", "90919200-44", "99000000", "9091920٠", "", 90919201]
)
def test_no_cpv(code: object):
    refused(Cpv, code)


def test_cpv_with_wrong_check_digit():
    said = refused(Cpv, "90919200-5")
    assert "4" in said
    assert "90919200" not in said


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Asta@Forening.Example", "asta@forening.example"),
        ("  asta@forening.example\n", "asta@forening.example"),
        ("asta+net@forening.example", "asta+net@forening.example"),
        ("o'neil@forening.example", "o'neil@forening.example"),
        ("asta@blåbær.example", "asta@xn--blbr-roah.example"),
        ("asta@BLÅBÆR.example", "asta@xn--blbr-roah.example"),
        ("asta@xn--blbr-roah.example", "asta@xn--blbr-roah.example"),
    ],
)
def test_email(given: str, kept: str):
    assert parse(Email, given) == kept
    assert parse(Email, kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        "Asta <asta@forening.example>",
        "<asta@forening.example>",
        "asta@forening.example, bo@forening.example",
        "asta@forening.example;bo@forening.example",
        "asta@forening.example bo@forening.example",
        "asta@forening.example\r\nBcc: bo@forening.example",
        "asta@forening.example\nbo@forening.example",
        "asta\r@forening.example",
        "asta\x00@forening.example",
        "ast\u200ba@forening.example",
        "æble@forening.example",
        "аsta@forening.example",  # a Cyrillic а
        '"asta eksempel"@forening.example',
        "asta(net)@forening.example",
        "asta@[127.0.0.1]",
        "asta@localhost",
        "asta@forening",
        "asta@-forening.example",
        "asta@forening..example",
        ".asta@forening.example",
        "asta@@forening.example",
        "@forening.example",
        "asta@",
        "asta",
        "",
        "a" * 65 + "@forening.example",
        "asta@" + "a" * 64 + ".example",
        "asta@" + "a.b." * 70 + "example",
        "010190-1234@forening.example",
        None,
    ],
)
def test_no_email(text: object):
    refused(Email, text)


@pytest.mark.parametrize(
    "text",
    [
        "010190-1234",
        "CPR: 010190 1234.",
        "født 311299–0001",
        "(290200 - 1234)",
        "0101901234",
        "2412801234",
        "010190\u20111234",
        "010190\u00a01234",
        "010190\n1234",
    ],
)
@pytest.mark.parametrize("kind", [Text, Line], ids=["text", "line"])
def test_what_looks_like_a_person_number_is_refused(text: str, kind: Any):
    said = refused(kind, text)
    assert "CPR" in said or "one line" in said
    assert "1234" not in said


@pytest.mark.parametrize(
    "text",
    [
        "P-nummer 1003359874",
        "CVR 13585628",
        "GLN 5798000123456",
        "tlf. 12 34 56 78",
        "tlf. +45 12345678",
        "320190-1234",  # no day
        "011390-1234",  # no month
        "den 01.01.1990",
        "2027-02-09T14:00:00",
        "7b1d1f6e-2c5f-5a1c-9f0e-3a9d2f4b6c02",
        "8620-1234",
        "90910000-9",
        "12010190-1234",
        "010190-12345",
    ],
)
def test_other_numbers_pass(text: str):
    assert parse(Line, text) == text
    assert parse(Text, text) == text


@pytest.mark.parametrize("code", [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0), 0x202E, 0x2066])
def test_control_characters_are_refused(code: int):
    refused(Line, f"a{chr(code)}b")
    refused(Text, f"a{chr(code)}b")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "\t", "\u2028", "\u2029"])
def test_a_line_is_one_line(ending: str):
    assert "one line" in refused(Line, f"a{ending}b")


def test_line_endings_of_a_text():
    assert parse(Text, " a\r\nb\rc\n\td ") == "a\nb\nc\n\td"
    assert parse(Text, "") == ""


@pytest.mark.parametrize("text", ["", " ", "\n", "\u00a0", "\u200b", "\u200b \ufeff", "a" * 201, "\ud800", None, 5])
def test_no_line(text: object):
    refused(Line, text)


@pytest.mark.parametrize("text", ["Åse Ærlig-Øst", "日本", "👩‍👧", "a" * 200, "O'Neil & Søn <a>", "=1+1"])
def test_line_for_people(text: str):
    assert parse(Line, f" {text} ") == text


@given(st.text())
def test_a_line_stays_as_it_is_when_parsed_again(text: str):
    try:
        kept = parse(Line, text)
    except ValidationError:
        return
    assert parse(Line, kept) == kept
    assert len(kept.splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://genbrug.example",
        "http://genbrug.example:8080/",
        "https://genbrug.example/om-os?side=2#top",
        "https://genbrug.example?side=2",
        "https://blåbær.example/æble",
        "http://127.0.0.1/",
        "http://[::1]:8080/a",
    ],
)
def test_url(url: str):
    assert parse(HttpUrl, f" {url} ") == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://genbrug.example",
        "//genbrug.example",
        "genbrug.example",
        "https://",
        "https://:",
        "https://...",
        "https://genbrug.example:99999/",
        "https://user:secret@genbrug.example/",
        "https://genbrug.example/a b",
        "https://genbrug.example/\r\nX: y",
        "https://genbrug.example/\x7f",
        'https://genbrug.example/"onclick=',
        "https://genbrug.example/<script>",
        "https://genbrug.example\\@evil.example/",
        "http://[::1",
        "https://genbrug.example/" + "a" * 2000,
        "https://genbrug.example/010190-1234",
    ],
)
def test_no_url(url: str):
    refused(HttpUrl, url)


@pytest.mark.parametrize("id", ["", "a b", "a/b", "æ", "a\n", "a" * 101, "{}", "$where", 5])
def test_no_id(id: object):
    refused(Id, id)


@pytest.mark.parametrize("text", ["2027-02-09T14:00:00", "2027-02-09T14:00"])
def test_wall_time(text: str):
    assert parse(WallTime, text).isoformat() == "2027-02-09T14:00:00"


@pytest.mark.parametrize(
    "text", ["2027-02-09T14:00:00Z", "2027-02-09T14:00:00+01:00", "2027-02-30T14:00:00", "14:00", "", 5, "6"]
)
def test_no_wall_time(text: object):
    refused(WallTime, text)


def test_zone():
    assert parse(Zone, "Europe/Copenhagen") == "Europe/Copenhagen"


@pytest.mark.parametrize("name", ["Europe/Viborg", "../../etc/passwd", "", "+01:00", "europe/copenhagen"])
def test_no_zone(name: str):
    refused(Zone, name)


@pytest.mark.parametrize("seats", [-1, 100_001, 1.5, "many", None])
def test_no_seats(seats: object):
    refused(Seats, seats)


def test_an_attribute_fits_into_an_amqp_property():
    assert parse(Attribute, "æ" * 127)
    assert "255 bytes" in refused(Attribute, "æ" * 128)
    refused(Attribute, "a" * 256)
    refused(Attribute, "a\nb")
    refused(Attribute, "")
