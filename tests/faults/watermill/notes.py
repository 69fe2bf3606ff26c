"""What the suite publishes: notes on several topics. A topic is a type of event."""

import uuid

from shared.contracts.aggregate import Aggregate
from shared.contracts.base import Envelope, Event
from shared.store.repository import Repository

SERVICE = "notes"


class Note(Event, abstract=True):
    """A note: its number and text. Notes about the same thing are handled in order."""

    about = "thing"

    thing: str
    number: int
    text: str = ""


def topic(number: int) -> type[Note]:
    """The topic of that number."""

    class Noted(Note, name=f"noted-{number}", service=SERVICE):
        pass

    return Noted


TOPICS = [topic(number) for number in range(20)]
NOTED = TOPICS[0]


class Effect(Aggregate):
    """What a message did: one for each message id."""

    number: int


EFFECTS = Repository("effects", Effect)


def message(model: type[Note], number: int, thing: str = "", text: str = "", **metadata: str) -> Envelope:
    """A message on a topic; about a thing of its own where none is given."""
    note = model(thing=thing or f"thing-{number}", number=number, text=text)
    return Envelope(
        id=str(uuid.uuid4()),
        source=f"/{SERVICE}",
        type=model.type(),
        subject=note.thing,
        data=note.model_dump(),
        **metadata,
    )
