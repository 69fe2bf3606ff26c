"""Carries out a plan of tests/faults/load.py on a running system; what was asked and answered goes into the ledger."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx

from deploy.local.demo.mails import Mail
from tests.faults.ledger import OK, Ledger, Mailed, Page, Sent
from tests.faults.load import COMMANDS, UNREADABLE, Step
from tests.faults.sending import Sender
from tests.notifications.sink import Sink

PAGE_PAUSE_SECONDS = 0.3
MAIL_SECONDS = 8.0
"""How long a person waits for a mail before doing something else; the ledger looks for the mail itself."""
LOOK_SECONDS = 0.1
YES, ANY = frozenset({OK}), frozenset({OK, 409})

type Command = tuple[str, str, dict[str, Any]]
"""Service, routing key, data."""


class Postbox:
    """The mails that the server took, by recipient; the ledger gets each."""

    def __init__(self, sink: Sink, ledger: Ledger) -> None:
        self._sink, self._ledger, self._read = sink, ledger, 0
        self._mails: dict[str, list[Mail]] = defaultdict(list)

    def to(self, email: str) -> list[Mail]:
        """All so far to an address."""
        for received in self._sink.received[self._read :]:
            mail = Mail(received.recipient, received.mail)
            self._mails[received.recipient].append(mail)
            self._ledger.mails.append(Mailed(str(mail.message["Message-ID"]), received.recipient, received.at))
            self._read += 1
        return self._mails[email]


class Player:
    """One run's people and integrators. `urls`: service -> where its pages are."""

    def __init__(
        self, ledger: Ledger, senders: Sequence[Sender], http: httpx.AsyncClient, urls: Mapping[str, str], post: Postbox
    ) -> None:
        self._ledger, self._senders, self._http, self._urls, self._post = ledger, senders, http, urls, post
        self._known: dict[str, asyncio.Future[str | None]] = defaultdict(asyncio.get_running_loop().create_future)
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asked: dict[str, set[str]] = defaultdict(set)
        self.skipped = 0
        """Steps that had nothing to act on: a sign-up that was refused, a mail that had not come yet."""

    async def play(self, steps: Sequence[Step]) -> None:
        """Each step at its time, whatever became of those before it; returns when all are through."""
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for step in steps:
                await asyncio.sleep(began + step.at - asyncio.get_running_loop().time())
                group.create_task(self._carry_out(step), name=step.id)

    async def _carry_out(self, step: Step) -> None:
        act: Callable[[Step], Awaitable[bool | None]] = getattr(self, f"_{step.verb}")
        who = str(step.about.get("who", ""))
        if who.startswith("l"):  # a reader does one thing after the other
            async with self._turns[who]:
                done = await act(step)
        else:
            done = await act(step)
        self.skipped += done is False

    async def _send(self, step: Step, data: dict[str, Any], right: frozenset[int] = YES) -> Sent:
        service, name = COMMANDS[step.verb]
        return await self._ask(step, (service, f"{name}.v1", data), right)

    async def _ask(self, step: Step, command: Command, right: frozenset[int], **more: Any) -> Sent:
        service, key, data = command
        sent = self._ledger.commands.setdefault(step.id, Sent(step.id, service, key, data, right, **more))
        await asyncio.gather(*(sender.send(sent) for sender in self._senders[: step.times]))
        return sent

    async def _page(self, method: str, url: str, data: Mapping[str, Any] | None = None) -> httpx.Response:
        """Again and again until there is an answer that is no fault of the service."""
        while True:
            try:
                answer = await self._http.request(method, url, data=dict(data) if data else None)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
            await asyncio.sleep(PAGE_PAUSE_SECONDS)

    async def _mail(self, email: str, wanted: Callable[[Mail], object]) -> Mail | None:
        deadline = asyncio.get_running_loop().time() + MAIL_SECONDS
        while not (found := [mail for mail in self._post.to(email) if wanted(mail)]):
            if asyncio.get_running_loop().time() > deadline:
                return None
            await asyncio.sleep(LOOK_SECONDS)
        return found[-1]

    def _learn(self, name: str, id: object) -> None:
        if not self._known[name].done():
            self._known[name].set_result(str(id) if id else None)

    def email(self, who: str) -> str:
        """An invented address; people of different runs do not meet, since each run has its own system."""
        return f"{who}@eksempel.example"

    async def _announce(self, step: Step) -> None:
        about = step.about
        data = {
            "title": f"Netværksmøde {about['event']} for alle",
            "starts_at": "2031-02-04T14:00:00",
            "ends_at": "2031-02-04T17:00:00",
            "place": {"name": "Kulturhuset Terrassen", "address": "Hasselvej 15, 8620 Kjellerup"},
            "online_url": "https://moede.example/netvaerk",
            "capacity_on_site": about["seats"],
            "capacity_online": about["online"],
        }
        sent = await self._send(step, data)
        self._learn(about["event"], sent.result.get("event_id"))

    async def _sign_up(self, step: Step) -> None:
        data = {**await self._wish(step), "event_id": await self._known[step.about["event"]]}
        sent = await self._send(step, data, ANY)
        self._learn(step.id, sent.result.get("signup_id"))

    async def _wish(self, step: Step) -> dict[str, Any]:
        who = step.about["who"]
        return {"name": f"Gæst {who}", "email": self.email(who), "attendance": step.about["attendance"]}

    async def _sign_up_form(self, step: Step) -> None:
        event, wish = await self._known[step.about["event"]], await self._wish(step)
        answer = await self._page("POST", f"{self._urls['events']}/arrangementer/{event}", wish)
        self._ledger.pages.append(Page("sign-up", {"event": str(event), "email": wish["email"]}, answer.status_code))
        self._learn(step.id, None)

    async def _cancel_signup(self, step: Step) -> bool:
        signup = await self._known[step.about["signup"]]
        if signup is None:
            return False
        await self._send(step, {"signup_id": signup})
        return True

    async def _cancel_link(self, step: Step) -> bool:
        title = f"Netværksmøde {step.about['event']} for alle"
        mail = await self._mail(self.email(step.about["who"]), lambda m: m.link("/afbud/") and title in m.text)
        if mail is None:
            return False
        link = mail.link("/afbud/")
        await self._page("GET", link)
        answer = await self._page("POST", link)
        told = (e.data["signup_id"] for e in self._ledger.events if e.data.get("cancel_url") == link)
        if signup := next(told, None):
            self._ledger.pages.append(Page("cancel", {"signup": signup}, answer.status_code))
        return True

    async def _cancel_event(self, step: Step) -> None:
        data = {"event_id": await self._known[step.about["event"]], "reason": "Oplægsholderen er syg."}
        await self._send(step, data)

    async def _register(self, step: Step) -> None:
        name = step.about["supplier"]
        if step.about["again"]:
            await self._known[name]
        data = {
            "cvr": step.about["cvr"],
            "name": f"Værksted {name}",
            "email": self.email(name),
            "municipality": "0791",
            "offerings": _offerings(step.about["codes"]),
        }
        sent = await self._send(step, data, ANY if step.about["again"] else YES)
        self._learn(name, sent.result.get("supplier_id"))

    async def _update(self, step: Step) -> None:
        data: dict[str, Any] = {"supplier_id": await self._known[step.about["supplier"]]}
        data["description"] = f"Ændret i {step.id}"
        if step.about["codes"]:
            data["offerings"] = _offerings(step.about["codes"])
        await self._send(step, data, ANY)

    async def _withdraw(self, step: Step) -> None:
        data = {"supplier_id": await self._known[step.about["supplier"]]}
        await self._send(step, data)

    async def _publish(self, step: Step) -> None:
        sent = await self._send(step, demand(step.id, step.about["codes"]))
        self._learn(step.about["demand"], sent.result.get("demand_id"))

    async def _close(self, step: Step) -> None:
        data = {"demand_id": await self._known[step.about["demand"]], "outcome": step.about["outcome"]}
        await self._send(step, data, ANY)

    async def _subscribe(self, step: Step) -> None:
        who, topics = step.about["who"], step.about["topics"]
        await self._send(step, {"email": self.email(who), "topics": topics})
        self._asked[who] |= set(topics)

    async def _subscribe_form(self, step: Step) -> None:
        who, topics = step.about["who"], step.about["topics"]
        form = {"email": self.email(who), "topics": topics}
        answer = await self._page("POST", f"{self._urls['notifications']}/nyhedsbrev", form)
        self._ledger.pages.append(Page("subscribe", {"email": self.email(who)}, answer.status_code))
        self._asked[who] |= set(topics)

    async def _confirm(self, step: Step) -> bool:
        email = self.email(step.about["who"])
        mail = await self._mail(email, lambda m: m.link("/bekraeft/"))
        if mail is None:
            return False
        await self._page("GET", mail.link("/bekraeft/"))
        answer = await self._page("POST", mail.link("/bekraeft/"))
        topics = " ".join(sorted(self._asked[step.about["who"]]))
        self._ledger.pages.append(Page("confirm", {"email": email, "topics": topics}, answer.status_code))
        return True

    async def _unsubscribe(self, step: Step) -> bool:
        email = self.email(step.about["who"])
        mail = await self._mail(email, lambda m: m.one_click and "newsletter" in str(m.message["List-Id"]))
        if mail is None:
            return False
        await self._page("GET", mail.one_click)
        answer = await self._page("POST", mail.one_click, {"List-Unsubscribe": "One-Click"})
        self._ledger.pages.append(Page("unsubscribe", {"email": email, "topic": "newsletter"}, answer.status_code))
        return True

    async def _campaign(self, step: Step) -> None:
        data = {"topic": "newsletter", "subject": step.about["subject"], "body": "# Hej\n\nVi ses **snart**."}
        await self._send(step, data)

    async def _wrong(self, step: Step) -> None:
        """Commands that are to be refused, with the status that their name ends in."""
        how: str = step.about["how"]
        nobody = "11111111-2222-5333-8444-555555555555"
        signup = {"event_id": nobody, "name": "Ingen", "email": "ingen@eksempel.example", "attendance": "on-site"}
        supplier: dict[str, Any] = {"name": "Ingen", "email": "ingen@eksempel.example", "municipality": "0791"}
        supplier["offerings"] = _offerings(["90910000"])
        command: Command = {
            "signup-404": ("events", "sign-up.v1", signup),
            "signup-422": ("events", "sign-up.v1", {**signup, "attendance": "sofa"}),
            "update-404": ("supplier", "update-supplier.v1", {"supplier_id": nobody, "name": "Ingen"}),
            "cancel-404": ("events", "cancel-signup.v1", {"signup_id": nobody}),
            "close-404": ("procurement", "close-demand.v1", {"demand_id": nobody}),
            "cvr-422": ("supplier", "register-supplier.v1", {**supplier, "cvr": "13585627"}),
            "field-422": ("supplier", "register-supplier.v1", {**supplier, "cvr": "13585628", "colour": "green"}),
            "past-422": ("procurement", "publish-demand.v1", {**demand(step.id, ["90910000"]), "deadline": PAST}),
            "type-404": ("supplier", "register-supplier.v9", supplier),
        }[how]
        status = int(re.sub(r"\D", "", how))
        await self._ask(step, command, frozenset({status}), buried=how == UNREADABLE)


PAST = "2021-03-01T12:00:00+01:00"
FUTURE = "2031-03-01T12:00:00+01:00"


def demand(title: str, codes: Sequence[str]) -> dict[str, Any]:
    """A public buyer's wish."""
    buyer = {"name": "Birkelund Kommune", "cvr": "24256790", "email": "indkob@eksempel.example", "municipality": "0791"}
    return {"title": f"Ønske {title}", "cpv": list(codes), "deadline": FUTURE, "buyer": buyer}


def _offerings(codes: Sequence[str]) -> list[dict[str, str]]:
    return [{"title": f"Ydelse {code}", "cpv": code} for code in codes]
