"""What one can subscribe to, in people's words."""

from typing import get_args

from shared.contracts.types import Language, Topic

TOPICS: tuple[Topic, ...] = get_args(Topic)

NAMES: dict[Topic, tuple[str, str]] = {
    "newsletter": ("Nyhedsbrev", "Newsletter"),
    "network-events": ("Netværksarrangementer", "Network events"),
    "guidance": ("Vejledning", "Guidance"),
    "portal": ("Leverandørportalen", "Supplier portal"),
    "procurement": ("Sociale indkøb", "Social procurement"),
}


def topic_name(topic: Topic, language: Language) -> str:
    """The topic as people call it."""
    danish, english = NAMES[topic]
    return danish if language == "da" else english


def ordered(topics: set[Topic] | frozenset[Topic]) -> tuple[Topic, ...]:
    """Topics in the order in which they are shown."""
    return tuple(topic for topic in TOPICS if topic in topics)
