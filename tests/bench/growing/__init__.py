"""What one thing costs where there are few and where there are many: a module for each kind of thing.

The stores of all sizes are filled first; then the sizes are measured in turn, a little at a time, since the machine
drifts.
"""

from collections.abc import Mapping
from dataclasses import replace

from tests.bench.bench import Bench
from tests.bench.measuring import Figure, Side, compared, in_turn

MOST = 1.2


async def grown(name: str, sides: Mapping[int, Side], bench: Bench, *, often: int = 1) -> list[Figure]:
    """Each size against the smallest; the rounds are `often` times as many as asked for."""
    costs = await in_turn(
        {f"{name}, {size:,}": side for size, side in sides.items()}, replace(bench, rounds=bench.rounds * often)
    )
    smallest, *others = sides
    base = costs[f"{name}, {smallest:,}"]
    return [
        compared(f"{name}, {size:,} : {smallest:,}{kind}", costs[f"{name}, {size:,}"], base, goal=MOST, wall=wall)
        for size in others
        for wall, kind in ((False, ""), (True, ", wall"))
    ]
