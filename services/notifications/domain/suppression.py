"""Addresses that take no mail at all, whatever they subscribe to."""

from datetime import datetime
from typing import Literal

from shared.contracts.aggregate import Aggregate


class Suppression(Aggregate):
    """An address (by its id: the address itself is not kept) that was found dead or that complained."""

    reason: Literal["hard-bounce", "complaint"]
    detail: str
    at: datetime
