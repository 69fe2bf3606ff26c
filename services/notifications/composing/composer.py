"""From a delivery to what the mail server gets: envelope and bytes."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from email.headerregistry import Address
from typing import TYPE_CHECKING

from services.notifications.composing.mime import Headers, address, build
from services.notifications.composing.pattern import SIMPLE_ADDRESS, UNSUBSCRIBE, Fill, Pattern, pattern_of
from services.notifications.composing.signing import DkimSigner
from services.notifications.composing.templates import Content, Templates
from services.notifications.composing.views import VIEWS, of_campaign
from services.notifications.domain import Campaign, Delivery, topic_name
from services.notifications.links import MailLinks
from services.notifications.verp import return_address
from shared.contracts.types import Language, Topic

if TYPE_CHECKING:
    from services.notifications.composing.invitations import Invitation

MARK = "https://rummelig.invalid/afmeld/mark"
"""Stands for the address to unsubscribe at while a campaign is rendered once for all."""

CAMPAIGNS_KEPT = 20
WITH_ENTRY = frozenset({"signup-confirmed", "signup-promoted", "signup-cancelled"})
"""Kinds of mails that may carry a calendar entry; who waits has none."""
TRANSACTIONAL = {"Auto-Submitted": "auto-generated"}
"""RFC 3834: nobody on holiday answers to it."""


@dataclass(frozen=True)
class Mail:
    """An envelope with one recipient, and what is in it."""

    sender: str
    recipient: str
    content: bytes


class Composer:
    """Writes mails. A campaign is rendered and encoded once for each language; what differs is filled in."""

    def __init__(self, links: MailLinks, sender: Address, key: bytes, dkim: DkimSigner | None = None) -> None:
        """`sender` is who mails come from; `key` signs return addresses."""
        self._links = links
        self._sender = sender
        self._key = key
        self._dkim = dkim
        self._templates = Templates()
        self._rendered: OrderedDict[tuple[str, Language], Content] = OrderedDict()
        self._patterns: OrderedDict[tuple[str, Language], Pattern | None] = OrderedDict()

    async def compose(self, delivery: Delivery, campaign: Campaign | None) -> Mail:
        """The mail of a delivery. UnusableAddress where its recipient's or the answer's address is none."""
        content = self._filled(delivery, campaign) if campaign else None
        if content is None:
            content = build(
                self._headers(delivery),
                self._content(delivery, campaign),
                self._calendar(delivery),
            ).as_bytes()
        if self._dkim:
            # Computed in Python: some 20 ms that other tasks need not wait for.
            content = await asyncio.to_thread(self._dkim.sign, content)
        return Mail(return_address(delivery.id, self._sender.domain, self._key), _envelope(delivery), content)

    def _headers(self, delivery: Delivery) -> Headers:
        return Headers(
            sender=self._sender,
            recipient=address(delivery.recipient, delivery.name),
            message_id=delivery.message_id,
            date=delivery.created_at,
            language=delivery.language,
            reply_to=address(delivery.reply_to) if delivery.reply_to else None,
            extra=self._list_headers(delivery, delivery.topic) if delivery.topic else TRANSACTIONAL,
        )

    def _filled(self, delivery: Delivery, campaign: Campaign) -> bytes | None:
        """By the campaign's pattern; None where this mail differs in more than patterns have gaps for."""
        if delivery.name or delivery.reply_to or delivery.topic != campaign.topic:
            return None
        url, unsubscribe = self._unsubscribing(delivery, campaign.topic)
        fill = Fill(delivery.recipient, delivery.created_at, delivery.message_id, unsubscribe, url)
        if not fill.simple:
            return None
        known = (campaign.id, delivery.language)
        if known not in self._patterns:
            marked = self._campaign(campaign, delivery.language)
            self._patterns[known] = pattern_of(self._headers(delivery), marked, MARK, fill)
            while len(self._patterns) > CAMPAIGNS_KEPT:
                self._patterns.popitem(last=False)
        pattern = self._patterns[known]
        return pattern.filled(fill) if pattern else None

    def _calendar(self, delivery: Delivery) -> "Invitation | None":
        if delivery.kind not in WITH_ENTRY:
            return None
        # Here, since the calendar's library takes its time and memory, and many a process never writes an entry.
        from services.notifications.composing.invitations import invitation  # noqa: PLC0415

        return invitation(delivery, self._sender.addr_spec, self._sender.domain)

    def _content(self, delivery: Delivery, campaign: Campaign | None) -> Content:
        if campaign is None:
            return self._templates.render(delivery.kind, delivery.language, VIEWS[delivery.kind](delivery, self._links))
        url = self._links.unsubscribe_url(delivery.address_id, campaign.topic, delivery.language)
        return self._campaign(campaign, delivery.language).replaced(MARK, url)

    def _campaign(self, campaign: Campaign, language: Language) -> Content:
        known = (campaign.id, language)
        if known not in self._rendered:
            values = of_campaign(campaign, language, MARK)
            self._rendered[known] = self._templates.render(campaign.kind, language, values)
            while len(self._rendered) > CAMPAIGNS_KEPT:
                self._rendered.popitem(last=False)
        return self._rendered[known]

    def _list_headers(self, delivery: Delivery, topic: Topic) -> dict[str, str]:
        return {
            "List-Id": f"{topic_name(topic, 'en')} <{topic}.{self._sender.domain}>",
            UNSUBSCRIBE: self._unsubscribing(delivery, topic)[1],
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

    def _unsubscribing(self, delivery: Delivery, topic: Topic) -> tuple[str, str]:
        """The address to unsubscribe at, and the header that offers it."""
        token = self._links.unsubscribe_token(delivery.address_id, topic)
        url = self._links.unsubscribe_at(token, delivery.language)
        return url, f"<{url}>, <mailto:afmeld@{self._sender.domain}?subject={token}>"


def _envelope(delivery: Delivery) -> str:
    simple = SIMPLE_ADDRESS.fullmatch(delivery.recipient)
    return delivery.recipient if simple else address(delivery.recipient).addr_spec
