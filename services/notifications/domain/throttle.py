"""How fast mails may go out: a token bucket for the sending address, shared by all workers and kept across restarts."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.contracts.aggregate import Aggregate

SHORTEST_REST = timedelta(seconds=5)
LONGEST_REST = timedelta(minutes=10)


class Pace(BaseModel):
    """Mails a second on average (0: as fast as the server takes them) and at once."""

    model_config = ConfigDict(frozen=True)

    rate: float = 0
    burst: int = 50


class Throttle(Aggregate):
    """Tokens left at a time; a rest that the mail server asked for, longer each time that it asks again."""

    tokens: float
    at: datetime
    rests_until: datetime | None = None
    strikes: int = 0

    @classmethod
    def full(cls, id: str, pace: Pace, now: datetime) -> "Throttle":
        """Nothing sent yet."""
        return cls(id=id, tokens=pace.burst, at=now)

    def rests(self, now: datetime) -> bool:
        """Whether the server asked for a rest that is not over."""
        return self.rests_until is not None and now < self.rests_until

    def room(self, wanted: int, pace: Pace, now: datetime) -> int:
        """How many campaign mails may go now."""
        return wanted if pace.rate == 0 else max(0, min(wanted, int(self._refilled(pace, now))))

    def used(self, mails: int, pace: Pace, now: datetime) -> "Throttle":
        """So many go out. Transactional mails do not wait: they may leave a debt that campaigns pay back."""
        tokens = max(self._refilled(pace, now) - mails, -float(pace.burst))
        return self._next(tokens=tokens, at=max(now, self.at))

    def struck(self, now: datetime) -> "Throttle":
        """The server said that it is too much (421, 432, 452)."""
        rest = min(SHORTEST_REST * 2.0 ** min(self.strikes, 10), LONGEST_REST)
        return self._next(rests_until=now + rest, strikes=self.strikes + 1)

    def recovered(self) -> "Throttle":
        """The server takes mails again."""
        return self._next(rests_until=None, strikes=0)

    def _refilled(self, pace: Pace, now: datetime) -> float:
        seconds = max(0.0, (now - self.at).total_seconds())  # another worker's clock may be ahead
        return min(float(pace.burst), self.tokens + seconds * pace.rate)

    def _next(self, **changes: Any) -> "Throttle":
        return self.model_copy(update={"version": self.version + 1, **changes})
