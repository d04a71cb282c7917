"""How mail leaves and comes back. Outgoing Message rows are the ledger: the only truth about what was sent."""

from django.db import models
from django.db.models import Q, UniqueConstraint

from apikeys.models import IngestConnection, OwnedQuerySet, WorkspaceOwned, check_timezone
from leads.models import Lead
from outbound.fields import EncryptedField
from outbound.ids import uuid7
from sending.hit_models import Hit
from sending.imap_models import ImapFolder, ImapWatch, StrayMail
from sending.oauth_models import MailboxGrant

__all__ = [
    "Domain", "Hit", "ImapFolder", "ImapWatch", "Lane", "Mailbox", "MailboxGrant", "Message", "MessageBody",
    "SandboxDelivery", "SendCounter", "StateTransition", "StrayMail", "Thread",
]  # fmt: skip


class Health(models.Model):
    """Where something that sends stands. Only sending/healing.py moves it (and a person, through the same service)."""

    class Phase(models.TextChoices):
        HEALTHY = "healthy"
        WARNING = "warning"
        PAUSED = "paused"
        QUARANTINE = "quarantine"
        RESTRICTED_SEND = "restricted_send"
        WARM_RECOVERY = "warm_recovery"

    phase = models.CharField(max_length=20, default=Phase.HEALTHY)
    # Business time. `phase_until`: when the machine looks again; none when only a person can.
    phase_since = models.DateTimeField(null=True, editable=False)
    phase_until = models.DateTimeField(null=True, editable=False)
    resilience_score = models.PositiveSmallIntegerField(default=50)
    pauses = models.PositiveSmallIntegerField(default=0, editable=False)
    relapses = models.PositiveSmallIntegerField(default=0, editable=False)
    # Of the DNS, in quarantine.
    checks_passed = models.PositiveSmallIntegerField(default=0, editable=False)
    checks_failed = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        abstract = True


class Domain(WorkspaceOwned, Health):
    """A sending domain and its health."""

    name = models.CharField(max_length=253)
    phase_reason = models.CharField(max_length=300, blank=True, default="", editable=False)
    warning_count = models.PositiveIntegerField(default=0, editable=False)

    # What the DNS said last: none while it was not asked, or did not answer.
    spf_ok = models.BooleanField(null=True, editable=False)
    dkim_ok = models.BooleanField(null=True, editable=False)
    dmarc_ok = models.BooleanField(null=True, editable=False)
    dns_detail = models.CharField(max_length=400, blank=True, default="", editable=False)
    dns_checked_at = models.DateTimeField(null=True, editable=False)
    # Who asked us to go slower: {receiver: {"limit", "at"}}, see receivers.py.
    slow_receivers = models.JSONField(default=dict, editable=False)
    dns_due_at = models.DateTimeField(null=True, editable=False)  # business time; none: now
    # Where its DKIM key stands, when its mail server is one of its own.
    dkim_selector = models.CharField(max_length=63, blank=True, default="")
    # Blocklists it is on: {zone: {"since", "confirmed", "critical"}}.
    listings = models.JSONField(default=dict, editable=False)

    objects = OwnedQuerySet.as_manager()

    REASON, NEW_SPELL = "phase_reason", {"checks_passed": 0, "checks_failed": 0}

    class Meta:
        constraints = [UniqueConstraint(fields=["workspace", "name"], name="one_domain_per_name_in_workspace")]

    def __str__(self):
        return self.name

    @property
    def critical_listings(self) -> list[str]:
        return sorted(zone for zone, listing in self.listings.items() if listing["critical"])


