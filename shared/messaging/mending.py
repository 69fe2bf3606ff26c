"""Whether what an operator has made of a dead letter can work, asked before it is sent."""

from pydantic import ValidationError

from shared.contracts.base import MESSAGES, Command, Envelope, Message
from shared.contracts.problems import Invalid, Refused
from shared.messaging.deadletter import DeadLetter, id_in
from shared.messaging.dispatch import BODY_BYTES, Unknown, Unreadable


def check_mended(letter: DeadLetter, body: bytes) -> type[Message] | None:
    """The model that the mended body fits; None where no contract of that service is known here (it came later than
    this program), so that only the envelope was looked at. Refused says what is wrong, field by field.

    It keeps the id: only so what was done already is not done again, should the first copy be sent once more.
    """
    if len(body) > BODY_BYTES:
        raise Unreadable(f"it has {len(body)} bytes; at most {BODY_BYTES} are taken")
    try:
        envelope = Envelope.model_validate_json(body)
        _same_id(letter, envelope)
        model = MESSAGES.get(envelope.type)
        if model is None:
            _refuse_if_known_service(envelope.type)
            return None
        _right_queue(letter, model)
        model.model_validate(envelope.data)
    except ValidationError as error:
        raise Invalid.of(error) from None
    return model


def _refuse_if_known_service(type: str) -> None:
    service = type.removeprefix("dk.rummelig.").partition(".")[0]
    if any(model.service_name == service for model in MESSAGES.values()) or service == type:
        raise Unknown(f"no contract has a message of type {type!r}")


def _same_id(letter: DeadLetter, envelope: Envelope) -> None:
    ids = {found for found in (letter.id, id_in(letter.body)) if found}
    if ids and envelope.id not in ids:
        raise Refused(f"the id must stay {' or '.join(sorted(ids))}: what was done under it is not done again")


def _right_queue(letter: DeadLetter, model: type[Message]) -> None:
    is_command = issubclass(model, Command)
    fits = f"{model.service_name}.commands" if is_command else f"{letter.service}.from.{model.service_name}"
    if letter.queue != fits:
        raise Refused(f"{model.type()} does not belong into the queue {letter.queue or '(unknown)'} but into {fits}")
