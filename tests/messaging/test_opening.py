"""A store that a service must not begin on: it says why, and begins by itself once that is mended."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from shared.service import Service
from shared.store.backup import UNFINISHED, finish
from shared.store.connect import connect
from shared.store.port import Index
from shared.store.repository import Repository
from shared.store.work import INBOX
from tests.messaging import probe
from tests.support.running import running, until

type Start = Callable[..., AbstractAsyncContextManager[Service]]


async def test_a_restore_that_broke_off(start: Start, tmp_path: Path):
    store = connect(f"sqlite:///{tmp_path / 'probe'}.db")
    await store.open([INBOX])
    await store.write_file(UNFINISHED, b"", {})
    async with start(ready=False) as service:

        async def reasons() -> list[str]:
            return service.reasons()

        await until(reasons, lambda found: "not finished" in str(found))
        await finish(store)
        await until(reasons, lambda found: not found)
    await store.close()


async def test_documents_that_break_an_index_of_the_new_version(start: Start, tmp_path: Path, broker: Any):
    """The new version says so; the old one goes on."""
    unique = Repository("counters", probe.Counter, indexes=(Index(("total",), unique=True),))
    async with start() as old:
        for name in "ab":
            await old.store.insert(probe.COUNTERS.collection, {"_id": name, "version": 1, "total": 7})
        strict = running(probe, [unique, probe.SEEN], tmp_path, broker.url("operator"), ready=False)
        async with strict as new:

            async def why() -> list[str]:
                return new.reasons()

            await until(why, lambda found: "is to be unique, but documents there share a value" in str(found))
            assert old.reasons() == []
            await old.store.update(probe.COUNTERS.collection, {"_id": "b"}, set={"total": 8})
            await until(why, lambda found: not found)