class Mailbox(WorkspaceOwned, Health):
    """An address we send from."""

    class Connection(models.TextChoices):
        ACTIVE = "active"
        AUTH_FAILED = "auth_failed"
        UNKNOWN = "unknown"

    class Security(models.TextChoices):
        STARTTLS = "starttls"
        TLS = "tls"
        NONE = "none"

    class SignIn(models.TextChoices):
        PASSWORD = "password"  # noqa: S105  a word
        GOOGLE = "google"
        MICROSOFT = "microsoft"

    email = models.CharField(max_length=254)
    display_name = models.CharField(max_length=120, blank=True, default="")
    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, related_name="mailboxes")
    provider = models.CharField(max_length=20, default="smtp")
    smtp_host = models.CharField(max_length=253, blank=True, default="")
    smtp_port = models.PositiveIntegerField(default=587)
    smtp_security = models.CharField(max_length=10, choices=Security, default=Security.STARTTLS)
    username = models.CharField(max_length=254, blank=True, default="")
    # Of SMTP; a vendor's API key where one sends.
    password = EncryptedField(blank=True, default="")
    # By password, or by a person's consent (MailboxGrant), for SMTP and IMAP alike.
    sign_in = models.CharField(max_length=10, choices=SignIn, default=SignIn.PASSWORD)
    # At a vendor: who confirmed its policy, and where it posts what becomes of the mail.
    policy_confirmed_at = models.DateTimeField(null=True, editable=False)
    policy_confirmed_by = models.CharField(max_length=120, blank=True, default="", editable=False)
    events_at = models.ForeignKey(
        IngestConnection, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    # Where its mail is read; blank: nowhere. User name and password are those of SMTP where these are blank.
    imap_host = models.CharField(max_length=253, blank=True, default="")
    imap_port = models.PositiveIntegerField(default=993)
    imap_security = models.CharField(max_length=10, choices=Security, default=Security.TLS)
    imap_username = models.CharField(max_length=254, blank=True, default="")
    imap_password = EncryptedField(blank=True, default="")
    # For servers that keep no copy of what they send (Google and Microsoft do): we put one into Sent.
    append_to_sent = models.BooleanField(default=False)

    connection_status = models.CharField(max_length=12, choices=Connection, default=Connection.ACTIVE)
    connection_detail = models.CharField(max_length=300, blank=True, default="")
    retry_connection_at = models.DateTimeField(null=True, editable=False)
    paused_reason = models.CharField(max_length=300, blank=True, default="")
    daily_limit = models.PositiveIntegerField(default=30)
    send_gap_seconds = models.PositiveIntegerField(default=17 * 60)
    # No mail leaves before this moment of business time: the gap, reserved with each commit.
    next_free_at = models.DateTimeField(null=True, editable=False)
    last_sent_at = models.DateTimeField(null=True, editable=False)
    total_sent_count = models.PositiveIntegerField(default=0, editable=False)
    hard_bounce_count = models.PositiveIntegerField(default=0, editable=False)

    # Since the phase began (healthy and warning are one spell): what the thresholds are about.
    spell_sent = models.PositiveIntegerField(default=0, editable=False)
    spell_bounced = models.PositiveIntegerField(default=0, editable=False)
    stopped_at = models.DateTimeField(null=True, editable=False)  # when it last went from sending to standing still
    # Recipient providers it does not write to for now: {"google": {"since", "until", "times"}}.
    held_providers = models.JSONField(default=dict, editable=False)
    # The ramp from 5 a day up to the limit: none when the mailbox has none.
    warmup_started_at = models.DateTimeField(null=True, editable=False)
    # Deleted after it has sent: threads keep it, nobody sees it or sends from it.
    retired_at = models.DateTimeField(null=True, editable=False)

    objects = OwnedQuerySet.as_manager()

    REASON, NEW_SPELL = "paused_reason", {**Domain.NEW_SPELL, "spell_sent": 0, "spell_bounced": 0}

    class Meta:
        verbose_name_plural = "mailboxes"
        constraints = [UniqueConstraint(fields=["workspace", "email"], name="one_mailbox_per_email_in_workspace")]

    def __str__(self):
        return self.email


class StateTransition(WorkspaceOwned):
    """One move of a mailbox or a domain from phase to phase. Written once, never changed."""

    class Kind(models.TextChoices):
        MAILBOX = "mailbox"
        DOMAIN = "domain"

    kind = models.CharField(max_length=8, choices=Kind)
    subject_id = models.UUIDField()
    name = models.CharField(max_length=254)  # the address or domain, as it was
    from_phase = models.CharField(max_length=20)
    to_phase = models.CharField(max_length=20)
    reason = models.CharField(max_length=300)
    actor = models.CharField(max_length=40)  # "healing", or who asked

    objects = OwnedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["subject_id", "created_at"], name="transition_of_subject")]

    def __str__(self):
        return f"{self.name}: {self.from_phase} → {self.to_phase}"


