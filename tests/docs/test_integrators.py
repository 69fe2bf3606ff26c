"""What docs/integrators.md tells is so: its programs run, its tables name what there is."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from deploy.rabbitmq.definitions import topologies
from services.events.app import create as create_events
from services.events.settings import Settings as EventsSettings
from services.supplier.app import create as create_supplier
from services.supplier.settings import Settings as SupplierSettings
from shared.contracts.base import Envelope
from shared.contracts.problems import Conflict, Forbidden, Invalid, NotFound
from shared.messaging.dispatch import BODY_BYTES, Unknown, Unreadable
from shared.messaging.topology import RETRY_DELAYS
from tests.support.integrator import GUIDE, ROOT, check_aio_pika_program, check_pika_program, program

TEXT = GUIDE.read_text(encoding="utf-8")


@pytest.fixture
async def amqp_url(broker: Any, tmp_path: Path) -> AsyncIterator[str]:
    """An integrator's address on a broker with the supplier and the events service."""
    common: dict[str, Any] = {"log_level": "warning"}
    supplier = SupplierSettings(
        amqp_url=broker.url("supplier"), store_url=f"sqlite:///{tmp_path}/supplier.db", **common
    )
    events = EventsSettings(
        amqp_url=broker.url("events"), store_url=f"sqlite:///{tmp_path}/events.db", link_keys=f"k:{'s' * 32}", **common
    )
    async with AsyncExitStack() as stack:
        for app in (create_supplier(supplier), create_events(events)):
            await stack.enter_async_context(app.router.lifespan_context(app))
        yield broker.url("integrator")
    await _empty_queues(broker.url("operator"))


async def _empty_queues(url: str) -> None:
    """The consumers that do not run here must not find these events in another test."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for name in (f"{t.service}.from.{publisher}" for t in topologies() for publisher in t.consumes):
            await (await channel.get_queue(name, ensure=False)).purge()


async def test_the_programs_run(amqp_url: str):
    await asyncio.to_thread(check_pika_program, amqp_url)
    await asyncio.to_thread(check_aio_pika_program, amqp_url)


def test_the_readme_shows_the_program_that_runs():
    assert program("pika", ROOT / "README.md") == program("pika")


@pytest.mark.parametrize(("name", "lines"), [("pika", 30), ("aio-pika", 40)])
def test_a_program_is_short(name: str, lines: int):
    code = program(name)
    compile(code, name, "exec")
    assert len(code.splitlines()) <= lines


@pytest.mark.parametrize("refusal", [Invalid, NotFound, Conflict, Forbidden, Unknown, Unreadable])
def test_every_problem_is_told(refusal: type[Any]):
    assert f"| `{refusal.slug}` | {refusal.status} |" in TEXT


def test_every_attribute_of_the_envelope_is_told():
    for attribute in set(Envelope.model_fields) - {"datacontenttype"}:
        assert f"| `{attribute}` |" in TEXT, attribute


def test_limits_are_told():
    assert f"at most {BODY_BYTES // 1024} KiB" in TEXT
    assert f"about {round(sum(RETRY_DELAYS) / 60)} minutes" in TEXT


def test_its_own_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", TEXT):
        assert (GUIDE.parent / target).exists(), target
