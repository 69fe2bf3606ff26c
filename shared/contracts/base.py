"""What every message is: a CloudEvents 1.0 JSON document in structured mode, and the register of known types."""

import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

CONTENT_TYPE = "application/cloudevents+json"


def _fits_amqp(text: str) -> str:
    if len(text.encode()) > 255:
        raise ValueError("must not be longer than 255 bytes in UTF-8: it travels as an AMQP property too")
    return text


Attribute = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$"), AfterValidator(_fits_amqp)
]


class Envelope(BaseModel):
    """A CloudEvent (CNCF CloudEvents 1.0.2, JSON format). Unknown extension attributes are ignored.

    `id` is the idempotency key; `aggregateversion` lets a consumer tell old from new; `correlationid` follows one
    business action through all services and `causationid` is the id of the message that led to this one.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: Attribute
    source: Attribute
    type: Attribute
    subject: Attribute | None = None
    time: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    datacontenttype: Literal["application/json"] = "application/json"
    data: dict[str, Any]
    aggregateversion: int | None = None
    correlationid: Attribute | None = None
    causationid: Attribute | None = None
    traceparent: Attribute | None = None

    def to_json(self) -> bytes:
        """The document as it goes on the wire."""
        return self.model_dump_json(exclude_none=True).encode()


class Message(BaseModel):
    """The `data` of a command or an event. Subclasses are declared once and are found by their CloudEvents type.

    The service is the name of the module; messages that live in their service's own folder say it: `service="…"`.
    """

    model_config = ConfigDict(frozen=True)

    service_name: ClassVar[str]
    message_name: ClassVar[str]
    message_version: ClassVar[int] = 1

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        version: int = 1,
        service: str | None = None,
        abstract: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if abstract:
            return
        cls.service_name = service or cls.__module__.rpartition(".")[2]
        cls.message_name = name or re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()
        cls.message_version = version
        MESSAGES[cls.type()] = cls

    @classmethod
    def type(cls) -> str:
        """The CloudEvents type: dk.rummelig.<service>.<name>.v<N>."""
        return f"dk.rummelig.{cls.service_name}.{cls.routing_key()}"

    @classmethod
    def routing_key(cls) -> str:
        """The routing key: <name>.v<N>."""
        return f"{cls.message_name}.v{cls.message_version}"


MESSAGES: dict[str, type[Message]] = {}
"""CloudEvents type -> model, of all contract modules imported so far."""


class Accepted(BaseModel):
    """The result of a command that has nothing to tell but that it was done."""

    model_config = ConfigDict(frozen=True)


class Command(Message, abstract=True):
    """An order to one service. Unknown fields are an error.

    `result` is the model of the reply's result, `senders` the broker users that may send it (a trailing `-*` stands
    for any suffix), `key` the field whose equal values are handled in order, one after another.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    result: ClassVar[type[BaseModel]] = Accepted
    senders: ClassVar[tuple[str, ...]] = ("integrator", "integrator-*")
    key: ClassVar[str | None] = None
    traceless: ClassVar[bool] = False


class Event(Message, abstract=True):
    """Something that happened. Unknown fields are ignored, so that a newer publisher is understood.

    `about` names the field that holds the aggregate's id (the CloudEvents subject). An `optional` event needs no
    consumer; any other that no queue is bound for is a fault that is counted and alerted.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    about: ClassVar[str]
    optional: ClassVar[bool] = False

    @property
    def subject(self) -> str:
        """The id of the aggregate that it happened to."""
        return str(getattr(self, self.about))


class FieldError(BaseModel):
    """One field that was wrong: its path with dots, and what is wrong with it."""

    field: str
    message: str


class Problem(BaseModel):
    """Why a command was refused (RFC 9457 problem details)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


class Reply(BaseModel):
    """The one answer to a command: `result` when `ok`, else `problem`."""

    ok: bool
    result: dict[str, Any] | None = None
    problem: Problem | None = None

    @classmethod
    def done(cls, result: BaseModel | None) -> Self:
        """The reply to a command that was carried out."""
        return cls(ok=True, result=result.model_dump(mode="json") if result else {})

    @classmethod
    def refused(cls, problem: Problem) -> Self:
        """The reply to a command that was not."""
        return cls(ok=False, problem=problem)

    def to_json(self) -> bytes:
        """The document as it goes on the wire."""
        return self.model_dump_json(exclude_none=True).encode()


NAMESPACE = uuid.UUID("6f5a5f0e-54a9-4ff3-9c1e-5b1d7f1a2c60")


def derived_id(*parts: object) -> str:
    """An id that is the same whenever the same parts are given: what makes doing a thing again change nothing."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(str(part) for part in parts)))
