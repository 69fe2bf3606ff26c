"""Campaigns, ordered by a command or by an event: saved here, prepared and sent by the background jobs."""

from services.notifications.context import context_of
from services.notifications.domain import announcement, announcement_id, ordered_campaign, unannounced
from services.notifications.handlers.posting import correlation_of
from services.notifications.store import CAMPAIGNS
from shared.contracts.events import EventAnnounced, EventCancelled
from shared.contracts.notifications import CampaignRef, SendCampaign
from shared.store.work import Work


async def send_campaign(command: SendCampaign, work: Work) -> CampaignRef:
    """Keep the campaign; it goes out once its audience is frozen."""
    campaign = ordered_campaign(work.new_id(), command, work.now, correlation_of(work))
    await work.put(CAMPAIGNS, campaign)
    context_of(work).bell.ring()
    return CampaignRef(campaign_id=campaign.id)


async def announce_event(event: EventAnnounced, work: Work) -> None:
    """One campaign for one network event, however often it is told."""
    await work.put(CAMPAIGNS, announcement(event, work.now, correlation_of(work)))
    context_of(work).bell.ring()


async def stop_announcement(event: EventCancelled, work: Work) -> None:
    """Who has not got the announcement yet does not get it; one that comes late finds its place taken."""
    campaign = await work.get(CAMPAIGNS, announcement_id(event.event_id))
    if campaign is None:
        work.save(CAMPAIGNS, unannounced(event, work.now))
    elif campaign.state != "finished":
        work.save(CAMPAIGNS, campaign.called_off(work.now))
