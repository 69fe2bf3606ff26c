"""Where an address stands: in declared fields, and literally in texts."""

import time

import pytest
from pydantic import BaseModel

from shared.contracts.events import SignUp, SignupConfirmed
from shared.contracts.person import ERASED_ADDRESS
from shared.contracts.procurement import PublishDemand, SupplierMatched
from shared.contracts.types import Email, KeptEmail
from shared.persons.held import Person
from shared.persons.mentions import Literal, address_fields, addresses, declared

ASTA = "asta@forening.example"


class Inner(BaseModel):
    email: KeptEmail
    name: str


class Outer(BaseModel):
    one: Inner | None = None
    several: tuple[Inner, ...] = ()
    cc: list[Email] = []
    note: str = ""


@pytest.mark.parametrize(
    ("model", "paths"),
    [
        (SignUp, {("email",)}),
        (SignupConfirmed, {("email",)}),
        (PublishDemand, {("buyer", "email")}),
        (SupplierMatched, {("buyer", "email"), ("supplier", "email")}),
        (Outer, {("one", "email"), ("several", "email"), ("cc",)}),
    ],
)
def test_declared_fields_are_found_at_any_depth(model: type[BaseModel], paths: set[tuple[str, ...]]):
    assert set(address_fields(model)) == paths


def test_values_in_declared_fields_are_compared_in_their_normal_form():
    data = {"one": {"email": " Asta@FORENING.example"}, "several": [{"email": "bo@blåbær.example"}, {}], "note": ASTA}
    assert declared(Outer, data) == {ASTA, "bo@xn--blbr-roah.example"}
    assert declared(Outer, {"one": None, "several": "nonsense", "cc": [3, "x@y.example"]}) == {"x@y.example"}


@pytest.mark.parametrize(
    "text",
    [
        ASTA,
        "ASTA@Forening.Example",
        f"Skriv til {ASTA}.",
        f"<{ASTA}>,",
        f"[mail](mailto:{ASTA}?subject=Hej)",
        f"**{ASTA}**",
        f"{ASTA}\n",
    ],
)
def test_an_address_is_found_and_masked_in_texts(text: str):
    literal = Literal(ASTA)
    assert literal.within({"deep": [{"text": text}]})
    masked = literal.masked({"deep": [{"text": text}], "number": 1})
    assert ASTA not in str(masked).lower()
    assert ERASED_ADDRESS in str(masked)
    assert masked["number"] == 1
    assert any(found.lower() == ASTA for found in addresses([text]))


@pytest.mark.parametrize(
    "text", [f"b{ASTA}", f"{ASTA}.dk", f"x.{ASTA}", f"{ASTA}-net.example", "asta@forening", "asta"]
)
def test_another_address_is_left_alone(text: str):
    literal = Literal(ASTA)
    assert not literal.within(text)
    assert literal.masked(text) == text


def test_a_domain_is_found_as_people_write_it():
    literal = Literal("bo@xn--blbr-roah.example")
    assert literal.masked("Bo@Blåbær.example, bo@xn--blbr-roah.example") == f"{ERASED_ADDRESS}, {ERASED_ADDRESS}"


@pytest.mark.parametrize("email", ["asta@forening.example", "o'brien@x.example", "x/y@x.example"])
def test_a_document_that_may_hold_the_address_is_looked_at(email: str):
    person = Person(email, "key")
    assert person.may_be_in({"_id": "1", "deep": [{"text": f"'\"\\ {email.upper()}"}]})
    assert person.may_be_in({"_id": "key"})
    assert not person.may_be_in({"_id": "1", "email": "bo@elsewhere.example"})


def test_a_text_full_of_addresses_takes_no_long_time():
    """It is read for every message once somebody was erased, by the loop that serves all others."""
    texts = [",".join(f"a{n}@{domain}.example" for n in range(8_000)) for domain in ("x", "blåbær")]
    texts += ["x@" + "." * 250_000, "*" * 250_000 + "@", "a@" * 125_000]
    for text in texts:
        began = time.perf_counter()
        addresses({"text": text})
        assert time.perf_counter() - began < 10, f"{text[:20]}: some tenths of a second where nothing else runs"
