"""Refusals: what a handler or a domain rule raises when a command cannot be carried out. None of them is retried.

Refused
├── Invalid     422  the input breaks a rule; names the fields
├── NotFound    404  what the command speaks of does not exist
├── Conflict    409  the state does not allow it
└── Forbidden   403  the sender may not send it
"""

from pydantic import ValidationError

from shared.contracts.base import FieldError, Problem

BASE = "https://rummelig.example/problems/"


class Refused(Exception):
    """A command that cannot be carried out as it stands; `detail` tells the sender what to do."""

    status = 400
    slug = "refused"
    title = "The command was refused"

    def __init__(self, detail: str, errors: list[FieldError] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors or []

    def problem(self) -> Problem:
        """As RFC 9457 problem details."""
        return Problem(
            type=BASE + self.slug, title=self.title, status=self.status, detail=self.detail, errors=self.errors
        )


class Invalid(Refused):
    """The input breaks a rule."""

    status, slug, title = 422, "invalid", "The message is not valid"

    @classmethod
    def field(cls, name: str, message: str) -> "Invalid":
        """One field is wrong."""
        return cls(f"{name}: {message}", [FieldError(field=name, message=message)])

    @classmethod
    def of(cls, error: ValidationError) -> "Invalid":
        """The fields that pydantic found wrong, without repeating the values that were sent."""
        errors = [
            FieldError(field=".".join(map(str, e["loc"]))[:200] or "(message)", message=_said(e["msg"]))
            for e in error.errors(include_url=False, include_input=False)
        ]
        return cls("; ".join(f"{e.field}: {e.message}" for e in errors[:5]), errors[:50])


class NotFound(Refused):
    """What the command speaks of does not exist."""

    status, slug, title = 404, "not-found", "There is no such thing"


class Conflict(Refused):
    """The present state does not allow it."""

    status, slug, title = 409, "conflict", "The present state does not allow it"


class Forbidden(Refused):
    """The sender may not send it."""

    status, slug, title = 403, "forbidden", "The sender may not send this"


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")
