"""MongoDB's wire protocol from PyPI's mongoeco, in memory: for small data in tests, never for people.

Run as a program: prints its port, and ends when its standard input does, so that it never outlives the tests.
"""

import asyncio
import sys

from mongoeco.engines import MemoryEngine
from mongoeco.wire import AsyncMongoEcoProxyServer


async def main() -> None:
    async with AsyncMongoEcoProxyServer(engine=MemoryEngine(), host="127.0.0.1") as server:
        print(server.address.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
