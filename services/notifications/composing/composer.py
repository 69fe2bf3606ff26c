"""From a delivery to what the mail server gets: envelope and bytes."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from email.headerregistry import Address
from typing import TYPE_CHECKING

from services.notifications.composing.mime import Headers, address, build
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
    """Writes mails. A campaign is rendered once for each language; what differs is each one's link to unsubscribe."""

    def __init__(self, links: MailLinks, sender: Address, key: bytes, dkim: DkimSigner | None = None) -> None:
        """`sender` is who mails come from; `key` signs return addresses."""
        self._links = links
        self._sender = sender
        self._key = key
        self._dkim = dkim
        self._templates = Templates()
        self._rendered: OrderedDict[tuple[str, Language], Content] = OrderedDict()

    async def compose(self, delivery: Delivery, campaign: Campaign | None) -> Mail:
        """The mail of a delivery. UnusableAddress where its recipient's or the answer's address is none."""
        recipient = address(delivery.recipient, delivery.name)
        headers = Headers(
            sender=self._sender,
            recipient=recipient,
            message_id=delivery.message_id,
            date=delivery.created_at,
            language=delivery.language,
            reply_to=address(delivery.reply_to) if delivery.reply_to else None,
            extra=self._list_headers(delivery, delivery.topic) if delivery.topic else TRANSACTIONAL,
        )
        domain = self._sender.domain
        content = build(headers, self._content(delivery, campaign), self._calendar(delivery)).as_bytes()
        if self._dkim:
            # Computed in Python: some 20 ms that other tasks need not wait for.
            content = await asyncio.to_thread(self._dkim.sign, content)
        return Mail(return_address(delivery.id, domain, self._key), recipient.addr_spec, content)

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
        domain = self._sender.domain
        url = self._links.unsubscribe_url(delivery.address_id, topic, delivery.language)
        token = self._links.unsubscribe_token(delivery.address_id, topic)
        return {
            "List-Id": f"{topic_name(topic, 'en')} <{topic}.{domain}>",
            "List-Unsubscribe": f"<{url}>, <mailto:afmeld@{domain}?subject={token}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
