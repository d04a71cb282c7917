"""What sequences and runs look like from outside; REST and MCP use the same classes."""

from datetime import datetime

from rest_framework import serializers

from campaigns.explain_serializers import MoveOutput
from campaigns.models import Campaign, Enrollment, Sequence
from campaigns.schedule_serializers import ScheduleInput, ScheduleOutput, clicks_flag, opens_flag
from campaigns.sequences import current_steps, warnings_for
from campaigns.states import LEGAL_NOW, RUN_STATUS
from leads.models import Group, Lead
from leads.services import normalise_email
from outbound.api.pagination import OptionalPageInput, PageInput
from outbound.api.serializers import Flag, Input, Moment, Output, OwnedField, Text, moment

MAX_BODY = 200_000
MAX_STEPS = 15
MAX_VARIANTS = 10
_TEMPLATE = (
    "{{first_name}}, {{company}}, own fields and variables are filled in; {{name|fallback}} and {Hi|Hello} work."
)


class VariantInput(Input):
    label = serializers.CharField(max_length=20, required=False, help_text="A, B, … when absent.")
    subject = serializers.CharField(
        max_length=500, allow_blank=True, default="", help_text="Blank: the step's subject."
    )
    body_html = serializers.CharField(
        max_length=MAX_BODY, allow_blank=True, default="", help_text="HTML; a template as the step's is."
    )
    body_text = serializers.CharField(
        max_length=MAX_BODY, allow_blank=True, default="", help_text="Text; made from the HTML when blank."
    )
    weight = serializers.IntegerField(
        min_value=0, max_value=1000, default=50, help_text="Share of the traffic, against the other variants."
    )


class StepInput(Input):
    subject = serializers.CharField(
        max_length=500, allow_blank=True, default="", help_text="Blank in a follow-up: `Re:` the first. " + _TEMPLATE
    )
    body_html = serializers.CharField(max_length=MAX_BODY, allow_blank=True, default="", help_text="HTML. " + _TEMPLATE)
    body_text = serializers.CharField(
        max_length=MAX_BODY, allow_blank=True, default="", help_text="Text; made from the HTML when blank."
    )
    delay_days = serializers.IntegerField(
        min_value=0, max_value=365, required=False,
        help_text="Days after the step before was sent; a follow-up without any delay waits 2.",
    )  # fmt: skip
    delay_hours = serializers.IntegerField(
        min_value=0, max_value=23, required=False, help_text="Hours added to the days."
    )
    variants = VariantInput(
        many=True, required=False, max_length=MAX_VARIANTS, help_text="Wordings that share the traffic, 10 at most."
    )

    def validate(self, step):
        variants = step.get("variants") or []
        own = step["body_html"].strip() or step["body_text"].strip()
        if not own and not (variants and all(v["body_html"].strip() or v["body_text"].strip() for v in variants)):
            raise serializers.ValidationError({"body_html": ["Write a body, as HTML or text."]})
        if variants and not sum(variant["weight"] for variant in variants):
            raise serializers.ValidationError({"variants": ["At least one weight must be above 0."]})
        labels = [variant.get("label") or chr(ord("A") + index) for index, variant in enumerate(variants)]
        if len(set(labels)) < len(labels):
            raise serializers.ValidationError({"variants": ["Two variants have the same label."]})
        return step


def check_first_subject(steps: list[dict]) -> None:
    variants = steps[0].get("variants") or []
    subjects = [variant["subject"] for variant in variants] or [""]
    if not steps[0]["subject"].strip() and not all(subject.strip() for subject in subjects):
        raise serializers.ValidationError({"0": {"subject": ["The first step needs a subject."]}})


class SequenceInput(Input):
    name = serializers.CharField(max_length=120, help_text="Unique in the workspace, without case.")
    description = serializers.CharField(max_length=500, allow_blank=True, default="", help_text="For your own records.")
    steps = StepInput(many=True, min_length=1, max_length=MAX_STEPS, help_text="1 to 15 e-mails, in order.")

    def validate_steps(self, steps):
        check_first_subject(steps)
        return steps


class SequencePatch(Input):
    name = serializers.CharField(max_length=120, required=False, help_text="Unique in the workspace, without case.")
    description = serializers.CharField(
        max_length=500, allow_blank=True, required=False, help_text="For your own records."
    )
    steps = StepInput(
        many=True, required=False, min_length=1, max_length=MAX_STEPS,
        help_text="All steps anew. In use they become the next version; nobody gets a position twice.",
    )  # fmt: skip

    def validate_steps(self, steps):
        check_first_subject(steps)
        return steps


class VariantOutput(Output):
    label = serializers.CharField()
    subject = Text()
    body_html = Text()
    body_text = Text()
    weight = serializers.IntegerField()


class StepOutput(Output):
    id = serializers.CharField()
    position = serializers.IntegerField()
    subject = Text()
    body_html = Text()
    body_text = Text()
    delay_days = serializers.IntegerField()
    delay_hours = serializers.IntegerField()
    variants = VariantOutput(many=True)


