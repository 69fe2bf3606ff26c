"""Erasure and access: what `persons.py` declares, carried out."""

from services.notifications.persons import PERSONS
from shared.contracts.notifications import ErasePerson, ExportPerson, PersonErased
from shared.contracts.person import ErasureResult, ExportResult
from shared.persons.erasing import erase
from shared.persons.exporting import export
from shared.store.work import Work


async def erase_person(command: ErasePerson, work: Work) -> ErasureResult:
    """Take a person out of all that is kept here."""
    return await erase(command.email, PersonErased, PERSONS, work)


async def export_person(command: ExportPerson, work: Work) -> ExportResult:
    """Tell what is kept here of a person."""
    return await export(command.email, PERSONS, work)
