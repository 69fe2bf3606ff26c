"""MongoDB's wire protocol from PyPI's mongoeco, in memory: for small data in tests, never for people.

Run as a program: prints its port, and ends when its standard input does, so that it never outlives the tests.
`[<port> <file>]`: on that port, and what was written stands in the file for the next one.
"""

import asyncio
import sys

from mongoeco.engines import MemoryEngine, SQLiteEngine
from mongoeco.wire import AsyncMongoEcoProxyServer


async def main(port: str = "0", file: str = "") -> None:
    engine = SQLiteEngine(path=file) if file else MemoryEngine()
    async with AsyncMongoEcoProxyServer(engine=engine, host="127.0.0.1", port=int(port)) as server:
        print(server.address.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
