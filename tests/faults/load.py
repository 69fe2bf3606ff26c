"""A mixed load: every command of the four services, and what people do on the pages; seeded, so the same again.

`plan` says what happens when, as plain data; who it is about is named (`e3`: the fourth event, `s7`: the eighth
supplier), since ids are known only when a service has answered. tests/faults/playing.py carries it out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from stdnum.dk import cvr

PER_SECOND = 14.0
OPENING_SECONDS = 1.5
TWICE = 0.12
"""How often a command is sent twice on purpose, at the same moment, with the same id."""

CODES = ("90910000", "90919200", "90919000", "55510000", "55500000", "39100000", "79800000", "77310000", "98310000")
WISHES: Mapping[str, float] = {
    "sign_up": 30,
    "sign_up_form": 7,
    "cancel_signup": 8,
    "cancel_link": 4,
    "announce": 2.5,
    "cancel_event": 1,
    "register": 5,
    "update": 9,
    "withdraw": 2.5,
    "publish": 5,
    "close": 3,
    "subscribe": 6,
    "subscribe_form": 4,
    "confirm": 9,
    "unsubscribe": 3,
    "campaign": 1.2,
    "wrong": 6,
}
COMMANDS: Mapping[str, tuple[str, str]] = {
    "announce": ("events", "announce-event"),
    "sign_up": ("events", "sign-up"),
    "cancel_signup": ("events", "cancel-signup"),
    "cancel_event": ("events", "cancel-event"),
    "register": ("supplier", "register-supplier"),
    "update": ("supplier", "update-supplier"),
    "withdraw": ("supplier", "withdraw-supplier"),
    "publish": ("procurement", "publish-demand"),
    "close": ("procurement", "close-demand"),
    "subscribe": ("notifications", "subscribe"),
    "campaign": ("notifications", "send-campaign"),
}
"""What is sent -> to which service; the other wishes are of people on pages. Erasure and access leave nothing of
themselves behind by which they could be held to one effect and one answer: they have tests of their own."""

MOST: Mapping[str, int] = {"announce": 10, "campaign": 6, "register": 40}
"""What there are no more of in a run, since mails grow with them: an announcement goes to every subscriber."""

WRONG = ("signup-404", "signup-422", "update-404", "cancel-404", "close-404", "cvr-422", "field-422", "past-422")
"""Commands that are to be refused, and with which status."""
UNREADABLE = "type-404"
"""One that is laid aside besides."""


@dataclass(frozen=True)
class Step:
    """What happens at a moment (seconds from the start). `times`: how often it is sent at once."""

    at: float
    id: str
    verb: str
    about: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1


def plan(seed: int, seconds: float, rate: float = PER_SECOND) -> list[Step]:
    """All steps in order of time: first what others need, then a mixture."""
    return list(_Plan(seed, seconds, rate).steps())


class _Plan:
    """Knows what there is by now, so that most of what follows makes sense."""

    def __init__(self, seed: int, seconds: float, rate: float) -> None:
        self._random = Random(seed)
        self._seed, self._seconds, self._rate = seed, seconds, rate
        self._made: dict[str, int] = {}
        self._number = 0
        self._numbers = _cvr_numbers(Random(seed + 1_000_003))
        self._suppliers: list[str] = []
        self._withdrawn: set[str] = set()
        self._events: list[str] = []
        self._demands: list[str] = []
        self._subscribed: list[str] = []
        self._confirmed: list[str] = []
        self._cvr: dict[str, str] = {}
        self._left: set[str] = set()
        self._signups: list[tuple[str, Mapping[str, Any]]] = []

    def steps(self) -> Iterator[Step]:
        """The opening, then as the dice fall."""
        opening = ["announce", "register", "subscribe", "publish", "announce", "register", "subscribe", "register"]
        opening += ["subscribe"] * 4 + ["confirm"] * 4
        for number, verb in enumerate(opening):
            yield from self._step(verb, OPENING_SECONDS * number / len(opening))
        now = OPENING_SECONDS
        while now < self._seconds:
            verb = self._random.choices(list(WISHES), list(WISHES.values()))[0]
            if self._made.get(verb, 0) < MOST.get(verb, 1_000_000):
                yield from self._step(verb, now)
            now += self._random.expovariate(self._rate)

    def _step(self, verb: str, at: float) -> Iterator[Step]:
        about = getattr(self, f"_{verb}")()
        if about is None:
            return
        self._number += 1
        self._made[verb] = self._made.get(verb, 0) + 1
        name = f"{self._seed}-{self._number}-{verb}"
        if verb.startswith("sign_up"):
            self._signups.append((name, about))
        times = 1 if self._random.random() >= TWICE else self._random.choice((2, 2, 3))
        yield Step(round(at, 3), name, verb, about, times)

    def _sign_up(self) -> dict[str, Any] | None:
        return {"event": self._one(self._events), "who": self._person(), "attendance": self._attendance()}

    _sign_up_form = _sign_up

    def _cancel_signup(self) -> dict[str, Any] | None:
        if not self._signups:
            return None
        signup, about = self._random.choice(self._signups)
        return {"signup": signup, **about}

    def _cancel_link(self) -> dict[str, Any] | None:
        return self._cancel_signup()

    def _announce(self) -> dict[str, Any]:
        self._events.append(f"e{len(self._events)}")
        return {"event": self._events[-1], "seats": self._random.randint(2, 25), "online": self._random.randint(1, 8)}

    def _cancel_event(self) -> dict[str, Any] | None:
        # The first two events go on to the end, so that there is always one to sign up for.
        return {"event": self._one(self._events[2:])} if len(self._events) > 2 else None

    def _register(self) -> dict[str, Any]:
        again = self._withdrawn and self._random.random() < 0.4
        if self._suppliers and (again or self._random.random() < 0.15):
            name = self._one(sorted(self._withdrawn) if again else self._suppliers)
            return {"supplier": name, "cvr": self._cvr[name], "codes": self._codes(), "again": True}
        name = f"s{len(self._suppliers)}"
        self._suppliers.append(name)
        self._cvr[name] = next(self._numbers)
        return {"supplier": name, "cvr": self._cvr[name], "codes": self._codes(), "again": False}

    def _update(self) -> dict[str, Any]:
        codes = self._codes() if self._random.random() < 0.3 else None
        return {"supplier": self._one(self._suppliers), "codes": codes}

    def _withdraw(self) -> dict[str, Any]:
        name = self._one(self._suppliers)
        self._withdrawn.add(name)
        return {"supplier": name}

    def _publish(self) -> dict[str, Any]:
        self._demands.append(f"d{len(self._demands)}")
        return {"demand": self._demands[-1], "codes": self._codes()}

    def _close(self) -> dict[str, Any] | None:
        outcome = self._random.choice(("closed", "awarded", "unsuccessful", "cancelled"))
        return {"demand": self._one(self._demands), "outcome": outcome} if self._demands else None

    def _subscribe(self) -> dict[str, Any]:
        staying = [who for who in self._subscribed if who not in self._left]  # who left does not come back
        who = f"l{len(self._subscribed)}" if not staying or self._random.random() < 0.8 else self._one(staying)
        if who not in self._subscribed:
            self._subscribed.append(who)
        topics = ["newsletter"] + (["network-events"] if self._random.random() < 0.4 else [])
        return {"who": who, "topics": topics}

    _subscribe_form = _subscribe

    def _confirm(self) -> dict[str, Any] | None:
        if not self._subscribed:
            return None
        who = self._one(self._subscribed)
        if who not in self._confirmed:
            self._confirmed.append(who)
        return {"who": who}

    def _unsubscribe(self) -> dict[str, Any] | None:
        staying = [who for who in self._confirmed if who not in self._left]
        if not self._made.get("campaign") or not staying:
            return None
        self._left.add(who := self._one(staying))
        return {"who": who}

    def _campaign(self) -> dict[str, Any]:
        return {"subject": f"Nyt nummer {self._made.get('campaign', 0) + 1}"}

    def _wrong(self) -> dict[str, Any]:
        return {"how": self._random.choice((*WRONG, UNREADABLE))}

    def _one(self, names: Sequence[str]) -> str:
        return self._random.choice(names)

    def _person(self) -> str:
        return f"p{self._random.randrange(60)}"

    def _attendance(self) -> str:
        return self._random.choice(("on-site", "on-site", "on-site", "online"))

    def _codes(self) -> list[str]:
        return self._random.sample(CODES, self._random.randint(1, 2))


def _cvr_numbers(random: Random) -> Iterator[str]:
    seen: set[str] = set()
    while True:
        number = str(random.randrange(10_000_000, 99_999_999))
        if cvr.is_valid(number) and number not in seen:
            seen.add(number)
            yield number
