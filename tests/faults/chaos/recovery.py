"""How long until all is well again: after each fault, a command to every service is answered and its event is seen."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import Any

from tests.faults.ledger import OK, Ledger, Sent
from tests.faults.playing import demand
from tests.faults.sending import Sender

LOOK_SECONDS = 0.02
LIMIT_SECONDS = 15.0
"""What is promised after a broker was killed."""
ROOM_FOR_ALL = 5_000
UNWANTED = "03000000"
"""A CPV division that no supplier of the load offers: probes lead to no matches."""


type Well = dict[str, tuple[float, float]]
"""Service -> seconds until the probe was answered, and until its event was seen."""


class Probes:
    """Commands that have one event each; they stand in the ledger like all others."""

    def __init__(self, ledger: Ledger, sender: Sender) -> None:
        self._ledger, self._sender = ledger, sender
        self._numbers = itertools.count(1)
        self._supplier = self._event = ""

    async def prepare(self) -> None:
        """Before the first fault: a supplier and a network event that probes can be about."""
        supplier = {
            "cvr": "13585628",
            "name": "Prøveværkstedet",
            "email": "proeve@eksempel.example",
            "municipality": "0791",
            "offerings": [{"title": "Prøver"}],
        }
        event = {
            "title": "Prøvemøde",
            "starts_at": "2031-02-04T14:00:00",
            "ends_at": "2031-02-04T17:00:00",
            "online_url": "https://moede.example/proeve",
            "capacity_online": ROOM_FOR_ALL,
        }
        registered = await self._send("supplier", "register-supplier", supplier)
        announced = await self._send("events", "announce-event", event)
        self._supplier, self._event = registered.result["supplier_id"], announced.result["event_id"]

    async def well(self) -> Well:
        """Return when every service has answered a new command and told of it; how long each of these took."""
        number = next(self._numbers)
        email = f"proeve{number}@eksempel.example"
        update = {"supplier_id": self._supplier, "description": f"Prøve {number}"}
        # To nobody: a mail would wait behind all that the fault has held up.
        campaign = {"topic": "portal", "subject": f"Prøve {number}", "body": "Prøve"}
        signup = {"event_id": self._event, "name": "Prøve", "email": email, "attendance": "online"}
        found = await asyncio.gather(
            self._seen("supplier", "update-supplier", update),
            self._seen("events", "sign-up", signup),
            self._seen("procurement", "publish-demand", demand(f"prøve {number}", [UNWANTED])),
            self._seen("notifications", "send-campaign", campaign, "campaign_id"),
        )
        return dict(found)

    async def _seen(
        self, service: str, name: str, data: dict[str, Any], about: str = ""
    ) -> tuple[str, tuple[float, float]]:
        """`about`: the result's id, where the event names that and not the command."""
        clock = asyncio.get_running_loop().time
        began = clock()
        sent = await self._send(service, name, data)
        answered = clock()
        while (sent.result[about] if about else sent.id) not in self._ledger.heard:
            await asyncio.sleep(LOOK_SECONDS)
        return service, (round(answered - began, 2), round(clock() - began, 2))

    async def _send(self, service: str, name: str, data: dict[str, Any]) -> Sent:
        sent = Sent(f"probe-{service}-{next(self._numbers)}", service, f"{name}.v1", data, frozenset({OK}))
        await self._sender.send(sent)
        return sent


class Recoveries:
    """Measures after each fault, from its end. One that the next fault overtakes within LIMIT_SECONDS is measured from
    the end of that one; one that is not over by then counts as long as it took until then.
    """

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        self._measuring: set[asyncio.Task[None]] = set()
        self._kinds: set[str] = set()
        self._struck = self._lasting = 0
        self._since = 0.0
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.all: list[dict[str, Any]] = []
        """Each recovery: after what, how long, and how long for each service."""

    def began(self, kind: str) -> None:
        """A fault begins: what was measured until now is no longer what it looks like."""
        if self._kinds and not self._lasting and (waited := self._clock() - self._since) > LIMIT_SECONDS:
            self._note(waited)
        self._struck += 1
        self._lasting += 1
        self._kinds.add(kind)

    def ended(self) -> None:
        """A fault is over."""
        self._lasting -= 1
        if self._lasting == 0:
            self._since = self._clock()
            self._measuring.add(asyncio.create_task(self._measure(self._struck), name="recovery"))

    async def done(self) -> None:
        """Return when every fault is recovered from, and every probe answered."""
        while self._lasting:
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.gather(*self._measuring)

    async def _measure(self, struck: int) -> None:
        services = await self._probes.well()
        if struck == self._struck:
            self._note(self._clock() - self._since, services)

    def _note(self, seconds: float, services: Well | None = None) -> None:
        self.all.append({"after": sorted(self._kinds), "seconds": round(seconds, 2), "services": services})
        for kind in self._kinds:
            self.seconds[kind].append(round(seconds, 2))
        self._kinds = set()

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()


def figures(seconds: Iterable[float]) -> dict[str, float | None]:
    """The median and the longest; None where nothing was measured."""
    found = sorted(seconds)
    return {"p50": round(median(found), 2), "max": found[-1]} if found else {"p50": None, "max": None}
