"""The promises that a run under faults is held to. Each rule reads the ledger and yields what breaks it.

replies.py      every command one answer, and the right one
effects.py      every command answered `ok` has its effect once, a refused one none
facts.py        everything in the stores was told once; nothing was told that is not there
suppliers.py    one profile a CVR number; what others know of it is what it is
seats.py        capacity, the order of the waiting list, one sign-up for each person
matching.py     every pair that fits is matched once
subscribers.py  one subscriber an address; topics as they were confirmed and given up
mails.py        every mail that is due went out once
leftovers.py    nothing is left to tell, to send, to handle
"""

from collections.abc import Callable, Iterator

from tests.faults.ledger import Finding, Ledger
from tests.faults.rules import effects, facts, leftovers, mails, matching, replies, seats, subscribers, suppliers

RULES: tuple[Callable[[Ledger], Iterator[Finding]], ...] = (
    replies.one_reply,
    effects.one_effect,
    facts.told_once,
    suppliers.one_profile,
    suppliers.same_everywhere,
    seats.seats_add_up,
    seats.one_signup,
    matching.pairs_matched,
    subscribers.one_subscriber,
    subscribers.topics_as_wanted,
    mails.every_mail_due,
    mails.every_mail_once,
    mails.campaigns_reach_all,
    leftovers.nothing_left,
    leftovers.innocent_alive,
)
