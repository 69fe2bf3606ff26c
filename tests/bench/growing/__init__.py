"""What one thing costs where there are few and where there are many: a module for each kind of thing.

The stores of all sizes are filled first; then the sizes are measured in turn, a little at a time, since the machine
drifts.
"""

from collections.abc import Mapping
from dataclasses import replace

from tests.bench.bench import Bench
from tests.bench.measuring import Cost, Figure, Side, compared, in_turn

MOST = 1.2


type Taken = dict[int, list[Cost]]
"""Size -> what each round cost."""


async def grown(name: str, sides: Mapping[int, Side], bench: Bench, *, often: int = 1) -> list[Figure]:
    """Each size against the smallest; the rounds are `often` times as many as asked for."""
    return against_smallest(name, await taken(name, sides, replace(bench, rounds=bench.rounds * often)))


async def taken(name: str, sides: Mapping[int, Side], bench: Bench) -> Taken:
    """The sizes in turn."""
    costs = await in_turn({f"{name}, {size:,}": side for size, side in sides.items()}, bench)
    return dict(zip(sides, costs.values(), strict=True))


def against_smallest(name: str, costs: Taken, goal: float | None = MOST) -> list[Figure]:
    """CPU time and time on the wall of each larger size."""
    smallest, *others = costs
    return [
        compared(f"{name}, {n:,} : {smallest:,}{kind}", costs[n], costs[smallest], goal=goal, wall=wall)
        for n in others
        for wall, kind in ((False, ""), (True, ", wall"))
    ]


def together(*parts: Taken) -> Taken:
    """What one costs that goes through all parts, round by round."""
    return {
        size: [
            Cost(1, sum(c.cpu / c.operations for c in each), sum(c.wall / c.operations for c in each))
            for each in zip(*(part[size] for part in parts), strict=True)
        ]
        for size in parts[0]
    }
