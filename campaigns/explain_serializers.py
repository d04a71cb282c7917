"""What holds a mail, as both doors show it."""

from datetime import datetime

from rest_framework import serializers

from campaigns.models import Enrollment
from campaigns.states import RUN_STATUS
from outbound.api.serializers import Moment, Output, Text, moment


class MoveOutput(Output):
    """From an Event of promises.MOVED."""

    at = Moment(source="created_at")
    promised_at = serializers.CharField(source="data.promised_at")
    next_send_at = serializers.CharField(source="data.next_at", allow_null=True)
    guard = Text(source="data.guard")
    reason = serializers.CharField(source="data.reason")


class GuardOutput(Output):
    """From a Finding of the guards."""

    guard = serializers.CharField()
    passes = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField(help_text="Why it holds the mail; null when it lets it pass.")
    until = serializers.SerializerMethodField(help_text="When it lets go; null when nobody can say.")
    numbers = serializers.SerializerMethodField(help_text="What it looked at.")

    def get_passes(self, finding) -> bool:
        return finding.held is None

    def get_reason(self, finding) -> str | None:
        return finding.held and finding.held.reason

    def get_until(self, finding) -> datetime | None:
        return moment(finding.held.ends_at) if finding.held else None

    def get_numbers(self, finding) -> dict:
        return {name: moment(each) if isinstance(each, datetime) else each for name, each in finding.numbers.items()}


class ExplainedOutput(Output):
    next_send_at = Moment(source="next_at", allow_null=True)
    next_send_reason = serializers.CharField(source="reason")
    next_send_guard = Text(source="binding", help_text="The guard that binds; null when it is due.")
    mailbox = serializers.CharField(source="mailbox.email", default=None, allow_null=True)
    guards = GuardOutput(source="findings", many=True, help_text="Every guard, in the order of the policy.")


class MailboxExplainedOutput(ExplainedOutput):
    guards = None


class RunExplainedOutput(ExplainedOutput):
    run_id = serializers.CharField()
    status = serializers.ChoiceField(choices=list(RUN_STATUS.values()))
    mailboxes = MailboxExplainedOutput(many=True, help_text="Each mailbox of the run, 100 at most.")
    held = serializers.DictField(child=serializers.IntegerField(), help_text="Why leads wait, and how many for each.")
    moves = MoveOutput(many=True, help_text="The last 5 times that next_send_at moved, and why.")


class LeadExplainedOutput(ExplainedOutput):
    run_id = serializers.CharField()
    lead_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=Enrollment.Status.values)
    position = serializers.IntegerField(help_text="Of the last step planned.")
