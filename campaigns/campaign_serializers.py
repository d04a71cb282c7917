"""What campaigns look like in Superkabe's contract (§7.3)."""

from rest_framework import serializers

from campaigns.models import DAYS, Campaign, Enrollment
from campaigns.schedule_serializers import (
    DayHours,
    ScheduleInput,
    clicks_flag,
    holidays_flag,
    lead_timezone_flag,
    opens_flag,
)
from campaigns.sequences import current_steps
from campaigns.serializers import MAX_STEPS, StepInput, StepOutput, check_first_subject
from leads.models import Lead
from outbound.api.pagination import OptionalPageInput
from outbound.api.serializers import Flag, Input, Moment, Output, OwnedListField, Text
from sending.models import Mailbox

S = Campaign.Status
# Stored status → Superkabe's five words; a failed one can be launched again once its reason is gone.
SHOWN = {S.DRAFT: "draft", S.ACTIVE: "active", S.PAUSED: "paused", S.COMPLETED: "completed", S.FAILED: "paused",
         S.ARCHIVED: "archived"}  # fmt: skip
CAMPAIGN_STATUS = ["draft", "active", "paused", "completed", "archived"]


class CampaignInput(Input):
    name = serializers.CharField(max_length=120, help_text="For you to recognise it by.")
    steps = StepInput(many=True, min_length=1, max_length=MAX_STEPS, help_text="1 to 15 e-mails, in order.")
    lead_ids = OwnedListField(
        Lead.objects, required=False, allow_empty=True, help_text="Leads to enroll, 5,000 at most; more can be added."
    )
    mailbox_ids = OwnedListField(
        Mailbox.objects, required=False, allow_empty=True, max_length=500,
        help_text="Mailboxes to send from; every one that may send when absent.",
    )  # fmt: skip
    schedule = ScheduleInput(required=False, help_text="Mon–Fri 09:00–17:00 UTC, 50 a day, 17 min apart when absent.")
    include_active_elsewhere = Flag(default=False, help_text="Also leads that are on their way in another campaign.")
    track_opens = opens_flag(default=False)
    track_clicks = clicks_flag(default=False)

    def validate_steps(self, steps):
        check_first_subject(steps)
        return steps


class CampaignPatch(Input):
    name = serializers.CharField(max_length=120, required=False, help_text="For you to recognise it by.")
    daily_limit = serializers.IntegerField(
        min_value=1, max_value=100_000, required=False, help_text="Mails a day for the whole campaign."
    )
    send_gap_minutes = serializers.IntegerField(
        min_value=0, max_value=1440, required=False, help_text="Minutes between two mails of a mailbox."
    )
    schedule_timezone = serializers.CharField(max_length=64, required=False, help_text="IANA timezone.")
    schedule_start_time = serializers.CharField(max_length=5, required=False, help_text="HH:MM, inclusive.")
    schedule_end_time = serializers.CharField(max_length=5, required=False, help_text="HH:MM, exclusive.")
    schedule_days = serializers.ListField(
        child=serializers.ChoiceField(choices=DAYS), required=False, allow_empty=False, max_length=7,
        help_text="mon, tue, wed, thu, fri, sat, sun.",
    )  # fmt: skip
    day_hours = DayHours()
    send_in_lead_timezone = lead_timezone_flag()
    skip_holidays = holidays_flag()
    track_opens = opens_flag(required=False)
    track_clicks = clicks_flag(required=False)


class CampaignLeadsInput(Input):
    lead_ids = OwnedListField(Lead.objects, help_text="Ids of leads, 5,000 at most.")
    include_active_elsewhere = Flag(default=False, help_text="Also leads that are on their way in another campaign.")


class CampaignListInput(OptionalPageInput):
    engine = serializers.ChoiceField(choices=Campaign.Engine.values, default="native", help_text="native or instantly.")
    status = serializers.ChoiceField(
        choices=CAMPAIGN_STATUS, required=False, help_text="Only campaigns of this status."
    )


class CampaignCreatedOutput(Output):
    id = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=CAMPAIGN_STATUS)
    steps_count = serializers.IntegerField()
    leads_assigned = serializers.IntegerField(help_text="Newly enrolled: active, paused and held together.")
    leads_blocked = serializers.IntegerField(help_text="Left out by the health gate.")
    leads_paused = serializers.IntegerField(help_text="Of the assigned: yellow, waiting for your review.")
    leads_held = serializers.IntegerField(help_text="Of the assigned: waiting until the address is validated.")
    already_enrolled = serializers.IntegerField(help_text="In this campaign before: nothing changes for them.")
    leads_excluded = serializers.DictField(
        child=serializers.IntegerField(), help_text="Reason → how many of the leads were left out for it."
    )
    warnings = serializers.ListField(child=serializers.CharField())


