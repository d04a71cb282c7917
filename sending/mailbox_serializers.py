"""What mailboxes and domains look like from outside (Superkabe §7.6, §7.7); REST and MCP use the same classes."""

from datetime import datetime

from rest_framework import serializers

from outbound.api.serializers import Flag, Input, Moment, Output, Text, moment
from sending import limits, reading
from sending.dns_watch import infrastructure_score
from sending.mailboxes import is_ramping
from sending.models import Domain, Mailbox
from sending.oauth_vendors import VENDORS
from sending.outlook import outlook
from sending.presets import PRESETS, with_preset
from sending.vendors import SECRET, events_path

# The phase in the contract's words (decisions §4).
SHOWN = {
    "healthy": "active", "warning": "active", "paused": "paused", "quarantine": "quarantine",
    "restricted_send": "restricted", "warm_recovery": "healing",
}  # fmt: skip
STATUSES = tuple(dict.fromkeys(SHOWN.values()))
RECOVERY = ("paused", "quarantine", "restricted_send", "warm_recovery")
PLATFORM = "sequencer"  # what sends is ours
AT_A_VENDOR = ("resend",)
OF_A_VENDOR = ("api_key", "webhook_secret", "confirm_policy")
OF_SMTP = ("smtp_host", "smtp_port", "smtp_security", "username", "password", "preset", "sign_in")


class HealthOutput(Output):
    status = serializers.SerializerMethodField(help_text=", ".join(STATUSES))
    recovery_phase = serializers.SerializerMethodField(help_text=f"null when healthy; {', '.join(RECOVERY)}")

    next_step = serializers.SerializerMethodField(help_text="What comes next by itself, or who must act; or null.")
    next_step_at = serializers.SerializerMethodField(help_text="When, at the earliest; null when nobody can say.")

    def get_status(self, row) -> str:
        return SHOWN[row.phase]

    def get_next_step(self, row) -> str | None:
        return outlook(row)[0]

    def get_next_step_at(self, row) -> str | None:
        return moment(outlook(row)[1])

    def get_recovery_phase(self, row) -> str | None:
        return row.phase if row.phase in RECOVERY else None


class HeldProviderOutput(Output):
    provider = serializers.CharField(help_text="Such as google or microsoft.")
    since = Moment()
    until = Moment()


class MailboxOutput(HealthOutput):
    id = serializers.CharField()
    email = serializers.CharField()
    source_platform = serializers.SerializerMethodField(help_text="sequencer: this server sends by SMTP; resend.")
    smtp_status = serializers.SerializerMethodField(help_text="ok, degraded, failing or unknown")
    imap_status = serializers.SerializerMethodField(help_text="ok, degraded, failing, or unknown: not read over IMAP.")
    total_sent_count = serializers.IntegerField()
    hard_bounce_count = serializers.IntegerField()
    warmup_status = serializers.SerializerMethodField(help_text="off, active or paused: the ramp up to daily_limit.")
    warmup_reputation = serializers.SerializerMethodField(
        help_text="0 to 100: how much of the ramp is done, 10 less for each percent of hard bounces."
    )
    resilience_score = serializers.IntegerField(help_text="0 to 100; it starts at 50.")
    display_name = Text()
    sign_in = serializers.CharField(help_text="password, google or microsoft")
    domain = serializers.CharField(source="domain.name")
    daily_limit = serializers.IntegerField()
    cap_today = serializers.SerializerMethodField(help_text="daily_limit, or less while it ramps up or recovers.")
    sent_today = serializers.IntegerField()
    send_gap_minutes = serializers.SerializerMethodField()
    imap_detail = serializers.SerializerMethodField(help_text="What the last look that failed said.")
    imap_lag_seconds = serializers.SerializerMethodField(
        help_text="How old the last complete look into its folders is; null while there was none."
    )
    sent_folder_proves = serializers.SerializerMethodField(
        help_text="Whether its Sent folder settles a send of unknown fate: three in a row were found there in time."
    )
    append_to_sent = serializers.BooleanField(help_text="Whether we put a copy of what is sent into its Sent folder.")
    connection_detail = Text(help_text="What the last failed connection said.")
    phase_reason = Text(source="paused_reason")
    phase_since = Moment(allow_null=True)
    phase_until = serializers.SerializerMethodField(
        help_text="When it is looked at again; null when it is healthy, or only a person can resume it."
    )
    held_providers = serializers.SerializerMethodField(
        help_text="Receivers it does not write to for now, since its bounces were from there; others' mail goes on."
    )
    last_sent_at = Moment(allow_null=True)

    def get_held_providers(self, mailbox) -> HeldProviderOutput(many=True):
        held = limits.held_providers(mailbox, mailbox.now)
        return HeldProviderOutput(held, many=True).data

    policy_confirmed_at = Moment(allow_null=True, help_text="When somebody confirmed the vendor's policy.")
    policy_confirmed_by = Text(help_text="Who: the name of a key or a person.")
    events_path = serializers.SerializerMethodField(
        help_text="Where the vendor is to post its events, under this server's address; null without a vendor."
    )

    def get_events_path(self, mailbox) -> str | None:
        return events_path(mailbox)

    def get_source_platform(self, mailbox) -> str:
        return mailbox.provider if mailbox.provider in AT_A_VENDOR else PLATFORM

    def get_smtp_status(self, mailbox) -> str:
        if mailbox.connection_status == Mailbox.Connection.AUTH_FAILED:
            return "failing"
        if mailbox.connection_status == Mailbox.Connection.UNKNOWN:
            return "unknown"
        return "degraded" if mailbox.connection_detail else "ok"

    def get_imap_status(self, mailbox) -> str:
        return reading.status_of(mailbox)

    def get_imap_detail(self, mailbox) -> str:
        watch = reading.watch_of(mailbox)
        return watch.detail if watch else ""

    def get_imap_lag_seconds(self, mailbox) -> int | None:
        return reading.lag_of(mailbox)

    def get_sent_folder_proves(self, mailbox) -> bool:
        return reading.sent_folder_proves(mailbox)

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
    advice = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="By field, what settings like these mostly lack; empty when it works.",
    )
    domain = serializers.CharField(help_text="What its domain's SPF, DKIM, DMARC and blocklists say.")
    domain_holds = serializers.BooleanField(help_text="Whether all of them are as they should be.")


