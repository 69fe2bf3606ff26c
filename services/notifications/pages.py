"""What people see: choosing topics, confirming by the link in a mail, unsubscribing with one click.

GET changes nothing (mail scanners open links); POST goes through the same handlers as commands from the broker. No page
tells whether an address is known.
"""

import uuid
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.notifications.context import Context
from services.notifications.domain import TEXTS, TOPICS, Seen, Subscriber, topic_name
from services.notifications.handlers import subscribing
from services.notifications.store import SUBSCRIBERS
from shared.contracts.notifications import Subscribe
from shared.contracts.problems import Invalid
from shared.messaging.executor import Executor
from shared.web.even import even
from shared.web.links import BadLink, ExpiredLink
from shared.web.pages import Pages, language_of
from shared.web.rates import Buckets, Clients

SOURCE = "/notifications/pages"
LONGEST_AGENT = 300


def routes(
    executor: Executor,
    context: Context,
    trusted_proxies: Sequence[IPv4Network | IPv6Network] = (),
    *,
    asks: Buckets,
) -> list[Route]:
    """The routes of the pages. `asks`: how many subscriptions all clients together may ask for."""
    view = SubscriptionPages(executor, context, Clients(trusted_proxies), asks)
    return [
        Route("/", view.choose, methods=["GET"]),
        Route("/nyhedsbrev", view.choose, methods=["GET"]),
        Route("/nyhedsbrev", view.subscribe, methods=["POST"]),
        Route("/bekraeft/{token}", view.ask, methods=["GET"]),
        Route("/bekraeft/{token}", view.confirm, methods=["POST"]),
        Route("/afmeld/{token}", view.ask_to_leave, methods=["GET"]),
        Route("/afmeld/{token}", view.leave, methods=["POST"]),
    ]


class SubscriptionPages:
    """The pages over a service's store and handlers."""

    def __init__(self, executor: Executor, context: Context, clients: Clients, asks: Buckets) -> None:
        self._asks = asks
        self._executor = executor
        self._context = context
        self._clients = clients
        self._pages = Pages(Path(__file__).parent / "templates" / "pages")

    async def choose(self, request: Request) -> Response:
        """The form: topics and an address."""
        return self._form(request)

    async def subscribe(self, request: Request) -> Response:
        """Ask for the topics. The same answer, after the same time, whoever asks."""
        async with request.form(max_files=0, max_fields=20) as form:
            topics = [value for value in form.getlist("topics") if isinstance(value, str)]
            email = str(form.get("email", ""))
        wish = {"email": email, "topics": topics, "language": language_of(request.scope)}
        try:
            command = Subscribe.model_validate(wish)
        except ValidationError as error:
            wrong = {each.field.split(".")[0] for each in Invalid.of(error).errors}
            return self._form(request, email=email, chosen=topics, wrong=wrong, status=422)
        if wait := self._asks.take("everybody"):
            raise HTTPException(503, headers={"Retry-After": str(wait)})
        handler = partial(subscribing.ask_for_topics, seen=self._seen(request, "nyhedsbrev"))
        async with even():
            await self._executor.execute(command, handler, id=str(uuid.uuid4()), source=SOURCE)
        return self._pages.render(request, "asked.html", email=command.email)

    async def ask(self, request: Request) -> Response:
        """What is to be confirmed, and one button to do it."""
        try:
            subscriber = await self._confirming(request)
        except BadLink as error:
            return self._dead_link(request, error)
        if subscriber is None or subscriber.ask is None or not subscriber.waiting(self._executor.clock()):
            return self._confirmed(request, subscriber)
        language = subscriber.ask.language
        spoken = language_of(request.scope, language)
        topics = [topic_name(topic, spoken) for topic in subscriber.ask.topics]
        return self._pages.render(request, "confirm.html", language=language, topics=topics, text=TEXTS[spoken])

    async def confirm(self, request: Request) -> Response:
        """Confirm, and say what the person gets: as often as the button is pressed."""
        try:
            subscriber = await self._confirming(request)
        except BadLink as error:
            return self._dead_link(request, error)
        if subscriber is not None:
            act = partial(subscribing.confirm_topics, subscriber_id=subscriber.id, seen=self._seen(request, "bekraeft"))
            await self._executor.act(f"confirm:{uuid.uuid4()}", act, type="confirm")
        return self._confirmed(request, await self._confirming(request))

    async def ask_to_leave(self, request: Request) -> Response:
        """One button to unsubscribe; a link that is not ours looks alike."""
        try:
            _, topic = self._context.links.unsubscribing(request.path_params["token"], self._executor.clock())
        except BadLink:
            topic = None
        name = topic_name(topic, language_of(request.scope)) if topic else None
        return self._pages.render(request, "unsubscribe.html", topic=name)

    async def leave(self, request: Request) -> Response:
        """Unsubscribe: by the page's button or by a mail program (RFC 8058). The same answer for any token."""
        everything = (await _fields(request)).get("scope") == "all"
        try:
            subscriber_id, topic = self._context.links.unsubscribing(
                request.path_params["token"], self._executor.clock()
            )
        except BadLink:
            return self._left(request, everything=everything)
        topics = TOPICS if everything else (topic,)
        act = partial(
            subscribing.give_up_topics,
            subscriber_id=subscriber_id,
            topics=topics,
            seen=self._seen(request, "afmeld"),
        )
        await self._executor.act(f"unsubscribe:{uuid.uuid4()}", act, type="unsubscribe")
        return self._left(request, everything=everything)

    def _form(
        self,
        request: Request,
        *,
        email: str = "",
        chosen: Sequence[str] = (),
        wrong: set[str] | None = None,
        status: int = 200,
    ) -> Response:
        language = language_of(request.scope)
        topics = [(topic, topic_name(topic, language), topic in chosen) for topic in TOPICS]
        return self._pages.render(
            request, "subscribe.html", status=status, topics=topics, email=email, wrong=wrong or set()
        )

    def _confirmed(self, request: Request, subscriber: Subscriber | None) -> Response:
        language = subscriber.language if subscriber else "da"
        spoken = language_of(request.scope, language)
        topics = [topic_name(topic, spoken) for topic in (subscriber.topics if subscriber else ())]
        return self._pages.render(request, "confirmed.html", language=language, topics=topics)

    def _left(self, request: Request, *, everything: bool) -> Response:
        return self._pages.render(request, "unsubscribed.html", everything=everything)

    def _dead_link(self, request: Request, error: BadLink) -> Response:
        expired = isinstance(error, ExpiredLink)
        return self._pages.render(request, "dead-link.html", status=410 if expired else 404, expired=expired)

    async def _confirming(self, request: Request) -> Subscriber | None:
        now = self._executor.clock()
        subscriber_id = self._context.links.confirming(request.path_params["token"], now)
        document = await self._executor.store.get(SUBSCRIBERS.collection, subscriber_id)
        return SUBSCRIBERS.to_aggregate(document) if document else None

    def _seen(self, request: Request, page: str) -> Seen:
        agent = request.headers.get("user-agent", "")[:LONGEST_AGENT]
        return Seen(
            page=f"{self._context.links.public_url}/{page}", ip=self._clients.of(request.scope), agent=agent or None
        )


async def _fields(request: Request) -> dict[str, Any]:
    """What was sent, in whatever form; nothing where it cannot be read: the address alone says enough."""
    try:
        async with request.form(max_files=0, max_fields=20) as form:
            return dict(form)
    except HTTPException as error:
        if error.status_code == 413:
            raise
        return {}
