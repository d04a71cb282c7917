"""When a campaign may write to one lead: on whose clock its window is read, and which days are left out for them."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Q, QuerySet

from campaigns.models import Campaign
from campaigns.places import country_code, country_name, holiday, is_zone, zone_of_country
from campaigns.schedule import Schedule, in_window, next_slot
from leads.models import Lead

OUTSIDE = "It is outside the window where the lead is."
_HOLIDAY = "It is "
HOLIDAY = _HOLIDAY + "{name} in {country}."


class Clock(NamedTuple):
    """`source`: whose it is, told by the lead's own field, the lead's country, or the campaign."""

    timezone: str
    source: str


class Closed(NamedTuple):
    reason: str
    until: datetime


def clock_for(campaign: Campaign, lead: Lead | None) -> Clock:
    if campaign.send_in_lead_timezone and lead:
        if is_zone(lead.timezone):
            return Clock(lead.timezone, "lead")
        if zone := zone_of_country(country_code(lead.country)):
            return Clock(zone, "country")
    return Clock(campaign.schedule_timezone, "campaign")


def schedule_of(campaign: Campaign, lead: Lead | None = None) -> Schedule:
    """The campaign's window; with a lead, as it stands for them."""
    keeps = campaign.skip_holidays and lead is not None
    return Schedule(
        clock_for(campaign, lead).timezone,
        campaign.schedule_start_time,
        campaign.schedule_end_time,
        frozenset(campaign.schedule_days),
        campaign.day_hours,
        country_code(lead.country) if keeps and lead else "",
    )


def depends_on_lead(campaign: Campaign) -> bool:
    return campaign.send_in_lead_timezone or campaign.skip_holidays


def closed_for(campaign: Campaign, lead: Lead | None, now: datetime) -> Closed | None:
    """Why nothing leaves to this lead now though the campaign's own window may be open, and until when."""
    if not depends_on_lead(campaign):
        return None
    schedule = schedule_of(campaign, lead)
    if in_window(schedule, now):
        return None
    return Closed(_why(schedule, now), next_slot(schedule, now))


def _why(schedule: Schedule, now: datetime) -> str:
    name = holiday(schedule.holidays_of, now.astimezone(schedule.zone).date())
    return HOLIDAY.format(name=name, country=country_name(schedule.holidays_of)) if name else OUTSIDE


def waiting(enrollments: QuerySet) -> QuerySet:
    """Those that closed_for() put off."""
    return enrollments.filter(Q(reason=OUTSIDE) | Q(reason__startswith=_HOLIDAY), status="active")