class AuthorizeInput(Input):
    vendor = serializers.ChoiceField(
        choices=sorted(VENDORS), required=False, help_text="Absent: the one that the mailbox signs in with."
    )


class AuthorizeOutput(Output):
    url = serializers.CharField(help_text="Open it in a browser, signed in here, and consent as the mailbox's owner.")
    vendor = serializers.CharField()


class ListingOutput(Output):
    blocklist = serializers.CharField()
    critical = serializers.BooleanField(help_text="Pauses the domain once it is confirmed.")
    confirmed = serializers.BooleanField(help_text="Seen twice, at least an hour apart.")
    since = Moment()


class TransitionOutput(Output):
    from_phase = serializers.CharField()
    to_phase = serializers.CharField()
    reason = serializers.CharField()
    actor = serializers.CharField(help_text="healing, or person.")
    created_at = Moment()


class DomainOutput(HealthOutput):
    id = serializers.CharField()
    domain = serializers.CharField(source="name")
    source_platform = serializers.SerializerMethodField()
    total_sent_lifetime = serializers.IntegerField(source="sent")
    total_opens = serializers.IntegerField(source="opens", help_text="Mails opened by people; 0 while not tracked.")
    total_clicks = serializers.IntegerField(source="clicks", help_text="Mails clicked by people; 0 while not tracked.")
    total_replies = serializers.IntegerField(source="replies")
    aggregated_bounce_rate_trend = serializers.FloatField(source="bounce_rate", help_text="Percent, of the last 24 h.")
    warning_count = serializers.IntegerField()
    resilience_score = serializers.IntegerField()
    phase_reason = Text()
    phase_since = Moment()
    phase_until = serializers.SerializerMethodField(
        help_text="When it is looked at again; null when it is healthy, or only a person can resume it."
    )
    spf = serializers.BooleanField(source="spf_ok", allow_null=True, help_text="null: not asked, or no answer.")
    dkim = serializers.BooleanField(source="dkim_ok", allow_null=True)
    dmarc = serializers.BooleanField(source="dmarc_ok", allow_null=True)
    infrastructure_score = serializers.SerializerMethodField(
        help_text="100, less 25 without SPF, 20 without DKIM, 15 without DMARC, 30 for each blocklist it is on; null "
        "while the DNS was not asked."
    )
    listings = serializers.SerializerMethodField(help_text="Blocklists it is on.")
    dkim_selector = Text(help_text="Where its DKIM key stands, if you said so.")
    dns_detail = Text()
    dns_checked_at = Moment(allow_null=True)

    def get_source_platform(self, domain) -> str:
        return PLATFORM

    def get_infrastructure_score(self, domain: Domain) -> int | None:
        return infrastructure_score(domain)

    def get_phase_until(self, domain) -> str | None:
        return None if domain.phase == "healthy" else moment(domain.phase_until)

    def get_listings(self, domain) -> ListingOutput(many=True):
        rows = [{"blocklist": zone, **each, "since": datetime.fromisoformat(each["since"])} for zone, each in
                sorted(domain.listings.items())]  # fmt: skip
        return ListingOutput(rows, many=True).data