class SequenceOutput(Output):
    """Annotate `steps_count`, `version` and `runs_count` (campaigns.queries.with_counts)."""

    id = serializers.CharField()
    name = serializers.CharField()
    description = Text()
    version = serializers.IntegerField(help_text="Rises with each edit of a sequence in use.")
    steps_count = serializers.IntegerField()
    runs_count = serializers.IntegerField()
    created_at = Moment()
    updated_at = Moment()


class SequenceDetailOutput(SequenceOutput):
    steps = serializers.SerializerMethodField()
    warnings = serializers.SerializerMethodField(help_text="What looks wrong: unknown names, stray braces.")

    def get_steps(self, sequence) -> StepOutput(many=True):
        self._steps = current_steps(sequence)
        return StepOutput(self._steps, many=True).data

    def get_warnings(self, sequence) -> list[str]:
        return warnings_for(sequence, self._steps)


class PreviewInput(Input):
    lead_id = OwnedField(Lead.objects, required=False, help_text="For this lead; the newest one when absent.")
    step = serializers.IntegerField(min_value=1, max_value=MAX_STEPS, default=1, help_text="Position of the step.")
    variant = serializers.CharField(max_length=20, required=False, help_text="Label; the lead's own when absent.")


class PreviewOutput(Output):
    lead_id = serializers.CharField()
    lead_email = serializers.CharField()
    step = serializers.IntegerField()
    variant = Text()
    subject = serializers.CharField()
    html = serializers.CharField()
    text = serializers.CharField()
    missing = serializers.ListField(child=serializers.CharField(), help_text="Names that rendered empty.")
    holds = serializers.ListField(child=serializers.CharField(), help_text="Why it would not be sent yet.")
    sandbox_text = serializers.BooleanField(help_text="A value was written by the sandbox, not by a model.")


