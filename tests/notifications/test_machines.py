"""A subscriber and a delivery through any order of what can happen to them: what must never come true."""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.notifications.domain import OPEN, TOPICS, Letter, Patience, Subscriber, delivery
from services.notifications.domain.delivery import Lane
from shared.contracts.notifications import (
    MailFailed,
    MailSent,
    Subscribe,
    SubscriberUnsubscribed,
    SubscriptionConfirmed,
)
from shared.contracts.types import Topic

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
MAIL_PAUSE, LINK_LIVES = timedelta(hours=24), timedelta(days=7)
topics = st.sets(st.sampled_from(TOPICS[:3]), min_size=1)


class Subscribing(RuleBasedStateMachine):
    """Anybody may ask for an address; only who reads its mail can press the button of the link."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.subscriber = Subscriber.unknown("s", Subscribe(email="asta@forening.example", topics=("newsletter",)))
        self.mailed: list[datetime] = []
        self.asked: set[Topic] = set()
        self.agreed: set[Topic] = set()

    @rule(topics=topics)
    def ask(self, topics: set[Topic]) -> None:
        if self.link_is_dead:
            self.asked.clear()
        command = Subscribe(email="asta@forening.example", topics=tuple(topics))
        asked = self.subscriber.ask_for(command, self.now)
        self.subscriber = asked.subscriber
        self.asked |= topics - self.agreed
        if asked.mail:
            assert topics - self.agreed, "a mail about nothing new"
            self.mailed.append(self.now)

    @rule()
    def press_the_button(self) -> None:
        self.subscriber, given, events = self.subscriber.confirm(self.now)
        expected = set() if self.link_is_dead else self.asked
        assert set(given) == expected
        assert events == ((SubscriptionConfirmed(subscriber_id="s", topics=given),) if given else ())
        if given:
            self.agreed |= expected
            self.asked.clear()

    @rule(topics=topics)
    def give_up(self, topics: set[Topic]) -> None:
        self.subscriber, _, events = self.subscriber.give_up(tuple(topics))
        told = [set(e.topics) for e in events if isinstance(e, SubscriberUnsubscribed)]
        assert told == ([self.agreed & topics] if self.agreed & topics else [])
        self.agreed -= topics
        self.asked -= topics

    @rule(hours=st.sampled_from([1, 12, 24, 100, 24 * 7]))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @property
    def link_is_dead(self) -> bool:
        return not self.mailed or self.now - self.mailed[-1] >= LINK_LIVES

    @invariant()
    def nobody_gets_what_was_not_agreed_to(self) -> None:
        assert set(self.subscriber.topics) == self.agreed

    @invariant()
    def nobody_s_mailbox_is_flooded(self) -> None:
        assert all(b - a >= MAIL_PAUSE for a, b in zip(self.mailed, self.mailed[1:], strict=False))


class Delivering(RuleBasedStateMachine):
    """A worker claims the mail, and the server answers as it likes, or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        letter = Letter(kind="signup-confirmed", recipient="asta@forening.example", language="da", data={})
        made = delivery(letter, cause="c", correlation=None, address="a", domain="rummelig.example", now=NOW)
        self.mail = made
        self.message_id, self.maybe_sent, self.ends = made.message_id, 0, 0

    @rule(lane=st.sampled_from(["transactional", "campaign"]))
    @precondition(lambda self: self.mail.version == 1)
    def is_of(self, lane: Lane) -> None:
        self.mail = self.mail.model_copy(update={"lane": lane})

    @rule()
    @precondition(lambda self: self.due)
    def taken(self) -> None:
        self.mail, events = self.mail.sent(self.now)
        self.maybe_sent += 1
        assert [type(e) for e in events] == [MailSent]
        self.ends += 1

    @rule()
    @precondition(lambda self: self.due)
    def refused(self) -> None:
        self.mail, events = self.mail.refused(self.now, 550, "no such mailbox")
        assert [type(e) for e in events] == [MailFailed]
        self.ends += 1

    @rule(jitter=st.floats(-1, 1))
    @precondition(lambda self: self.due)
    def not_now(self, jitter: float) -> None:
        before = self.mail
        self.mail, events = before.postponed(self.now, 451, "greylisted", Patience(), jitter)
        if events:
            self.ends += 1
            assert self.now - before.created_at > timedelta(days=4), "given up too early"
        else:
            assert self.mail.due_at - before.created_at <= timedelta(days=5)
            assert timedelta(seconds=48) <= self.mail.due_at - self.now <= timedelta(hours=14.4)

    @rule()
    def not_for_days(self) -> None:
        while self.mail.state in OPEN:
            self.its_turn_comes()
            self.not_now(0)

    @rule()
    @precondition(lambda self: self.due)
    def no_answer(self) -> None:
        self.maybe_sent += 1
        self.mail, events = self.mail.doubtful(self.now, "connection lost after the last dot")
        self.ends += len(events)

    @rule()
    def its_turn_comes(self) -> None:
        self.now = max(self.now, self.mail.due_at)

    @property
    def due(self) -> bool:
        return self.mail.state in OPEN and self.mail.due_at <= self.now

    @invariant()
    def it_ends_once_and_stays_ended(self) -> None:
        assert self.ends == (self.mail.state not in OPEN)
        assert (self.mail.ended_at is not None) == (self.mail.state not in OPEN)

    @invariant()
    def nobody_can_have_it_more_than_twice(self) -> None:
        assert self.maybe_sent <= (2 if self.mail.lane == "transactional" else 1)
        assert self.mail.message_id == self.message_id

    @invariant()
    def it_is_not_tried_for_ever(self) -> None:
        assert self.now - self.mail.created_at <= timedelta(days=5)


Subscribing.TestCase.settings = Delivering.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)
test_subscribing = Subscribing.TestCase
test_delivering = Delivering.TestCase
