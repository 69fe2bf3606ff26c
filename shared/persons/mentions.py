"""Where an e-mail address stands: in the fields of a model that are declared for it, and literally in any text."""

import itertools
import re
from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import idna
from pydantic import BaseModel

from shared.contracts.base import MESSAGES
from shared.contracts.person import ERASED_ADDRESS
from shared.contracts.types import Personal, normal_email

type Path = tuple[str, ...]

CANDIDATE = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w.-]{1,253}\w")
AROUND = "*_~'`/=?&!."
"""May stand in front of the @, but in running text more often stands around an address."""

MOST_FOREIGN = 1000
"""Addresses of one message whose domain is brought into its ASCII form (some 0.1 ms each)."""


@cache
def address_fields(model: type[BaseModel]) -> tuple[Path, ...]:
    """The paths of the fields that are declared to hold an address (`Email`, `KeptEmail`), at any depth."""
    return tuple(
        (name, *rest)
        for name, field in model.model_fields.items()
        for rest in _inside(Annotated[field.annotation, *(field.metadata or [None])])
    )


def declared(model: type[BaseModel], data: Any) -> set[str]:
    """The addresses in the declared fields of a message's or a document's data, in their normal form."""
    return {normal_email(v) for path in address_fields(model) for v in _at(data, path) if isinstance(v, str) and v}


def addresses(value: Any) -> dict[str, str]:
    """All that looks like an address in any text of JSON-like data: as it stands there -> its normal form."""
    found = {match for text in texts(value) if "@" in text for match in CANDIDATE.findall(text)}
    found |= {match.lstrip(AROUND) for match in found}
    # Strangers write these texts: what takes long is done for so many at most.
    foreign = itertools.islice((each for each in found if not each.isascii()), MOST_FOREIGN)
    return {each: each.lower() for each in found if each.isascii()} | {each: normal_email(each) for each in foreign}


def texts(value: Any) -> Iterator[str]:
    """Every text in JSON-like data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)


class Literal:
    """One address as it may stand in a text: in any case, its domain in ASCII or as people write it (IDNA)."""

    def __init__(self, email: str) -> None:
        local, _, domain = email.rpartition("@")
        self._domains = {domain, _unicode(domain)}
        forms = "|".join(re.escape(f"{local}@{form}") for form in sorted(self._domains))
        # Not within a longer address.
        self._pattern = re.compile(rf"(?<![\w.+-])(?:{forms})(?!-?\w|\.\w)", re.IGNORECASE)

    def within(self, value: Any) -> bool:
        """Whether any text of JSON-like data holds it."""
        return any("@" in text and self._pattern.search(text) for text in texts(value))

    def masked(self, value: Any) -> Any:
        """The same data with ERASED_ADDRESS in its place."""
        return replaced(value, lambda text: self._pattern.sub(ERASED_ADDRESS, text) if "@" in text else text)


def tells_of(literal: Literal, type: str, data: Any) -> bool:
    """Whether a message of this CloudEvents type is about the person: the address stands where its contract has one."""
    model = MESSAGES.get(type)
    return model is not None and literal.within(list(declared(model, data)))


def replaced(value: Any, change: Any) -> Any:
    """JSON-like data with every text changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: replaced(each, change) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [replaced(each, change) for each in value]
    return value


def _unicode(domain: str) -> str:
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain


def _inside(annotation: Any) -> Iterator[Path]:
    """The paths to declared addresses below an annotation; the empty one where it is an address itself."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        if any(isinstance(each, Personal) for each in arguments[1:]):
            yield ()
        else:
            yield from _inside(arguments[0])
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from address_fields(annotation)
    elif origin in (Union, UnionType, tuple, list, set, frozenset, dict):
        yield from dict.fromkeys(path for argument in arguments for path in _inside(argument))


def _at(value: Any, path: Path) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _at(each, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        yield from _at(value.get(path[0]), path[1:])
