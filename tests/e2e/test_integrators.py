"""The programs that README and docs/integrators.md show, on the address that `up` writes down."""

import asyncio
import json

from tests.support.embedded import Embedded
from tests.support.integrator import check_aio_pika_program, check_pika_program


async def test_the_programs_for_integrators_run(system: Embedded):
    url = json.loads(system.system.home.endpoints.read_text(encoding="utf-8"))["amqp"]
    await asyncio.gather(asyncio.to_thread(check_pika_program, url), asyncio.to_thread(check_aio_pika_program, url))
