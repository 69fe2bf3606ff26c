"""What people see: what is to come, signing up, and giving a seat back from a link in a mail.

GET changes nothing (mail scanners open links); POST goes through the same handlers as commands from the broker.
"""

import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.events import handlers
from services.events.domain import NetworkEvent, Signup
from services.events.domain.refusals import Begun, CalledOff, NotOffered, OtherAttendance
from services.events.links import PublicLinks
from services.events.store import EVENTS, SIGNUPS, to_come, up_to
from shared.contracts.aggregate import Aggregate
from shared.contracts.base import FieldError, Problem
from shared.contracts.events import CancelSignup, SignUp
from shared.contracts.problems import Invalid, Refused
from shared.contracts.types import Id, Language
from shared.messaging.executor import Executor
from shared.store.repository import Repository
from shared.web.dates import span
from shared.web.even import even
from shared.web.links import BadLink, ExpiredLink
from shared.web.pages import Pages, language_of

SOURCE = "/events/pages"
LISTED = 100
"""Events on the front page."""

FIELDS = ("name", "email", "attendance")
ID: TypeAdapter[str] = TypeAdapter(Id)


def routes(executor: Executor, links: PublicLinks) -> list[Route]:
    """The routes of the pages."""
    view = EventPages(executor, links)
    return [
        Route("/", view.coming),
        Route("/arrangementer/{event_id}", view.event, methods=["GET"]),
        Route("/arrangementer/{event_id}", view.sign_up, methods=["POST"]),
        Route("/afbud/{token}", view.ask, methods=["GET"]),
        Route("/afbud/{token}", view.cancel, methods=["POST"]),
    ]


class EventPages:
    """The pages over a service's store and handlers."""

    def __init__(self, executor: Executor, links: PublicLinks) -> None:
        self._executor = executor
        self._store = executor.store
        self._links = links
        self._pages = Pages(Path(__file__).parent / "templates")

    async def coming(self, request: Request) -> Response:
        """The events that people can sign up for, the next one first."""
        where = to_come(self._executor.clock())
        found = await self._store.find(EVENTS.collection, where, order="starts", limit=LISTED)
        language = language_of(request.scope)
        events = [(event, when(event, language)) for event in map(EVENTS.to_aggregate, found)]
        return self._pages.render(request, "coming.html", events=events)

    async def event(self, request: Request) -> Response:
        """An event, with the form to sign up while that is possible."""
        return self._form(request, await self._event(request.path_params["event_id"]))

    async def sign_up(self, request: Request) -> Response:
        """Sign up. The same answer, after the same time, whoever is typed in: how it stands, the mail tells."""
        event = await self._event(request.path_params["event_id"])
        given = await _fields(request)
        wish = {**given, "event_id": event.id, "language": language_of(request.scope)}
        try:
            command = SignUp.model_validate(wish)
        except ValidationError as error:
            return self._form(request, event, given, Invalid.of(error).errors, status=422)
        if event.state != "announced" or self._executor.clock() >= event.starts:
            return self._form(request, event, given, status=409)
        async with even():
            reply = await self._executor.execute(command, handlers.sign_up, id=str(uuid.uuid4()), source=SOURCE)
        if reply.problem is not None and not _is(reply.problem, OtherAttendance):
            return await self._not_signed_up(request, given, reply.problem)
        shown: dict[str, Any] = {"event": event, "when": when(event, command.language), "command": command}
        return self._pages.render(request, "signed-up.html", **shown)

    async def ask(self, request: Request) -> Response:
        """How the sign-up stands, and one button to cancel it."""
        try:
            signup = await self._signed(request)
        except BadLink as error:
            return self._dead_link(request, error)
        return await self._standing(request, signup)

    async def cancel(self, request: Request) -> Response:
        """Cancel, and say that it is done: as often as the button is pressed."""
        try:
            signup = await self._signed(request)
        except BadLink as error:
            return self._dead_link(request, error)
        command = CancelSignup(signup_id=signup.id)
        reply = await self._executor.execute(command, handlers.cancel_signup, id=str(uuid.uuid4()), source=SOURCE)
        if reply.problem is not None:
            raise HTTPException(reply.problem.status)
        return await self._standing(request, await self._known(SIGNUPS, signup.id))

    def _form(
        self,
        request: Request,
        event: NetworkEvent,
        given: dict[str, str] | None = None,
        errors: list[FieldError] | None = None,
        *,
        status: int = 200,
    ) -> Response:
        now = self._executor.clock()
        values: dict[str, Any] = {
            "event": event,
            "when": when(event, language_of(request.scope)),
            "begun": now >= event.starts,
            "over": now >= event.ends,
            "full": not (event.on_site.open or event.online.open),
            "given": dict.fromkeys(FIELDS, "") | (given or {}),
            "errors": {error.field: error.message for error in errors or ()},
        }
        return self._pages.render(request, "event.html", status=status, **values)

    async def _not_signed_up(self, request: Request, given: dict[str, str], problem: Problem) -> Response:
        event = await self._event(request.path_params["event_id"])  # as it is now: that may be why
        if _is(problem, NotOffered):
            return self._form(request, event, given, problem.errors, status=422)
        if _is(problem, Begun) or _is(problem, CalledOff):
            return self._form(request, event, given, status=409)
        raise HTTPException(problem.status)

    async def _standing(self, request: Request, signup: Signup) -> Response:
        event = await self._known(EVENTS, signup.event_id)
        waits = signup.state == "waiting"
        position = await self._store.count(SIGNUPS.collection, up_to(signup)) if waits else None
        values: dict[str, Any] = {
            "event": event,
            "when": when(event, language_of(request.scope, signup.language)),
            "signup": signup,
            "position": position,
            "begun": self._executor.clock() >= event.starts,
        }
        return self._pages.render(request, "standing.html", language=signup.language, **values)

    async def _signed(self, request: Request) -> Signup:
        signup_id = self._links.signup_of(request.path_params["token"], self._executor.clock())
        return await self._known(SIGNUPS, signup_id)

    def _dead_link(self, request: Request, error: BadLink) -> Response:
        expired = isinstance(error, ExpiredLink)
        return self._pages.render(request, "dead-link.html", status=410 if expired else 404, expired=expired)

    async def _event(self, event_id: str) -> NetworkEvent:
        try:
            return await self._known(EVENTS, ID.validate_python(event_id))
        except ValidationError:
            raise HTTPException(404) from None

    async def _known[A: Aggregate](self, repository: Repository[A], id: str) -> A:
        document = await self._store.get(repository.collection, id)
        if document is None:
            raise HTTPException(404)
        return repository.to_aggregate(document)


def when(event: NetworkEvent, language: Language) -> str:
    """From when to when, in words."""
    starts, ends = datetime.fromisoformat(event.starts_at), datetime.fromisoformat(event.ends_at)
    return span(starts, ends, event.timezone, language)


async def _fields(request: Request) -> dict[str, str]:
    """What was typed in; a file, or a field that is not ours, is nothing."""
    async with request.form(max_files=0, max_fields=20) as form:
        return {name: value for name in FIELDS if isinstance(value := form.get(name), str)}


def _is(problem: Problem, refusal: type[Refused]) -> bool:
    return problem.type.rpartition("/")[2] == refusal.slug
