"""Lets others go first, where a message may be what killed its consumer.

When a process dies, all that it had in hand comes back, and counts as delivered once more: the message that killed it
and the innocent ones beside it. They would come to the delivery limit together. So whoever was delivered several times
waits for a moment that chance decides: each time that the process dies some of the innocent had their turn before. It
waits in its turn (`Executor.run`), so that messages of one key keep their order.
"""

import random
from collections.abc import Mapping
from typing import Any

DELIVERIES = 2
"""So many without an answer are nothing yet: a process was stopped, a connection broke."""

SECONDS = 1.0


def pause_of(headers: Mapping[str, Any]) -> float:
    """Up to a second, if the broker has brought this message several times and never got an answer."""
    count = headers.get("x-delivery-count", 0)
    return random.uniform(0, SECONDS) if isinstance(count, int) and count >= DELIVERIES else 0.0  # noqa: S311 - no secret
