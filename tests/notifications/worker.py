"""A process that sends mails, for tests to kill; its clock is so many seconds ahead.

`python -m tests.notifications.worker <store URL> <SMTP port> [<seconds>]`
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from services.notifications.campaigns import Campaigns
from services.notifications.sending.job import Surroundings, dispatcher
from services.notifications.store import REPOSITORIES
from shared.store.connect import connect
from shared.store.work import OWN_COLLECTIONS
from tests.notifications.rig import context, settings


async def main(store_url: str, port: str, ahead: str = "0") -> None:
    chosen = settings(smtp_url=SecretStr(f"smtp://127.0.0.1:{port}"), mail_lease_seconds=1)
    store, around = connect(store_url), context(chosen)
    await store.open([*(r.collection for r in REPOSITORIES), *OWN_COLLECTIONS])

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=int(ahead))

    surroundings = Surroundings(store, around, clock, lambda _: None, lambda _kind, _outcome: None, lambda _: None)
    print("ready", flush=True)
    await asyncio.gather(dispatcher(chosen, surroundings).run(), Campaigns(store, around, clock, lambda _: None).run())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
