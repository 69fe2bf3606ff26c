"""Which faults strike when: seeded, so that the same seed gives the same schedule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from deploy.local.plan import discover

SERVICES = tuple(discover())
FIRST_SECONDS = 2.0
LAST_SECONDS = 2.0
"""Nothing begins so shortly before the end: the load goes on for a moment after the last fault."""
TOGETHER = 0.25
"""How often a service is killed besides, in the middle of another fault."""

ROOM = {"kill broker": 15.0, "restart broker": 15.0, "alarm": 11.0, "rolling": 9.0}
OTHER_ROOM = 7.0
"""Seconds from the beginning of a fault to that of the next: most have recovered by then."""

WEIGHTS = {
    "kill": 5.0,
    "restart": 2.0,
    "rolling": 1.0,
    "pause": 2.0,
    "kill broker": 1.0,
    "restart broker": 1.0,
    "alarm": 1.0,
    "cut": 2.0,
    "freeze": 1.5,
    "delay": 1.0,
    "smtp": 3.0,
    "lock": 2.5,
}
BLOWS = ("kill", "restart", "rolling", "kill broker", "restart broker")
"""Kinds that last no time of their own."""
TARGETS: dict[str, Sequence[str]] = {
    "rolling": ("services",),
    "kill broker": ("rabbitmq",),
    "restart broker": ("rabbitmq",),
    "alarm": ("memory", "disk"),
    "smtp": ("slow", "later", "vanishing", "down"),
}
"""Kind -> what it may strike; the other kinds strike a service."""


@dataclass(frozen=True)
class Fault:
    """`at` and `seconds` (how long it lasts; 0: a blow) in seconds; `target` a service, or how."""

    at: float
    kind: str
    target: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.target}" + (f" for {self.seconds:.1f} s" if self.seconds else "")


def schedule(seed: int, seconds: float) -> list[Fault]:
    """In order of time; the broker is killed at least once."""
    random = Random(seed + 7_000_003)
    kinds = [*_kinds(random, seconds)]
    if "kill broker" not in kinds:
        kinds[random.randrange(min(2, len(kinds)))] = "kill broker"
    return list(_placed(random, kinds, seconds))


def _kinds(random: Random, seconds: float) -> Iterator[str]:
    now = FIRST_SECONDS
    while now <= seconds - LAST_SECONDS:
        kind = random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        yield kind
        now += ROOM.get(kind, OTHER_ROOM)


def _placed(random: Random, kinds: Sequence[str], seconds: float) -> Iterator[Fault]:
    now = FIRST_SECONDS
    for kind in kinds:
        if now > seconds - LAST_SECONDS:
            return
        at = now + random.uniform(0, 1.0)
        lasts = 0.0 if kind in BLOWS else random.uniform(1.5, 6)
        yield Fault(round(at, 2), kind, random.choice(TARGETS.get(kind, SERVICES)), round(lasts, 2))
        if random.random() < TOGETHER:
            later = round(at + random.uniform(0.1, 2.0), 2)
            yield Fault(later, "kill", random.choice(SERVICES))
        now += ROOM.get(kind, OTHER_ROOM)
