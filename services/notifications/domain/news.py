"""New suppliers, until a newsletter has told of them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.contracts.aggregate import Aggregate
from shared.contracts.supplier import SupplierState


class News(BaseModel):
    """What a newsletter says of a supplier."""

    model_config = ConfigDict(frozen=True)

    name: str
    municipality: str
    offerings: tuple[str, ...]
    website: str | None = None

    @classmethod
    def of(cls, event: SupplierState) -> "News":
        """From the profile as it stands."""
        return cls(
            name=event.name,
            municipality=event.municipality,
            offerings=tuple(offering.title for offering in event.offerings),
            website=event.website,
        )


class NewsItem(Aggregate):
    """One supplier, told of once. `heard`: the version of the profile that was heard last; `since`: when it came.

    `known`: heard of, but its registration has not come yet. `gone` stays as a mark without content. So events that
    come late or in another order lead to the same.
    """

    state: Literal["known", "new", "used", "gone"] = "known"
    heard: int = 0
    since: datetime
    news: News | None = None
    used_by: str | None = None

    def registered(self, heard: int, news: News, at: datetime) -> "NewsItem":
        """In the portal, perhaps again: news only where no newsletter told of it before."""
        if self.is_gone_since(heard):
            return self
        item = self.refreshed(heard, news)
        return item if item.state == "used" else item.model_copy(update={"state": "new", "since": at})

    def refreshed(self, heard: int, news: News) -> "NewsItem":
        """The profile as it stands; what was told stays told."""
        if heard <= self.heard:
            return self
        state = "known" if self.state == "gone" else self.state
        return self.model_copy(update={"state": state, "heard": heard, "news": self.news if state == "used" else news})

    def withdrawn(self, heard: int) -> "NewsItem":
        """Out of the portal: not told of if it was not yet."""
        if heard <= self.heard:
            return self
        gone = {} if self.state == "used" else {"state": "gone", "news": None}
        return self.model_copy(update={"heard": heard, **gone})

    def is_gone_since(self, heard: int) -> bool:
        """Whether a withdrawal after this version was heard."""
        return self.state == "gone" and self.heard > heard

    def used(self, campaign_id: str) -> "NewsItem":
        """Taken into a newsletter; one version on, as `put` takes it."""
        return self.model_copy(update={"state": "used", "used_by": campaign_id, "version": self.version + 1})
