"""Workspaces live here, since every table points at one: this is the lowest floor. Beside them, who may come in
(people, keys), what we answered them (idempotency) and what happened (events)."""

import secrets
import zoneinfo
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q, UniqueConstraint
from django.utils.timezone import now

from apikeys.notice_models import Notice
from outbound.fields import EncryptedField
from outbound.ids import uuid7

__all__ = [
    "ApiKey", "Event", "IngestConnection", "IngestedMessage", "Membership", "Notice", "OwnedQuerySet", "StoredResponse",
    "WebhookDelivery", "WebhookEndpoint", "Workspace", "WorkspaceOwned", "check_timezone", "new_opt_out_key",
    "new_seed",
]  # fmt: skip


def check_timezone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"{name} is not an IANA timezone, such as Europe/Madrid.")


def new_opt_out_key() -> str:
    return secrets.token_hex(32)


def new_seed() -> str:
    return secrets.token_hex(8)


class Workspace(models.Model):
    """One tenant: its leads, campaigns, mailboxes, keys. Live or test for ever."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    livemode = models.BooleanField(default=True, help_text="A test workspace sends no mail and calls no model.")
    timezone = models.CharField(max_length=64, default="UTC", validators=[check_timezone])
    postal_address = models.CharField(
        max_length=300, blank=True, help_text="Stands at the foot of every mail; a live launch needs it."
    )
    public_url = models.URLField(blank=True, help_text="Where unsubscribe links point; PUBLIC_URL when blank.")
    tracking_url = models.URLField(
        blank=True, help_text="Where tracked links and images point, https when live; the public URL when blank."
    )
    tier = models.CharField(max_length=20, default="self_hosted")
    status = models.CharField(max_length=20, default="active")
    confirm_launch_above = models.PositiveIntegerField(
        default=500, help_text="A tool's launch to more leads than this needs the confirm_token of its dry run."
    )
    require_validation = models.BooleanField(
        default=False, help_text="Leads wait until their address was validated, at enrollment and again at each mail."
    )
    ai_monthly_limit = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)],
        help_text="Dollars a calendar month (UTC) for the model; AI_MONTHLY_LIMIT when blank.",
    )  # fmt: skip
    sandbox_seed = models.CharField(
        max_length=40,
        default=new_seed,
        help_text="A test workspace's: the same story with the same seed ends the same.",
    )
    # Keys the hashes of suppressed addresses. In the row: a rotated setting would forget opt-outs.
    opt_out_key = EncryptedField(default=new_opt_out_key, editable=False)
    # How far a test workspace's clock was turned forward. Always zero for a live one.
    clock_offset = models.DurationField(default=timedelta)
    # Once a webhook endpoint was made this stays set: every event asks it before it asks for endpoints.
    has_webhooks = models.BooleanField(default=False, editable=False)
    # Events up to here were looked at for the owners' notices; by its own clock.
    noticed_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(livemode=False) | Q(clock_offset=timedelta(0)), name="a_live_workspace_keeps_real_time"
            )
        ]

    def __str__(self):
        return self.name

    def clean(self):
        if self.livemode and self.tracking_url and not self.tracking_url.startswith("https://"):
            raise ValidationError({"tracking_url": "Give an address that starts with https://."})

    def chance(self, row_id, *facts) -> str:
        """What a choice that looks like chance is made from: the row's id; in a test workspace its seed and the facts,
        which are the same when the story is told again."""
        return str(row_id) if self.livemode else "|".join(map(str, (self.sandbox_seed, *facts)))


class WorkspaceOwned(models.Model):
    """A row of one tenant. Read through `.for_workspace()`, and another tenant's row is simply not there."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        abstract = True


class OwnedQuerySet(models.QuerySet):
    def for_workspace(self, workspace):
        return self.filter(workspace=workspace)


class Membership(WorkspaceOwned):
    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        MEMBER = "member"
        VIEWER = "viewer"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    notices = models.BooleanField(
        default=True, help_text="Mails to an owner when replies wait, a mailbox is in trouble or a mail is parked."
    )

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [UniqueConstraint(fields=["workspace", "user"], name="one_role_per_person_in_workspace")]

    def __str__(self):
        return f"{self.user} · {self.role}"


class ApiKey(WorkspaceOwned):
    """A digest, a name, scopes and dates. The raw key is shown once and kept nowhere."""

    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=24, help_text="Scheme and first eight characters, to recognise it by.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    ai_monthly_limit = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)],
        help_text="Dollars a calendar month (UTC) that this key may have spent on the model; blank: the workspace's.",
    )  # fmt: skip
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"

    def __str__(self):
        return f"{self.name} ({self.prefix}…)"


