"""Network events, their sign-ups and waiting lists: the rules, pure.

times.py          from local wall time to an instant
refusals.py       what a command can run into
signup.py         one person's sign-up
network_event.py  the event: its seats, who gets one, who moves up
announcing.py     what a new event must fulfil
telling.py        the events that others hear
"""

from services.events.domain.announcing import announce
from services.events.domain.network_event import NetworkEvent, Seats
from services.events.domain.signup import ACTIVE, Signup

__all__ = ["ACTIVE", "NetworkEvent", "Seats", "Signup", "announce"]
