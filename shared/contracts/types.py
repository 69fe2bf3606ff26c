"""Field types that the contracts share, each with the rule that it keeps."""

import re
from typing import Annotated, Literal

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from stdnum.dk import cvr as danish_cvr

from shared.contracts.cpv import check_code
from shared.contracts.municipalities import MUNICIPALITIES

CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Day, month, year, four digits, apart: a Danish person number. Ten digits in a row may be a P-number and pass.
CPR = re.compile(r"(?<!\d)(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])\d{2}[- ]\d{4}(?!\d)")


def _no_person_number(text: str) -> str:
    if CPR.search(text):
        raise ValueError("looks like it holds a CPR number; person numbers are never stored here: remove it")
    return text


def _one_line(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("must be one line without control characters")
    return _no_person_number(text)


def _lines(text: str) -> str:
    if CONTROL_BUT_LINES.search(text):
        raise ValueError("must not hold control characters other than line breaks")
    return _no_person_number(text.replace("\r\n", "\n").replace("\r", "\n"))


def _email(text: str) -> str:
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized.casefold()
    except EmailNotValidError as error:
        raise ValueError(f"is not one e-mail address: {error}") from None


def _bare_cvr(value: object) -> object:
    if not isinstance(value, str):
        return value
    return re.sub(r"[\s.\-]", "", value).upper().removeprefix("DK")


def _cvr(text: str) -> str:
    if not danish_cvr.is_valid(text):
        raise ValueError("is not a CVR number: eight digits, the first not 0, whose weighted sum is divisible by 11")
    return text


def _municipality(code: str) -> str:
    if code not in MUNICIPALITIES:
        raise ValueError("is not a Danish municipality code: four digits such as 0791 for Viborg")
    return code


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_one_line)]
"""One line of text for people, 1 to 200 characters, no control characters, nothing like a CPR number."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000), AfterValidator(_lines)]
"""Text of several lines, at most 20,000 characters."""

Email = Annotated[str, StringConstraints(max_length=254), AfterValidator(_email)]
"""Exactly one address (RFC 5321), no display name; compared and kept in lower case."""

Cvr = Annotated[str, BeforeValidator(_bare_cvr), AfterValidator(_cvr)]
"""A company's number in the Central Business Register: blanks, dots, dashes and a leading DK are taken off."""

Municipality = Annotated[str, AfterValidator(_municipality)]
"""Four-digit municipality code of Statistics Denmark."""

Cpv = Annotated[str, AfterValidator(check_code)]
"""Common Procurement Vocabulary code (regulation (EC) 213/2008): eight digits, the check digit optional; kept as eight."""

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]
"""An aggregate's id as a service gave it."""

Topic = Literal["newsletter", "network-events", "guidance", "portal", "procurement"]
Language = Literal["da", "en"]

HttpUrl = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=2000, pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+(/[^\s<>\"\\\x00-\x1f]*)?$"
    ),
]
"""An absolute http or https address, kept as given."""


class Part(BaseModel):
    """A part of a message. Commands' parts forbid unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EventPart(BaseModel):
    """A part of an event: unknown fields are ignored, so that a newer publisher is understood."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def example_field(example: object, **more: object) -> object:  # a Field whose example goes into docs and golden files
    """A required field with one example."""
    return Field(examples=[example], **more)  # type: ignore[call-overload]
