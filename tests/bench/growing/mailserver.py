"""A mail server that takes everything at once, as a process of its own; tells its port on stdout and keeps nothing.

python -m tests.bench.growing.mailserver
"""

import asyncio

from tests.notifications.sink import running_sink


async def main() -> None:
    """Until it is killed."""
    async with running_sink() as sink:
        print(sink.port, flush=True)
        while True:
            await asyncio.sleep(1)
            sink.received.clear()


if __name__ == "__main__":
    asyncio.run(main())