class DomainChangeInput(Input):
    dkim_selector = serializers.RegexField(
        r"^([A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?)?$", max_length=63, allow_blank=True,
        help_text="The name before ._domainkey of its DKIM key; empty: the provider's usual ones.",
    )  # fmt: skip


class MailboxChangeInput(Input):
    display_name = serializers.CharField(max_length=120, required=False, allow_blank=True, help_text="Shown as sender.")
    smtp_host = serializers.CharField(max_length=253, required=False, help_text="The server that takes its mail.")
    smtp_port = serializers.IntegerField(min_value=1, max_value=65535, required=False, help_text="Mostly 587 or 465.")
    smtp_security = serializers.ChoiceField(choices=Mailbox.Security.values, required=False, help_text="Encryption.")
    username = serializers.CharField(max_length=254, required=False, allow_blank=True, help_text="To sign in with.")
    password = serializers.CharField(
        max_length=1000, required=False, allow_blank=True, trim_whitespace=False, write_only=True,
        help_text="Kept encrypted and never shown.",
    )  # fmt: skip
    preset = serializers.ChoiceField(
        choices=sorted(PRESETS), required=False,
        help_text="The provider: its servers, unless others are given. Absent: by the address or its domain's MX.",
    )  # fmt: skip
    imap_host = serializers.CharField(
        max_length=253, required=False, allow_blank=True, help_text="Where its mail is read; blank: nowhere."
    )
    imap_port = serializers.IntegerField(min_value=1, max_value=65535, required=False, help_text="Mostly 993.")
    imap_security = serializers.ChoiceField(choices=Mailbox.Security.values, required=False, help_text="Encryption.")
    imap_username = serializers.CharField(
        max_length=254, required=False, allow_blank=True, help_text="Blank: as for sending."
    )
    imap_password = serializers.CharField(
        max_length=1000, required=False, allow_blank=True, trim_whitespace=False, write_only=True,
        help_text="Blank: as for sending. Kept encrypted and never shown.",
    )  # fmt: skip
    append_to_sent = Flag(
        required=False, help_text="Put a copy of what is sent into its Sent folder, where the server does not."
    )
    daily_limit = serializers.IntegerField(min_value=1, max_value=10_000, required=False, help_text="Mails a day.")
    send_gap_minutes = serializers.IntegerField(
        min_value=0, max_value=1440, required=False, help_text="Between two campaign mails."
    )
    warmup = Flag(required=False, help_text="Ramp up from 5 a day to daily_limit in 14 days.")
    api_key = serializers.CharField(
        max_length=200, required=False, write_only=True, help_text="Of the vendor. Kept encrypted and never shown."
    )
    webhook_secret = serializers.RegexField(
        SECRET, required=False, write_only=True, help_text="The vendor's signing secret of events_path, whsec_…"
    )

    def validate(self, attrs):
        if "api_key" in attrs:
            if clash := next((name for name in OF_SMTP if name in attrs), None):
                raise serializers.ValidationError({clash: ["This is of SMTP; with an api_key a vendor sends."]})
            attrs["password"] = attrs.pop("api_key")
        if "send_gap_minutes" in attrs:
            attrs["send_gap_seconds"] = 60 * attrs.pop("send_gap_minutes")
        return with_preset(attrs)


class MailboxInput(MailboxChangeInput):
    email = serializers.EmailField(max_length=254, help_text="The address to send from.")
    sign_in = serializers.ChoiceField(
        choices=Mailbox.SignIn.values, required=False,
        help_text="google, microsoft: without a password, once a person has consented (POST /mailboxes/:id/authorize).",
    )  # fmt: skip
    provider = serializers.ChoiceField(
        choices=["smtp", *AT_A_VENDOR], default="smtp", help_text="smtp, or the vendor that sends, with an api_key."
    )
    confirm_policy = Flag(
        required=False, help_text="At a vendor: that you have read its policy and keep to it. The refusal names it."
    )

    def validate(self, attrs):
        given = [name for name in OF_A_VENDOR if name in attrs]
        if given and attrs["provider"] not in AT_A_VENDOR:
            sentence = "This is of a vendor. Name it as provider, such as resend."
            raise serializers.ValidationError({given[0]: [sentence]})
        return super().validate(attrs | {"email": attrs["email"].lower()})