class StoredResponse(models.Model):
    """What we answered to an Idempotency-Key. Commits with the effect, so there is never one without the other."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    caller = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=255)
    body_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    data = models.JSONField(null=True)
    created_at = models.DateTimeField(default=now, editable=False, db_index=True)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["caller", "key", "method", "path"], name="one_answer_per_idempotency_key")
        ]


class EventQuerySet(OwnedQuerySet):
    def newest_first(self):
        return self.order_by("-created_at", "-id")


class Event(WorkspaceOwned):
    """Something that happened, in a sentence and as data. Never edited. Plain ids: it outlives what it describes."""

    kind = models.CharField(max_length=60)
    summary = models.CharField(max_length=400)
    data = models.JSONField(default=dict)
    campaign_id = models.UUIDField(null=True)
    lead_id = models.UUIDField(null=True)
    message_id = models.UUIDField(null=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [
            # For the log of a run and of a lead, newest first.
            models.Index(fields=["campaign_id", "-created_at"], name="event_of_campaign"),
            models.Index(fields=["lead_id", "-created_at"], name="event_of_lead"),
            models.Index(fields=["workspace", "-created_at"], name="event_of_workspace"),
        ]

    def __str__(self):
        return f"{self.kind}: {self.summary}"


class WebhookEndpoint(WorkspaceOwned):
    """Where to tell what happened, which kinds of it, and what we sign with."""

    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, blank=True, default="")
    kinds = models.JSONField(default=list)  # EVENT_KINDS, or ["*"]
    secret = EncryptedField(editable=False)
    # After a rotation both sign until this moment of the workspace's clock.
    old_secret = EncryptedField(default="", editable=False)
    old_secret_until = models.DateTimeField(null=True, editable=False)
    enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=300, blank=True, default="", editable=False)
    disabled_at = models.DateTimeField(null=True, editable=False)
    dead_in_a_row = models.PositiveSmallIntegerField(default=0, editable=False)

    objects = OwnedQuerySet.as_manager()

    def __str__(self):
        return self.url


class WebhookDelivery(WorkspaceOwned):
    """One event on its way to one endpoint: what is sent, when next, and how every try ended. Also the outbox."""

    class State(models.TextChoices):
        PENDING = "pending"
        SENDING = "sending"
        DELIVERED = "delivered"
        DEAD = "dead"

    OPEN = (State.PENDING, State.SENDING)

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    event_id = models.UUIDField(null=True)  # a plain id; null for a test event
    kind = models.CharField(max_length=60)
    body = models.TextField()  # the very text that is signed, the same at every try
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    due_at = models.DateTimeField()  # by the workspace's clock
    tries = models.PositiveSmallIntegerField(default=0)  # since it was queued or replayed
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)  # real time
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=300, blank=True, default="")
    response_body = models.TextField(blank=True, default="")  # of the last answer, 4 KB at most
    history = models.JSONField(default=list)  # [{at, status_code, error, milliseconds}], the last 50
    finished_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            UniqueConstraint(fields=["endpoint", "event_id"], name="an_event_goes_to_an_endpoint_once"),
        ]
        indexes = [
            # For what is due, every 10 seconds, and what is in hand.
            models.Index(
                fields=["endpoint", "due_at"],
                condition=Q(state__in=["pending", "sending"]),
                name="webhook_delivery_open",
            ),
            # For an endpoint's log, newest first.
            models.Index(fields=["endpoint", "-created_at", "-id"], name="webhook_delivery_log"),
        ]

    def __str__(self):
        return f"{self.kind} to {self.endpoint_id}"


class IngestConnection(WorkspaceOwned):
    """One sender that may post to us, at an address of its own. No workspace: the operator's, for all."""

    class Source(models.TextChoices):
        CLAY = "clay"
        RESEND = "resend"
        BILLING = "billing"

    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=20, choices=Source)
    name = models.CharField(max_length=80, blank=True, default="")
    secret = EncryptedField(editable=False)
    last_received_at = models.DateTimeField(null=True, editable=False)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(workspace=None, source="billing") | (Q(workspace__isnull=False) & ~Q(source="billing")),
                name="billing_and_nothing_else_is_for_all_workspaces",
            )
        ]

    def __str__(self):
        return f"{self.source} {self.name}".strip()


class IngestedMessage(models.Model):
    """One verified message that came in: kept until it is worked off, then remembered, so that it acts once."""

    class State(models.TextChoices):
        QUEUED = "queued"
        WORKING = "working"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    connection = models.ForeignKey(IngestConnection, on_delete=models.CASCADE, related_name="messages")
    dedupe_key = models.CharField(max_length=64)  # SHA-256 of the sender's id, or of the body
    body = models.BinaryField(null=True)  # emptied once it is worked off
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    tries = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    outcome = models.JSONField(default=dict)  # what it brought, or {"reason": …}
    created_at = models.DateTimeField(default=now, editable=False)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [UniqueConstraint(fields=["connection", "dedupe_key"], name="a_message_acts_once")]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(state__in=["queued", "working"]), name="ingested_open"),
            models.Index(fields=["connection", "-created_at", "-id"], name="ingested_log"),
        ]