class Lane(WorkspaceOwned):
    """A stream of mail that can be shut as a whole. A campaign has one; the post office knows lanes, not campaigns."""

    class State(models.TextChoices):
        OPEN = "open"
        SHUT = "shut"  # may open again
        CLOSED = "closed"  # for ever

    state = models.CharField(max_length=8, choices=State, default=State.SHUT)
    daily_limit = models.PositiveIntegerField(default=50)
    send_gap_seconds = models.PositiveIntegerField(default=17 * 60)
    timezone = models.CharField(max_length=64, default="UTC", validators=[check_timezone])
    track_opens = models.BooleanField(default=False)
    track_clicks = models.BooleanField(default=False)
    reference = models.JSONField(default=dict)  # opaque: stored and repeated for logs

    objects = OwnedQuerySet.as_manager()

    def __str__(self):
        return f"{self.state} lane, {self.daily_limit} a day"


class Thread(WorkspaceOwned):
    """One conversation between one mailbox and one lead."""

    mailbox = models.ForeignKey(Mailbox, on_delete=models.PROTECT, related_name="threads")
    lead = models.ForeignKey(Lead, null=True, on_delete=models.SET_NULL, related_name="threads")
    contact_email = models.CharField(max_length=254)  # as it was: threads keep the old address
    subject = models.CharField(max_length=998, blank=True, default="")
    last_inbound_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    def __str__(self):
        return f"{self.contact_email}: {self.subject}"


class Message(WorkspaceOwned):
    """One e-mail, out or in. Outgoing states and their legal moves: sending/states.py."""

    class Direction(models.TextChoices):
        OUT = "out"
        IN = "in"

    class State(models.TextChoices):
        QUEUED = "queued"
        CLAIMED = "claimed"
        COMMITTED = "committed"
        SENT = "sent"
        REFUSED = "refused"
        UNKNOWN = "unknown"
        CANCELED = "canceled"
        SKIPPED = "skipped"
        RECEIVED = "received"  # every message that came in

    class Kind(models.TextChoices):
        CAMPAIGN = "campaign"
        MANUAL = "manual"
        REPLY = "reply"  # in: a person answered
        AUTO_REPLY = "auto_reply"
        BOUNCE = "bounce"
        COMPLAINT = "complaint"
        UNSUBSCRIBE = "unsubscribe"

    class ReplyClass(models.TextChoices):
        POSITIVE = "positive"
        QUALIFIED = "qualified"
        OBJECTION = "objection"
        REFERRAL = "referral"
        SOFT_NO = "soft_no"
        HARD_NO = "hard_no"
        ANGRY = "angry"
        AUTO = "auto"
        UNCLASSIFIED = "unclassified"

    class ClassBy(models.TextChoices):
        RULES = "rules"
        MODEL = "model"
        PERSON = "person"

    FINAL = (State.SENT, State.REFUSED, State.CANCELED, State.SKIPPED)

    direction = models.CharField(max_length=3, choices=Direction)
    kind = models.CharField(max_length=12, choices=Kind)
    state = models.CharField(max_length=10, choices=State)
    state_reason = models.CharField(max_length=400, blank=True, default="")
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    mailbox = models.ForeignKey(Mailbox, on_delete=models.PROTECT, related_name="messages")
    lane = models.ForeignKey(Lane, null=True, on_delete=models.PROTECT, related_name="messages")
    lead = models.ForeignKey(Lead, null=True, on_delete=models.SET_NULL, related_name="messages")
    # For a bounce or reply: the outgoing message it is about.
    answers = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="answered_by")
    from_email = models.CharField(max_length=254)
    to_email = models.CharField(max_length=254)
    subject = models.CharField(max_length=998, blank=True, default="")
    rfc_message_id = models.CharField(max_length=998, db_index=True)
    provider_message_id = models.CharField(max_length=255, blank=True, default="", db_index=True)
    in_reply_to = models.CharField(max_length=998, blank=True, default="")
    references = models.TextField(blank=True, default="")

    # Business time.
    send_at = models.DateTimeField(null=True)
    not_after = models.DateTimeField(null=True)
    # When the first of the messages that were tried in vain in this one's place was made.
    tried_since = models.DateTimeField(null=True)
    # A reply, bounce or opt-out of the lead at or after this moment stops the message.
    stops_after = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)  # sent, refused, canceled or skipped at; received at

    # Real time.
    attempt = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    committed_at = models.DateTimeField(null=True)
    # What the commit reserved, to give back when the server says "later": {"mailbox_day": id, "lane_day": id}.
    reserved = models.JSONField(default=dict)
    # As the last commit saw them, for the audits: each cap it reserved under ({"mailbox_day": 30}), its moment in
    # business time (the day it counted for), and when it let its mailbox's gap end.
    caps = models.JSONField(default=dict)
    departed_at = models.DateTimeField(null=True)
    next_free_at = models.DateTimeField(null=True)
    # What a reply means (sending/reply_classes.py), how sure that is (0 to 1), and who says so; "" for other mail.
    reply_class = models.CharField(max_length=12, choices=ReplyClass, blank=True, default="")
    class_confidence = models.FloatField(null=True)
    class_by = models.CharField(max_length=6, choices=ClassBy, blank=True, default="")
    class_unsure = models.BooleanField(default=False)  # the rules are not, and the model has not been asked
    # When a hard bounce of this mail of ours came in.
    hard_bounced_at = models.DateTimeField(null=True)
    collected = models.BooleanField(default=False)  # set by the floor above once it has acted on the outcome

    earlier_ids: list[str] | None = None  # of its thread, where letters.know_threads() has looked; no column

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            UniqueConstraint(fields=["mailbox", "rfc_message_id"], name="one_message_per_id_in_mailbox"),
            models.CheckConstraint(
                condition=Q(direction="in", state="received") | Q(direction="out") & ~Q(state="received"),
                name="only_incoming_mail_is_received",
            ),
        ]
        indexes = [
            # For claim(): what may leave now.
            models.Index(fields=["mailbox", "send_at"], condition=Q(state="queued"), name="message_due"),
            # For the reaper, every 10 s.
            models.Index(fields=["lease_until"], condition=Q(state__in=["claimed", "committed"]), name="message_held"),
            # For campaigns.runner: outcomes not yet acted on.
            models.Index(
                fields=["settled_at"],
                condition=Q(collected=False, state__in=["sent", "refused", "canceled", "skipped", "received"]),
                name="message_uncollected",
            ),
            # For the bounce rates of a mailbox and a domain.
            models.Index(
                fields=["mailbox", "hard_bounced_at"],
                condition=Q(hard_bounced_at__isnull=False),
                name="message_hard_bounced",
            ),
            models.Index(fields=["mailbox", "-settled_at"], condition=Q(state="sent"), name="message_sent_lately"),
            models.Index(fields=["lane", "state"], name="message_of_lane"),
            # For the list of parked mails.
            models.Index(fields=["workspace", "-created_at"], condition=Q(state="unknown"), name="message_parked"),
            models.Index(fields=["thread", "created_at"], name="message_of_thread"),
            # For sending.judging: replies to ask the model about.
            models.Index(fields=["created_at"], condition=Q(class_unsure=True), name="message_class_unsure"),
        ]

    def __str__(self):
        return f"{self.to_email}: {self.subject}"


