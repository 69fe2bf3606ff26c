"""The demo's story on a system of its own, and all that was said in it: what several tests look at afterwards."""

from dataclasses import dataclass, field

from deploy.local.demo import addresses_of, staged
from deploy.local.demo.story import SCENES
from shared.contracts.base import Envelope, Reply
from tests.support.embedded import SERVICES, Embedded

SETTINGS = {
    **{f"{name.upper()}_LOG_LEVEL": "debug" for name in SERVICES},
    **{f"{name.upper()}_TRUSTED_PROXIES": "127.0.0.0/8" for name in SERVICES},
    "NOTIFICATIONS_RETRY_DELAYS": "0.05,0.1",
}
"""It tells all that it can tell."""


@dataclass(frozen=True)
class Sent:
    """A command as it was sent, and its reply."""

    service: str
    key: str
    body: bytes
    id: str
    reply: Reply


@dataclass
class Played:
    """The system after the story, and all that was said in it."""

    system: Embedded
    commands: list[Sent] = field(default_factory=list)
    events: list[Envelope] = field(default_factory=list)

    async def play(self) -> None:
        async with staged(addresses_of(self.system.system)) as stage:
            send = stage.client.send_body

            async def noted(service: str, key: str, body: bytes, id: str) -> Reply:
                reply = await send(service, key, body, id)
                self.commands.append(Sent(service, key, body, id, reply))
                return reply

            stage.client.send_body = noted  # type: ignore[assignment, method-assign]
            for scene in SCENES:
                await scene(stage)
            assert [check for check in stage.checks if not check.ok] == []
            await self.system.settled()
            self.events += {event.id: event for event in stage.events}.values()
