"""A full example of any message, built from the examples and defaults that its fields declare."""

from datetime import UTC, datetime
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shared.contracts.base import Envelope, Event, Message, derived_id

TIME = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"  # the one of the W3C recommendation


class NoExample(Exception):
    """A field says nothing of what may stand in it: give it `examples=[…]`."""


def example[M: BaseModel](model: type[M]) -> M:
    """A valid instance with every field filled that has an example or a default. NoExample names the field."""
    values = {name: _value(field, f"{model.__name__}.{name}") for name, field in model.model_fields.items()}
    return model.model_validate(values)


def example_data(model: type[BaseModel]) -> dict[str, Any]:
    """The same as JSON data, as it stands in `data`. Fields without a value are left out."""
    return example(model).model_dump(mode="json", exclude_none=True)


def example_envelope(model: type[Message]) -> Envelope:
    """A whole CloudEvent around it, the same in each run."""
    message = example(model)
    told = isinstance(message, Event)
    return Envelope(
        id=derived_id("example", model.type()),
        source=f"/{model.service_name}" if told else "/my-program",
        type=model.type(),
        subject=message.subject if isinstance(message, Event) else None,
        time=TIME,
        data=message.model_dump(mode="json", exclude_none=True),
        aggregateversion=1 if told else None,
        correlationid=derived_id("example", "correlation") if told else None,
        causationid=derived_id("example", "cause") if told else None,
        traceparent=TRACEPARENT if told else None,
    )


def _value(field: FieldInfo, path: str) -> Any:
    if field.examples:
        return field.examples[0]
    if not field.is_required():
        default = field.get_default(call_default_factory=True)
        if default or not _models(field.annotation):
            return default
    return _made(field.annotation, path)


def _made(annotation: Any, path: str) -> Any:
    """A value for an annotation: of models, literals, and tuples and unions of such."""
    origin, arguments = get_origin(annotation), [a for a in get_args(annotation) if a not in (type(None), ...)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return example(annotation)
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        return (_made(arguments[0], path),)
    if origin in (Union, UnionType):
        return _made(arguments[0], path)
    raise NoExample(f"{path} has neither an example nor a default")


def _models(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return any(_models(argument) for argument in get_args(annotation))