class CampaignOutput(Output):
    """Annotate leads_count and steps_count (campaigns.queries.campaigns)."""

    id = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=CAMPAIGN_STATUS)
    engine = serializers.CharField()
    livemode = serializers.BooleanField(source="workspace.livemode", help_text="False: no mail leaves.")
    daily_limit = serializers.IntegerField()
    send_gap_minutes = serializers.IntegerField()
    schedule_timezone = serializers.CharField()
    schedule_start_time = serializers.CharField()
    schedule_end_time = serializers.CharField()
    schedule_days = serializers.ListField(child=serializers.CharField())
    day_hours = serializers.DictField(child=serializers.CharField())
    send_in_lead_timezone = serializers.BooleanField()
    skip_holidays = serializers.BooleanField()
    track_opens = serializers.BooleanField()
    track_clicks = serializers.BooleanField()
    leads_count = serializers.IntegerField()
    steps_count = serializers.IntegerField()
    launched_at = Moment(allow_null=True)
    created_at = Moment()
    updated_at = Moment()

    def to_representation(self, campaign):
        data = super().to_representation(campaign)
        data["status"] = SHOWN[campaign.status]
        return data


class CampaignLeadOutput(Output):
    """Without leads:read only ids and status (decisions C17): pass `with_leads` in the context."""

    id = serializers.CharField(source="lead_id", allow_null=True)
    email = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=Enrollment.Status.values)
    reason = serializers.SerializerMethodField()
    position = serializers.IntegerField(help_text="Of the last step planned.")

    def _seen(self, enrollment) -> bool:
        return bool(self.context.get("with_leads")) and enrollment.lead is not None

    def get_email(self, enrollment) -> str | None:
        return enrollment.lead.email if self._seen(enrollment) else None

    def get_reason(self, enrollment) -> str | None:
        return (enrollment.reason or None) if self._seen(enrollment) else None


class CampaignDetailOutput(CampaignOutput):
    mailbox_ids = serializers.SerializerMethodField()
    steps = serializers.SerializerMethodField()
    leads = serializers.SerializerMethodField(help_text="The first 100.")

    def get_mailbox_ids(self, campaign) -> list[str]:
        return [str(mailbox.pk) for mailbox in campaign.mailboxes.all()]

    def get_steps(self, campaign) -> StepOutput(many=True):
        return StepOutput(current_steps(campaign.sequence), many=True).data

    def get_leads(self, campaign) -> CampaignLeadOutput(many=True):
        rows = campaign.enrollments.select_related("lead").order_by("created_at", "id")[:100]
        return CampaignLeadOutput(rows, many=True, context=self.context).data


class CampaignLaunchedOutput(Output):
    id = serializers.CharField()
    status = serializers.ChoiceField(choices=CAMPAIGN_STATUS)
    leads = serializers.IntegerField()
    steps = serializers.IntegerField()


class ReportOutput(Output):
    campaign_id = serializers.CharField()
    campaign_name = serializers.CharField()
    status = serializers.ChoiceField(choices=CAMPAIGN_STATUS)
    total_leads = serializers.IntegerField()
    lead_status_breakdown = serializers.DictField(child=serializers.IntegerField())
    emails_sent = serializers.IntegerField()
    replies = serializers.IntegerField(help_text="Threads with a reply.")
    reply_rate = serializers.CharField(help_text="Replies per mail sent: 2.04%.")
    mails_opened = serializers.IntegerField(
        allow_null=True,
        help_text="Mails whose image was loaded for a person, as far as can be told; null while not tracked. Who reads "
        "without images is missing, so this is no count of readers.",
    )
    mails_clicked = serializers.IntegerField(
        allow_null=True,
        help_text="Mails of which a person clicked a link, as far as can be told; null while not tracked.",
    )
    mails_opened_by_machines = serializers.IntegerField(
        allow_null=True, help_text="Mails whose image a scanner or a prefetching program loaded; in no other number."
    )
    mails_clicked_by_machines = serializers.IntegerField(
        allow_null=True, help_text="Mails whose links a scanner followed; in no other number."
    )
    created_at = Moment()


class CampaignReplyOutput(Output):
    thread_id = serializers.CharField()
    message_id = serializers.CharField(help_text="Of the reply.")
    contact_email = serializers.CharField()
    contact_name = Text()
    subject = Text()
    body_text = Text()
    reply_class = serializers.CharField(
        help_text="positive, qualified, objection, referral, soft_no, hard_no, angry, auto or unclassified."
    )
    class_confidence = serializers.FloatField(help_text="0 to 1.", allow_null=True)
    class_by = serializers.CharField(help_text="rules, model or person.")
    received_at = Moment()


class CampaignRepliesOutput(Output):
    total_replies = serializers.IntegerField(help_text="Threads with a reply.")
    replies = CampaignReplyOutput(many=True, help_text="The 100 most recent, each its newest reply.")
