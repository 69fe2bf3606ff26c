"""Field types that the contracts share, each with the rule that it keeps."""

import re
from functools import lru_cache
from typing import Annotated, Literal
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    WrapValidator,
)
from stdnum.dk import cvr as danish_cvr

from shared.contracts.cpv import check_code
from shared.contracts.municipalities import MUNICIPALITIES

# C0 and C1 controls, and what turns the writing direction of all that follows (U+202A..E, U+2066..9).
_UNSEEN = r"\x7f-\x9f\u202a-\u202e\u2066-\u2069"
CONTROL = re.compile(rf"[\x00-\x1f{_UNSEEN}\u2028\u2029]")
CONTROL_BUT_LINES = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f{_UNSEEN}]")
# A Danish person number: day, month, year, then four digits, apart or not. P-numbers are ten digits too, given out from
# 1000000000 upwards: ten digits in a row that begin with 10 pass.
_DATE = r"(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])\d{2}"
CPR = re.compile(rf"(?<!\d)({_DATE}\s?[-\u2010-\u2015\u2212\s]\s?|(?!10){_DATE})\d{{4}}(?!\d)")


def _no_person_number(text: str) -> str:
    if CPR.search(text):
        raise ValueError("looks like it holds a CPR number; person numbers are never stored here: remove it")
    return text


def _one_line(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("must be one line without control characters")
    if not any(letter.isprintable() and not letter.isspace() for letter in text):
        raise ValueError("must hold something that can be seen")
    return _no_person_number(text)


def _lines(text: str) -> str:
    if CONTROL_BUT_LINES.search(text):
        raise ValueError("must not hold control characters other than line breaks")
    return _no_person_number(text.replace("\r\n", "\n").replace("\r", "\n"))


@lru_cache(maxsize=256)  # what came in a command goes out in its events
def _email(text: str) -> str:
    try:
        valid = validate_email(text.strip(), check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as error:
        raise ValueError(f"is not one e-mail address: {error}") from None
    return _no_person_number(str(valid.ascii_email).lower())


def _bare_cvr(value: object) -> object:
    if not isinstance(value, str):
        return value
    return re.sub(r"[\s.\-]", "", value).upper().removeprefix("DK")


def _cvr(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{7}", text) or not danish_cvr.is_valid(text):
        raise ValueError("is not a CVR number: eight digits, the first not 0, whose weighted sum is divisible by 11")
    return text


def _municipality(code: str) -> str:
    if code not in MUNICIPALITIES:
        raise ValueError("is not a Danish municipality code: four digits such as 0791 for Viborg")
    return code


def _http_url(text: str) -> str:
    try:
        host, _ = urlsplit(text).hostname, urlsplit(text).port
    except ValueError:
        host = None
    if not host or not any(map(str.isalnum, host)) or CONTROL.search(text):
        raise ValueError("is not an http or https address such as https://genbrug.example/om-os")
    return _no_person_number(text)


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_one_line)]
"""One line of text for people, 1 to 200 characters, no control characters, nothing like a CPR number."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000), AfterValidator(_lines)]
"""Text of several lines, at most 20,000 characters, nothing like a CPR number."""


class Personal:
    """Marks a field that holds a person's e-mail address: what erasure and access look for."""


PERSONAL = Personal()

Email = Annotated[
    str,
    StringConstraints(max_length=254),
    AfterValidator(_email),
    PERSONAL,
    Field(description="One e-mail address without display name.", json_schema_extra={"format": "email"}),
]
"""Exactly one address (RFC 5321), no display name; compared and kept in lower case.

What stands before the @ is ASCII (few mail servers take more, RFC 6531); a domain such as blåbær.example is kept in
its ASCII form (IDNA), so that whoever sends a mail need not know of it.
"""

KeptEmail = Annotated[str, PERSONAL]
"""An address in an event or a stored document: checked when it came in, taken as it is told."""


def normal_email(text: str) -> str:
    """The one form of an address that is compared; a text that is no address, in lower case."""
    try:
        return _email(text)
    except ValueError:
        return text.strip().lower()


Cvr = Annotated[
    str,
    BeforeValidator(_bare_cvr),
    AfterValidator(_cvr),
    Field(description="CVR number: eight digits with a valid check sum; blanks, dots, dashes and DK are taken off."),
]
"""A company's number in the Central Business Register: blanks, dots, dashes and a leading DK are taken off."""

Municipality = Annotated[
    str,
    AfterValidator(_municipality),
    Field(
        description="Four-digit municipality code of Statistics Denmark.", json_schema_extra={"pattern": "^[0-9]{4}$"}
    ),
]
"""Four-digit municipality code of Statistics Denmark."""

Cpv = Annotated[
    str,
    AfterValidator(check_code),
    Field(
        description="CPV code, with or without its check digit.",
        json_schema_extra={"pattern": "^[0-9]{8}(-[0-9])?$"},
    ),
]
"""Common Procurement Vocabulary code (regulation (EC) 213/2008): eight digits, check digit optional; kept as eight."""

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]
"""An aggregate's id as a service gave it."""

Topic = Literal["newsletter", "network-events", "guidance", "portal", "procurement"]
Language = Literal["da", "en"]

HttpUrl = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=2000, pattern=r"^https?://[\p{L}\p{N}.\-\[\]:]+([/?#][^\s<>\"\\\x00-\x1f]*)?$"
    ),
    AfterValidator(_http_url),
    WithJsonSchema({"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": 2000}),
]
"""An absolute http or https address without user and password, kept as given."""

HttpUrlOrNothing = Annotated[
    HttpUrl,
    WrapValidator(lambda value, check: value if value == "" else check(value)),
    WithJsonSchema({"type": "string", "pattern": "^(https?://.*)?$", "maxLength": 2000}),
]
"""The same, or an empty text that takes an address out."""


class Part(BaseModel):
    """A part of a message. Commands' parts forbid unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EventPart(BaseModel):
    """A part of an event: unknown fields are ignored, so that a newer publisher is understood."""

    model_config = ConfigDict(frozen=True, extra="ignore")
