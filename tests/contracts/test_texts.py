"""Texts and addresses: the field types take what they should, in the form they keep, and refuse the rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.contracts.types import Email, HttpUrl, Line, Text
from tests.contracts.parsing import parse, refused


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
    assert refused(Email, text)


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
    assert refused(Line, f"a{chr(code)}b")
    assert refused(Text, f"a{chr(code)}b")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "\t", "\u2028", "\u2029"])
def test_a_line_is_one_line(ending: str):
    assert "one line" in refused(Line, f"a{ending}b")


def test_line_endings_of_a_text():
    assert parse(Text, " a\r\nb\rc\n\td ") == "a\nb\nc\n\td"
    assert parse(Text, "") == ""


@pytest.mark.parametrize("text", ["", " ", "\n", "\u00a0", "\u200b", "\u200b \ufeff", "a" * 201, "\ud800", None, 5])
def test_no_line(text: object):
    assert refused(Line, text)


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
    assert refused(HttpUrl, url)