class RunInput(Input):
    engine = serializers.ChoiceField(
        choices=Campaign.Engine.values, default="native", help_text="Who carries the run: native (us) or instantly."
    )
    sequence_id = OwnedField(
        Sequence.objects, by_name=True, required=False, help_text="What to say: id or name of a sequence (native)."
    )
    campaign_id = serializers.CharField(
        max_length=100, required=False, help_text="Instantly's campaign id (engine instantly)."
    )
    sender_email = serializers.CharField(
        max_length=254, required=False, help_text="The mailbox to send from; every one that may send when absent."
    )
    group_id = OwnedField(
        Group.objects, by_name=True, required=False, help_text="To whom: id or name of a group; every lead when absent."
    )
    schedule = ScheduleInput(required=False, help_text="When.")
    name = serializers.CharField(max_length=120, required=False, help_text="For your own records.")
    include_active_elsewhere = Flag(default=False, help_text="Also leads that are on their way in another run.")
    track_opens = opens_flag(default=False)
    track_clicks = clicks_flag(default=False)

    def validate_sender_email(self, text):
        try:
            return normalise_email(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None

    def validate(self, run):
        if run["engine"] == Campaign.Engine.INSTANTLY:
            raise serializers.ValidationError({"engine": ["Instantly is not connected. Use the native engine."]})
        if run.get("sequence_id") is None:
            raise serializers.ValidationError({"sequence_id": ["This field is required for the native engine."]})
        run.pop("campaign_id", None)
        return run


class RunListInput(OptionalPageInput):
    status = serializers.ChoiceField(
        choices=list(RUN_STATUS.values()), required=False, help_text="Only runs of this status."
    )


class ProgressOutput(Output):
    total = serializers.IntegerField(help_text="Leads enrolled.")
    sent = serializers.IntegerField(help_text="Mails that left.")
    queued = serializers.IntegerField()
    in_flight = serializers.IntegerField(help_text="Handed over, answer awaited.")
    unknown = serializers.IntegerField(help_text="Parked: nobody knows whether they arrived.")
    refused = serializers.IntegerField()
    replies = serializers.IntegerField()
    pct = serializers.IntegerField(help_text="Leads whose walk has ended, in percent.")


class RunOutput(Output):
    """From campaigns.queries.show_runs, which gathers the counts of many runs in a few statements."""

    id = serializers.CharField()
    name = serializers.CharField()
    engine = serializers.CharField()
    livemode = serializers.BooleanField(source="workspace.livemode", help_text="False: no mail leaves.")
    status = serializers.ChoiceField(choices=list(RUN_STATUS.values()))
    status_reason = Text()
    actions = serializers.SerializerMethodField(help_text="What can be done now: pause, resume, stop.")
    sequence_id = serializers.CharField(allow_null=True)
    sequence_name = serializers.SerializerMethodField()
    group_id = serializers.CharField(allow_null=True)
    sender_email = serializers.SerializerMethodField()
    schedule = ScheduleOutput(source="*")
    progress = serializers.SerializerMethodField()
    lead_status_breakdown = serializers.SerializerMethodField()
    launched_at = Moment(allow_null=True)
    ended_at = Moment(allow_null=True)
    created_at = Moment()

    def to_representation(self, run):
        data = super().to_representation(run)
        data["status"] = RUN_STATUS[run.status]
        return data

    def get_actions(self, run) -> list[str]:
        return [verb for verb in LEGAL_NOW[run.status] if verb in ("pause", "resume", "stop")]

    def get_sequence_name(self, run) -> str | None:
        return run.sequence.name if run.sequence else None

    def get_sender_email(self, run) -> str | None:
        return ", ".join(mailbox.email for mailbox in run.mailboxes.all()) or None

    def get_progress(self, run) -> ProgressOutput:
        breakdown, counts = self.context["breakdowns"][run.pk], self.context["messages"][run.pk]
        total = sum(breakdown.values())
        walking = sum(breakdown[status] for status in Enrollment.WALKING)
        counted = total - breakdown[Enrollment.Status.PAUSED]  # paused ones wait for a person and do not block
        return {"total": total, **counts, "pct": 100 * (counted - walking) // counted if counted else 100}

    def get_lead_status_breakdown(self, run) -> dict[str, int]:
        return self.context["breakdowns"][run.pk]


class LogOutput(Output):
    """Load the workspace with it."""

    kind = serializers.CharField()
    livemode = serializers.BooleanField(source="workspace.livemode")
    summary = serializers.CharField()
    lead_id = serializers.CharField(allow_null=True)
    created_at = Moment()


class RunDetailOutput(RunOutput):
    """A run with why it waits and its last log lines; `now` (business time) in the context."""

    next_send_at = serializers.SerializerMethodField(help_text="A promise: next_send_moves says why it moved.")
    next_send_reason = serializers.SerializerMethodField()
    next_send_guard = serializers.SerializerMethodField(help_text="The guard that binds; null when it is due.")
    next_send_moves = serializers.SerializerMethodField(help_text="The last 5 times it moved, and why.")
    held = serializers.SerializerMethodField(help_text="Why leads wait, and how many for each reason.")
    leads_blocked = serializers.SerializerMethodField(help_text="Left out at launch by the health gate.")
    leads_excluded = serializers.SerializerMethodField(help_text="Left out at launch: active in another run.")
    warnings = serializers.SerializerMethodField()
    logs = serializers.SerializerMethodField()

    def get_next_send_at(self, run) -> datetime | None:
        return moment(self.context["next_send"].next_at)

    def get_next_send_reason(self, run) -> str:
        return self.context["next_send"].reason

    def get_next_send_guard(self, run) -> str | None:
        return self.context["next_send"].binding or None

    def get_next_send_moves(self, run) -> MoveOutput(many=True):
        return MoveOutput(self.context["moves"], many=True).data

    def get_held(self, run) -> dict[str, int]:
        return self.context["held"]

    def get_leads_blocked(self, run) -> int:
        return self.context["launch"].get("blocked", 0)

    def get_leads_excluded(self, run) -> int:
        return self.context["launch"].get("excluded", 0)

    def get_warnings(self, run) -> list[str]:
        return self.context["warnings"]

    def get_logs(self, run) -> LogOutput(many=True):
        return LogOutput(self.context["logs"], many=True).data


class RunMessagesInput(PageInput):
    state = serializers.ChoiceField(
        choices=["queued", "claimed", "committed", "sent", "refused", "unknown", "canceled", "skipped", "received"],
        required=False, help_text="Only messages in this state.",
    )  # fmt: skip
    bodies = serializers.BooleanField(default=False, help_text="Also html and text of each.")


class RunMessageOutput(Output):
    id = serializers.CharField()
    direction = serializers.CharField(help_text="out or in.")
    kind = serializers.CharField()
    state = serializers.CharField()
    reason = Text(source="state_reason")
    lead_id = serializers.CharField(allow_null=True)
    thread_id = serializers.CharField()
    from_email = serializers.CharField()
    to_email = serializers.CharField()
    subject = Text()
    position = serializers.SerializerMethodField()
    variant = serializers.SerializerMethodField()
    message_id = serializers.CharField(source="rfc_message_id")
    attempt = serializers.IntegerField()
    send_at = Moment(allow_null=True)
    settled_at = Moment(allow_null=True)
    html = serializers.SerializerMethodField()
    text = serializers.SerializerMethodField()

    def get_position(self, message) -> int | None:
        touch = getattr(message, "touch", None)
        return touch.position if touch else None

    def get_variant(self, message) -> str | None:
        touch = getattr(message, "touch", None)
        return (touch.variant or None) if touch else None

    def get_html(self, message) -> str | None:
        return message.body.html if self.context.get("bodies") else None

    def get_text(self, message) -> str | None:
        return message.body.text if self.context.get("bodies") else None
