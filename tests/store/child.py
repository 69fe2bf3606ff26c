"""A process that a test kills or runs beside its own: `insert <url>` or `count <url> <how many>`."""

import asyncio
import itertools
import sys

from shared.store.connect import connect
from tests.store.data import THINGS, thing


async def insert(url: str) -> None:
    """Insert for ever, eight at once, and print each id once it is acknowledged."""
    store = connect(url)
    await store.open([THINGS])
    numbers = itertools.count()

    async def write() -> None:
        for number in numbers:
            await store.insert(THINGS, thing(f"{number}", email=f"{number}"))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()

    await asyncio.gather(*(write() for _ in range(8)))


async def count(url: str, times: int) -> None:
    """Increment one number."""
    store = connect(url)
    await store.open([THINGS])
    for _ in range(times):
        await store.update(THINGS, {"_id": "counter"}, increment={"n": 1})
    await store.close()


if __name__ == "__main__":
    asyncio.run(insert(sys.argv[2]) if sys.argv[1] == "insert" else count(sys.argv[2], int(sys.argv[3])))
