"""What mailboxes and domains look like from outside (Superkabe §7.6, §7.7); REST and MCP use the same classes."""

from rest_framework import serializers

from outbound.api.serializers import Input, Moment, Output, Text, moment
from sending import limits
from sending.mailboxes import is_ramping
from sending.models import Domain, Mailbox

# The phase in the contract's words (decisions §4).
SHOWN = {
    "healthy": "active", "warning": "active", "paused": "paused", "quarantine": "quarantine",
    "restricted_send": "restricted", "warm_recovery": "healing",
}  # fmt: skip
STATUSES = tuple(dict.fromkeys(SHOWN.values()))
RECOVERY = ("paused", "quarantine", "restricted_send", "warm_recovery")
PLATFORM = "sequencer"  # what sends is ours; others' platforms come with their connections


class HealthOutput(Output):
    status = serializers.SerializerMethodField(help_text=", ".join(STATUSES))
    recovery_phase = serializers.SerializerMethodField(help_text=f"null when healthy; {', '.join(RECOVERY)}")

    def get_status(self, row) -> str:
        return SHOWN[row.phase]

    def get_recovery_phase(self, row) -> str | None:
        return row.phase if row.phase in RECOVERY else None


class MailboxOutput(HealthOutput):
    id = serializers.CharField()
    email = serializers.CharField()
    source_platform = serializers.SerializerMethodField(help_text="sequencer: this server sends.")
    smtp_status = serializers.SerializerMethodField(help_text="ok, degraded, failing or unknown")
    imap_status = serializers.SerializerMethodField(help_text="unknown: nothing is read over IMAP yet.")
    total_sent_count = serializers.IntegerField()
    hard_bounce_count = serializers.IntegerField()
    warmup_status = serializers.SerializerMethodField(help_text="off, active or paused: the ramp up to daily_limit.")
    warmup_reputation = serializers.SerializerMethodField(
        help_text="0 to 100: how much of the ramp is done, 10 less for each percent of hard bounces."
    )
    resilience_score = serializers.IntegerField(help_text="0 to 100; it starts at 50.")
    display_name = Text()
    domain = serializers.CharField(source="domain.name")
    daily_limit = serializers.IntegerField()
    cap_today = serializers.SerializerMethodField(help_text="daily_limit, or less while it ramps up or recovers.")
    sent_today = serializers.IntegerField()
    send_gap_minutes = serializers.SerializerMethodField()
    connection_detail = Text(help_text="What the last failed connection said.")
    phase_reason = Text(source="paused_reason")
    phase_since = Moment()
    phase_until = serializers.SerializerMethodField(
        help_text="When it is looked at again; null when it is healthy, or only a person can resume it."
    )
    last_sent_at = Moment()

    def get_source_platform(self, mailbox) -> str:
        return PLATFORM

    def get_smtp_status(self, mailbox) -> str:
        if mailbox.connection_status == Mailbox.Connection.AUTH_FAILED:
            return "failing"
        if mailbox.connection_status == Mailbox.Connection.UNKNOWN:
            return "unknown"
        return "degraded" if mailbox.connection_detail else "ok"

    def get_imap_status(self, mailbox) -> str:
        return "unknown"

    def get_warmup_status(self, mailbox) -> str:
        if not is_ramping(mailbox, mailbox.now):
            return "off"
        return "active" if mailbox.phase in limits.MAY_SEND else "paused"

    def get_warmup_reputation(self, mailbox) -> int:
        lost = 1000 * mailbox.hard_bounce_count / max(mailbox.total_sent_count, mailbox.hard_bounce_count, 1)
        return max(0, round(100 * limits.ramp_share(mailbox, mailbox.now) - lost))

    def get_cap_today(self, mailbox) -> int:
        return limits.cap_of(mailbox, mailbox.now)

    def get_phase_until(self, mailbox) -> str | None:
        return None if mailbox.phase == "healthy" else moment(mailbox.phase_until)

    def get_send_gap_minutes(self, mailbox) -> int:
        return -(-mailbox.send_gap_seconds // 60)


class TestOutput(Output):
    __test__ = False  # not pytest's

    works = serializers.BooleanField()
    message = serializers.CharField()


class DomainOutput(HealthOutput):
    id = serializers.CharField()
    domain = serializers.CharField(source="name")
    source_platform = serializers.SerializerMethodField()
    total_sent_lifetime = serializers.IntegerField(source="sent")
    total_opens = serializers.SerializerMethodField(help_text="0 while opens are not tracked.")
    total_clicks = serializers.SerializerMethodField(help_text="0 while clicks are not tracked.")
    total_replies = serializers.IntegerField(source="replies")
    aggregated_bounce_rate_trend = serializers.FloatField(source="bounce_rate", help_text="Percent, of the last 24 h.")
    warning_count = serializers.IntegerField()
    resilience_score = serializers.IntegerField()
    phase_reason = Text()
    spf = serializers.BooleanField(source="spf_ok", allow_null=True, help_text="null: not asked, or no answer.")
    dkim = serializers.BooleanField(source="dkim_ok", allow_null=True)
    dmarc = serializers.BooleanField(source="dmarc_ok", allow_null=True)
    infrastructure_score = serializers.SerializerMethodField(
        help_text="100, less 25 without SPF, 20 without DKIM, 15 without DMARC; null while the DNS was not asked."
    )
    dns_detail = Text()
    dns_checked_at = Moment()

    def get_source_platform(self, domain) -> str:
        return PLATFORM

    def get_total_opens(self, domain) -> int:
        return 0

    def get_total_clicks(self, domain) -> int:
        return 0

    def get_infrastructure_score(self, domain: Domain) -> int | None:
        if domain.dns_checked_at is None:
            return None
        missing = ((domain.spf_ok, 25), (domain.dkim_ok, 20), (domain.dmarc_ok, 15))
        return 100 - sum(points for holds, points in missing if not holds)


class MailboxChangeInput(Input):
    display_name = serializers.CharField(max_length=120, required=False, allow_blank=True, help_text="Shown as sender.")
    smtp_host = serializers.CharField(max_length=253, required=False, help_text="The server that takes its mail.")
    smtp_port = serializers.IntegerField(min_value=1, max_value=65535, required=False, help_text="Mostly 587 or 465.")
    smtp_security = serializers.ChoiceField(choices=Mailbox.Security.choices, required=False, help_text="Encryption.")
    username = serializers.CharField(max_length=254, required=False, allow_blank=True, help_text="To sign in with.")
    password = serializers.CharField(
        max_length=1000, required=False, allow_blank=True, trim_whitespace=False, write_only=True,
        help_text="Kept encrypted and never shown.",
    )  # fmt: skip
    daily_limit = serializers.IntegerField(min_value=1, max_value=10_000, required=False, help_text="Mails a day.")
    send_gap_minutes = serializers.IntegerField(
        min_value=0, max_value=1440, required=False, help_text="Between two campaign mails."
    )
    warmup = serializers.BooleanField(required=False, help_text="Ramp up from 5 a day to daily_limit in 14 days.")

    def validate(self, attrs):
        if "send_gap_minutes" in attrs:
            attrs["send_gap_seconds"] = 60 * attrs.pop("send_gap_minutes")
        return attrs


class MailboxInput(MailboxChangeInput):
    email = serializers.EmailField(max_length=254, help_text="The address to send from.")

    def validate(self, attrs):
        if self.context["workspace"].livemode and not attrs.get("smtp_host"):
            raise serializers.ValidationError({"smtp_host": ["Say which server takes its mail, such as smtp.you.com."]})
        return super().validate(attrs | {"email": attrs["email"].lower()})
