"""Ours against a baseline that does the same work in the same run, taken in turn; medians with spread."""

import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tests.bench.bench import Bench

type Side = Callable[[], Awaitable["Cost"]]
type Progress = Callable[[str], None]


@dataclass(frozen=True)
class Cost:
    """What so many operations took: seconds of CPU time of the processes measured, and of the clock on the wall."""

    operations: int
    cpu: float
    wall: float

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU time an operation."""
        return self.cpu / self.operations * 1e6

    @property
    def wall_us(self) -> float:
        """Microseconds on the wall an operation."""
        return self.wall / self.operations * 1e6


class Stopwatch:
    """Measures a block of this process."""

    def __enter__(self) -> Self:
        self._cpu, self._wall = cpu_seconds(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall = cpu_seconds() - self._cpu, time.perf_counter() - self._wall

    def cost(self, operations: int) -> Cost:
        """Of the block that has ended."""
        return Cost(operations, self.cpu, self.wall)


def cpu_seconds() -> float:
    """Of all threads of this process, in user and system mode."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class Figure:
    """One line of the result. `ratio` is the median of the rounds' ratios, `low` and `high` are the outermost ones.

    `goal` is what the ratio is to be: at most so much, or at least where `at_least`. None: told for comparison only.
    """

    name: str
    ours: float
    baseline: float
    unit: str
    ratio: float
    low: float
    high: float
    goal: float | None = None
    at_least: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached."""
        if self.goal is None:
            return None
        return self.ratio >= self.goal if self.at_least else self.ratio <= self.goal

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "reached": self.reached}

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        goal = "" if self.goal is None else f"  {sign} {self.goal:g}: {'reached' if self.reached else 'NOT reached'}"
        return (
            f"{self.name:34} {self.ours:10.1f} {self.baseline:10.1f} {self.unit:5}"
            f" {self.ratio:6.2f} ({self.low:.2f}–{self.high:.2f}){goal}"
        )


async def in_turn(sides: Mapping[str, Side], bench: "Bench") -> dict[str, list[Cost]]:
    """Each side so often, A B A B …, after one round that warms up and does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for number in range(bench.rounds + 1):
        for name, side in sides.items():
            cost = await side()
            bench.progress(f"{name}: {cost.cpu_us:.0f} µs CPU, {cost.wall_us:.0f} µs")
            if number:
                costs[name].append(cost)
    return costs


def compared(
    name: str, ours: list[Cost], baseline: list[Cost], *, goal: float | None = None, wall: bool = False
) -> Figure:
    """CPU time of ours against the baseline's, or the time on the wall, round by round."""
    mine = [cost.wall_us if wall else cost.cpu_us for cost in ours]
    other = [cost.wall_us if wall else cost.cpu_us for cost in baseline]
    ratios = [a / b for a, b in zip(mine, other, strict=True)]
    unit = "µs" if wall else "µs CPU"
    return Figure(name, median(mine), median(other), unit, median(ratios), min(ratios), max(ratios), goal)


def cpu_of(pids: Iterable[int]) -> float:
    """Seconds of CPU time that other processes have used so far (Linux; proc_pid_stat(5), fields 14 and 15)."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
