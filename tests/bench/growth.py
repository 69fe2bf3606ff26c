"""`growth`: what one thing costs as there are more of them, against itself at the smallest size."""

from tests.bench.bench import Bench
from tests.bench.growing import mails, matches, relaying, signups, starting
from tests.bench.measuring import Figure

KINDS = (signups, matches, mails, relaying, starting)


async def measure(bench: Bench) -> list[Figure]:
    """All kinds, one after another."""
    figures: list[Figure] = []
    for kind in KINDS:
        figures += await kind.measure(bench)
    return figures
