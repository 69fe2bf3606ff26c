"""What public buyers want, and until when suppliers are matched with it."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from services.procurement.domain.reach import Reach
from shared.contracts.aggregate import Aggregate
from shared.contracts.base import Event
from shared.contracts.person import ERASED_ADDRESS
from shared.contracts.problems import Conflict, Invalid, NotFound
from shared.contracts.procurement import BuyerState, DemandClosed, DemandPublished, PublishDemand

FARTHEST = timedelta(days=3653)
"""A deadline ten years away is a slip of the finger; the limit also keeps dates within what can be computed with."""

type Outcome = Literal["closed", "awarded", "unsuccessful", "cancelled"]
type Change = tuple["Demand", tuple[Event, ...]]
"""The demand after a change and what it tells; no events: nothing changed and nothing is to be saved."""


class Demand(Aggregate):
    """A demand. `codes` and `line` are what suppliers find it by: its CPV codes while it is sought for, empty after."""

    title: str
    cpv: tuple[str, ...]
    deadline: datetime
    buyer: BuyerState
    description: str
    state: Literal["published"] | Outcome = "published"
    published_at: datetime
    closed_at: datetime | None = None
    codes: tuple[str, ...]
    line: tuple[str, ...]

    def takes_matches(self, now: datetime) -> bool:
        """Whether suppliers are still matched: until it is closed or the deadline has come."""
        return self.state == "published" and now < self.deadline

    def run_out(self) -> "Demand":
        """Past its deadline, so no longer searched for; its state stays, since the buyer still tells the outcome."""
        return self.model_copy(update={"codes": (), "line": ()})

    def without_contact(self) -> "Demand":
        """The address of the buyer's contact was erased: nobody could be told of a match, so there are none."""
        buyer = self.buyer.model_copy(update={"email": ERASED_ADDRESS})
        return self.run_out().model_copy(update={"buyer": buyer})

    def close(self, outcome: Outcome, now: datetime) -> Change:
        """Take no more matches. The same outcome again changes nothing; OtherOutcome for another one."""
        if self.state == outcome:
            return self, ()
        if self.state != "published":
            raise OtherOutcome(self, outcome)
        closed = self.run_out().model_copy(update={"state": outcome, "closed_at": now})
        return closed, (DemandClosed(demand_id=self.id, title=self.title, outcome=outcome),)


class OtherOutcome(Conflict):
    """The demand was closed with another outcome: the first one stands."""

    def __init__(self, demand: Demand, asked: Outcome) -> None:
        super().__init__(
            f"demand {demand.id} was closed as {demand.state}, and the first outcome stands; it cannot become {asked}"
        )


class UnknownDemand(NotFound):
    """No demand ever had this id."""

    def __init__(self, demand_id: str) -> None:
        super().__init__(f"there is no demand {demand_id}; publish-demand answers with the id to use")


def publish(id: str, command: PublishDemand, now: datetime) -> tuple[Demand, DemandPublished]:
    """A new demand, as first written (version 1). Invalid where the deadline is past or beyond ten years."""
    if command.deadline <= now:
        raise Invalid.field("deadline", "is past: give a time to come, with its offset from UTC")
    if command.deadline > now + FARTHEST:
        raise Invalid.field("deadline", "is more than ten years away: check the year")
    reach = Reach.of(command.cpv)
    demand = Demand(
        id=id,
        version=1,
        title=command.title,
        cpv=tuple(dict.fromkeys(command.cpv)),
        deadline=_to_millisecond(command.deadline),
        buyer=BuyerState.model_validate(command.buyer.model_dump()),
        description=command.description,
        published_at=now,
        codes=reach.codes,
        line=reach.line,
    )
    return demand, DemandPublished(
        demand_id=id,
        title=demand.title,
        cpv=demand.cpv,
        deadline=demand.deadline,
        buyer=demand.buyer,
        description=demand.description,
    )


def _to_millisecond(time: datetime) -> datetime:
    # Stores keep no finer times; so the first event tells the same deadline as all that are made from the document.
    utc = time.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
