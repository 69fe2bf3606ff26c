"""Runs within a copy of the repository: broker, supplier and a fifth service; prints what the fifth came to know.

python -m tests.skeleton.beside_supplier <service> <directory of the system>
"""

import asyncio
import importlib
import json
import sys
from pathlib import Path

from deploy.local.home import Home
from deploy.local.system import System
from shared.contracts.base import Reply
from shared.contracts.examples import example
from shared.contracts.supplier import RegisterSupplier
from shared.messaging.client import Client
from shared.store.connect import connect
from tests.support.running import until


async def play(system: System, name: str) -> dict[str, object]:
    """A supplier registers with the one service, is noted by the other, and stands in its store."""
    contracts = importlib.import_module(f"services.{name}.contracts")
    store = importlib.import_module(f"services.{name}.store")
    async with Client(system.amqp_url("integrator")) as client:
        registered = (await client.send(example(RegisterSupplier))).result or {}
        note = contracts.NoteSupplier(supplier_id=registered["supplier_id"], text="Egne redskaber")

        async def noted() -> Reply:
            return await client.send(note)

        reply = await until(noted, lambda found: found.ok)  # 404 until the event has come
    own = connect(system.endpoints()["store"][name])
    await own.open([repository.collection for repository in store.REPOSITORIES])
    copy = await own.get(store.SUPPLIERS.collection, registered["supplier_id"])
    await own.close()
    return {"reply": reply.model_dump(mode="json"), "copy": copy}


def main(name: str, folder: Path) -> None:
    """Start, play, print, stop."""
    no_mail_sink = {"NOTIFICATIONS_SMTP_URL": "smtp://127.0.0.1:1"}
    with System(Home(folder), services=["supplier", name], environment=no_mail_sink) as system:
        system.wait_ready()
        print(json.dumps(asyncio.run(play(system, name)), default=str))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
