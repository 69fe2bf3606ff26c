"""Tells what one service keeps of a person (GDPR art. 15): the documents, as they stand in the store."""

from typing import Any

from shared.contracts.person import ExportResult
from shared.contracts.types import normal_email
from shared.persons.held import Person, Persons
from shared.persons.mentions import Literal
from shared.store.port import PENDING, PENDING_LISTS, Document
from shared.store.work import Work

INTERNAL = frozenset({*PENDING_LISTS, PENDING, "version", "claimed_by", "beats"})
"""Tell nothing of the person."""


async def export(email: str, persons: Persons, work: Work) -> ExportResult:
    """Read everything; nothing is changed and nothing is noted."""
    person = Person(normal_email(email), work.erased.id_of(email))
    literal = person.literal
    about: dict[str, list[dict[str, Any]]] = {}
    mentions: dict[str, list[dict[str, Any]]] = {}
    for collection in persons.collections:
        held = persons.held.get(collection.name)
        async for document in work.store.everything(collection):
            if not person.may_be_in(document):
                continue
            if (held and held.is_about(document, person)) or person.id in (document["_id"], *_ids(document)):
                about.setdefault(collection.name, []).append(_plain(document))
            elif texts := _texts(document, literal):
                mentions.setdefault(collection.name, []).append({"_id": document["_id"], **texts})
    return ExportResult.model_validate({"about": about, "mentions": mentions})


def _ids(document: Document) -> list[str]:
    return [value for name, value in document.items() if name.endswith("_id") and isinstance(value, str)]


def _plain(document: Document) -> Document:
    return {name: value for name, value in document.items() if name not in INTERNAL}


def _texts(document: Document, literal: Literal) -> Document:
    return {name: value for name, value in _plain(document).items() if literal.within(value)}
