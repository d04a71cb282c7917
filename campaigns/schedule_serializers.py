"""When a campaign may send, as its doors take and show it."""

from rest_framework import serializers

from campaigns.models import DAYS
from outbound.api.serializers import Flag, Input, Output


class DayHours(serializers.DictField):
    """Other hours of single days."""

    def __init__(self, **kwargs):
        kwargs.setdefault("help_text", 'Other hours of single days: {"fri": "09:00-13:00"}.')
        super().__init__(child=serializers.CharField(max_length=11), required=False, **kwargs)


def lead_timezone_flag() -> Flag:
    return Flag(required=False, help_text="Read the hours on the lead's own clock.")


def holidays_flag() -> Flag:
    return Flag(required=False, help_text="Not on public holidays of the lead's country.")


def opens_flag(**kwargs) -> Flag:
    return Flag(help_text="Put an image into its mails that tells when one is opened.", **kwargs)


def clicks_flag(**kwargs) -> Flag:
    return Flag(help_text="Lead the links of its mails through your tracking_url, to see clicks.", **kwargs)


class ScheduleInput(Input):
    timezone = serializers.CharField(max_length=64, required=False, help_text="IANA timezone; UTC when absent.")
    start_time = serializers.CharField(max_length=5, required=False, help_text="HH:MM, inclusive; 09:00 when absent.")
    end_time = serializers.CharField(
        max_length=5, required=False, help_text="HH:MM, exclusive, 24:00 is midnight; 17:00 when absent."
    )
    days = serializers.ListField(
        child=serializers.ChoiceField(choices=DAYS), required=False, allow_empty=False, max_length=7,
        help_text="Monday to Friday when absent.",
    )  # fmt: skip
    daily_limit = serializers.IntegerField(
        min_value=1, max_value=100_000, required=False, help_text="Mails a day for the whole run; 50 when absent."
    )
    send_gap_minutes = serializers.IntegerField(
        min_value=0, max_value=1440, required=False, help_text="Minutes between two mails of a mailbox; 17 when absent."
    )
    day_hours = DayHours()
    send_in_lead_timezone = lead_timezone_flag()
    skip_holidays = holidays_flag()


class ScheduleOutput(Output):
    """Of a campaign's columns."""

    timezone = serializers.CharField(source="schedule_timezone", help_text="IANA name.")
    start_time = serializers.CharField(source="schedule_start_time", help_text="HH:MM, inclusive.")
    end_time = serializers.CharField(source="schedule_end_time", help_text="HH:MM, exclusive.")
    days = serializers.ListField(source="schedule_days", child=serializers.ChoiceField(choices=DAYS))
    daily_limit = serializers.IntegerField(help_text="Mails a day.")
    send_gap_minutes = serializers.IntegerField(help_text="Between two mails of a mailbox.")
    day_hours = serializers.DictField(child=serializers.CharField(), help_text="Other hours of single days.")
    send_in_lead_timezone = serializers.BooleanField(help_text="The hours are read on the lead's own clock.")
    skip_holidays = serializers.BooleanField(help_text="Not on public holidays of the lead's country.")