class MessageBody(models.Model):
    """What a message says, apart from the ledger so that the ledger stays small."""

    message = models.OneToOneField(Message, primary_key=True, on_delete=models.CASCADE, related_name="body")
    html = models.TextField(blank=True, default="")
    text = models.TextField(blank=True, default="")
    # The exact bytes, made on the first attempt; every retry sends the same.
    raw = models.BinaryField(null=True)
    sha256 = models.CharField(max_length=64, blank=True, default="")
    # The same for a transport that speaks HTTP (sending/handover.py); real time, and which account's key went with it.
    request = models.BinaryField(null=True)
    handed_at = models.DateTimeField(null=True)
    handed_to = models.CharField(max_length=16, blank=True, default="")
    # Where the tracked links in `raw` lead: stored with it, and the only places a click is sent on to.
    links = models.JSONField(default=list)


class SendCounter(models.Model):
    """How many of a cap's slots a day has used. Reserved inside the commit, so no number of workers can overshoot."""

    id = models.CharField(primary_key=True, max_length=100)  # "mailbox:<id>:<day>" or "lane:<id>:<day>"
    workspace_id = models.UUIDField(db_index=True)
    day = models.DateField()
    used = models.PositiveIntegerField(default=0)


class SandboxDelivery(models.Model):
    """The sandbox's outbox: what a test workspace's mail server accepted, and how its recipient will react."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace_id = models.UUIDField(db_index=True)
    rfc_message_id = models.CharField(max_length=998, unique=True)
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="+")
    to_email = models.CharField(max_length=254)
    raw = models.BinaryField()
    reaction = models.CharField(max_length=14, blank=True, default="")
    react_at = models.DateTimeField(null=True)  # business time
    reacted = models.BooleanField(default=False)
    accepted_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "sandbox deliveries"
        indexes = [models.Index(fields=["react_at"], condition=Q(reacted=False), name="sandbox_reaction_due")]
