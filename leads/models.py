"""The people we may write to, and what we know of them."""

from django.db import models
from django.db.models import Q, UniqueConstraint
from django.db.models.functions import Lower

from apikeys.models import OwnedQuerySet, WorkspaceOwned
from leads.generation_models import GenerationCall, GenerationJob, MessageBatch, ModelPrice
from leads.querysets import LeadQuerySet, SuppressionQuerySet

__all__ = [
    "Arrival", "DomainFact", "GenerationCall", "GenerationJob", "Group", "GroupMember", "Import", "Lead",
    "MessageBatch", "ModelPrice", "Suppression", "ValidationCredits", "Variable", "VariableValue",
]  # fmt: skip


class Import(WorkspaceOwned):
    """One file or array that came in: what it brought, what it refused and why."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    filename = models.CharField(max_length=200, blank=True)
    content_type = models.CharField(max_length=100, blank=True)
    content = models.BinaryField(null=True)  # emptied once it is read in
    options = models.JSONField(default=dict)  # mapping, dry_run, on_duplicate, groups
    mapping = models.JSONField(default=dict)  # column → field, as used
    total = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    suppressed = models.PositiveIntegerField(default=0)
    problems = models.JSONField(default=list)  # [{line, email, reason}], the first 1,000
    failure = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    token = models.UUIDField(null=True, editable=False)  # of the reader whose lease it is
    lease_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    def __str__(self):
        return self.filename or f"import {self.id}"


class Lead(WorkspaceOwned):
    """A person we may write to, unique by e-mail address in a workspace."""

    class Status(models.TextChoices):
        HELD = "held"
        ACTIVE = "active"
        PAUSED = "paused"
        BLOCKED = "blocked"

    email = models.CharField(max_length=254)  # lower-case, IDNA
    email_domain = models.CharField(max_length=253, editable=False)
    first_name = models.CharField(max_length=200, blank=True, default="")
    last_name = models.CharField(max_length=200, blank=True, default="")
    company_name = models.CharField(max_length=200, blank=True, default="")
    title = models.CharField(max_length=200, blank=True, default="")
    persona = models.CharField(max_length=200, blank=True, default="general")
    phone = models.CharField(max_length=60, blank=True, default="")
    website = models.CharField(max_length=500, blank=True, default="")
    linkedin_url = models.CharField(max_length=500, blank=True, default="")
    city = models.CharField(max_length=200, blank=True, default="")
    country = models.CharField(max_length=200, blank=True, default="")
    timezone = models.CharField(max_length=64, blank=True, default="")
    source = models.CharField(max_length=100, blank=True, default="api")
    lead_score = models.PositiveSmallIntegerField(default=50)
    custom = models.JSONField(default=dict, blank=True)

    status = models.CharField(max_length=10, choices=Status, default=Status.HELD)
    is_disposable = models.BooleanField(default=False, editable=False)
    is_role = models.BooleanField(default=False, editable=False)
    is_catch_all = models.BooleanField(null=True, editable=False)
    validation_status = models.CharField(max_length=10, null=True, editable=False)  # noqa: DJ001  null = never asked (C19)
    validation_score = models.PositiveSmallIntegerField(null=True, editable=False)
    validation_reason = models.CharField(max_length=200, blank=True, default="", db_default="", editable=False)
    validated_at = models.DateTimeField(null=True, editable=False)

    # Activity, written only by leads.services.record_activity with F().
    emails_sent = models.PositiveIntegerField(default=0, editable=False)
    emails_opened = models.PositiveIntegerField(default=0, editable=False)
    emails_clicked = models.PositiveIntegerField(default=0, editable=False)
    emails_replied = models.PositiveIntegerField(default=0, editable=False)
    last_activity_at = models.DateTimeField(null=True, editable=False)
    replied_at = models.DateTimeField(null=True, editable=False)
    # Out of office: follow-ups wait until this moment.
    away_until = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    imported_by = models.ForeignKey(Import, null=True, on_delete=models.SET_NULL, editable=False, related_name="leads")

    objects = LeadQuerySet.as_manager()

    class Meta:
        constraints = [
            UniqueConstraint(fields=["workspace", "email"], name="one_lead_per_email_in_workspace"),
            models.CheckConstraint(condition=Q(lead_score__lte=100), name="a_lead_score_is_0_to_100"),
        ]
        indexes = [
            # For lists, newest first, by keyset.
            models.Index(fields=["workspace", "-created_at", "-id"], name="lead_newest"),
            # For a whole domain's suppression and validation.
            models.Index(fields=["workspace", "email_domain"], name="lead_by_domain"),
            # For GET /leads?validation_status=…, newest first, and for the counts of GET /validation/results.
            models.Index(
                fields=["workspace", "validation_status", "-created_at", "-id"],
                condition=Q(validation_status__isnull=False),
                name="lead_by_verdict",
            ),
        ]

    def __str__(self):
        return self.email


class Arrival(WorkspaceOwned):
    """A lead that somebody posted to us: meant for which campaign, and what the floor above did about it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        ENROLLED = "enrolled"
        REFUSED = "refused"

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="arrivals")
    source = models.CharField(max_length=20)
    wanted = models.CharField(max_length=64, blank=True, default="")  # a campaign's id, as it was posted
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    campaign_id = models.UUIDField(null=True)  # where it went, or was not let in; a plain id
    reason = models.CharField(max_length=300, blank=True, default="")

    objects = OwnedQuerySet.as_manager()

    class Meta:
        indexes = [
            # For campaigns.routing, at every tick.
            models.Index(fields=["created_at"], condition=Q(state="waiting"), name="arrival_waiting"),
            # For GET /arrivals, newest first.
            models.Index(fields=["workspace", "-created_at", "-id"], name="arrival_newest"),
        ]

    def __str__(self):
        return f"{self.lead_id} from {self.source}: {self.state}"


class DomainFact(WorkspaceOwned):
    """What the DNS says of a domain that leads live at, and whether there is work for it: asking, or judging leads.

    One row per workspace and domain, not one for everybody: a shared one would tell a tenant whom others write to.
    """

    class Outcome(models.TextChoices):
        MX = "mx"
        ADDRESS = "address"  # no MX, but an address: mail is tried there (RFC 5321 5.1)
        NONE = "none"  # takes no mail
        UNKNOWN = "unknown"  # nobody answered

    domain = models.CharField(max_length=253)
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True, default="")  # "" = not asked yet
    detail = models.CharField(max_length=200, blank=True, default="")
    is_catch_all = models.BooleanField(null=True)  # null = not proven
    provider = models.CharField(max_length=20, blank=True, default="")  # who keeps its mail, where we know them
    fresh_until = models.DateTimeField(null=True)  # business time; asked again only after it
    retries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True)  # business time; null = nothing to do
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [UniqueConstraint(fields=["workspace", "domain"], name="one_fact_per_domain_in_workspace")]
        indexes = [
            # For leads.domain_facts.claim(), every minute and when rung.
            models.Index(fields=["workspace", "due_at"], condition=Q(due_at__isnull=False), name="domain_to_check")
        ]

    def __str__(self):
        return f"{self.domain}: {self.outcome or 'not asked yet'}"


class ValidationCredits(WorkspaceOwned):
    """How many domains were asked for this month. Its lock also puts a workspace's validation requests in a row."""

    month = models.DateField()
    spent = models.PositiveIntegerField(default=0)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [UniqueConstraint(fields=["workspace"], name="one_credit_row_per_workspace")]

    def __str__(self):
        return f"{self.month:%Y-%m}: {self.spent}"


class Group(WorkspaceOwned):
    """A named audience. Deleting it keeps the leads."""

    COLORS = [
        "slate", "red", "orange", "amber", "yellow", "lime", "green", "emerald", "teal", "cyan", "sky", "blue",
        "indigo", "violet", "purple", "fuchsia", "pink", "rose",
    ]  # fmt: skip

    name = models.CharField(max_length=80)
    color = models.CharField(max_length=10, default="slate", choices=[(color, color) for color in COLORS])
    description = models.CharField(max_length=500, blank=True, default="")
    leads = models.ManyToManyField(Lead, through="GroupMember", related_name="groups")

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [UniqueConstraint("workspace", Lower("name"), name="one_group_per_name_in_workspace")]

    def __str__(self):
        return self.name


class GroupMember(models.Model):
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships")
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="memberships")

    class Meta:
        constraints = [UniqueConstraint(fields=["group", "lead"], name="a_lead_is_in_a_group_once")]


class Variable(WorkspaceOwned):
    """A prompt that writes one piece of text per lead."""

    class OutputType(models.TextChoices):
        TEXT = "text"
        HTML = "html"
        NUMBER = "number"
        BOOLEAN = "boolean"
        JSON = "json"

    class Unsupported(models.TextChoices):
        REVIEW = "review"
        FALLBACK = "fallback"

    name = models.CharField(max_length=50)
    prompt_template = models.TextField(max_length=8000)
    output_type = models.CharField(max_length=10, choices=OutputType, default=OutputType.TEXT)
    # What becomes of a text of which a fact rests on nothing: a person looks at it, or the fallback goes out.
    unsupported = models.CharField(max_length=10, choices=Unsupported, default=Unsupported.REVIEW)
    fallback = models.TextField(max_length=2000, blank=True, default="")  # a template over lead fields
    max_length = models.PositiveSmallIntegerField(null=True, blank=True)  # characters; null: as its type allows
    prompt_version = models.PositiveIntegerField(default=1, editable=False)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [UniqueConstraint(fields=["workspace", "name"], name="one_variable_per_name_in_workspace")]

    def __str__(self):
        return self.name


class VariableValue(WorkspaceOwned):
    """One variable's text for one lead, and where it stands."""

    class State(models.TextChoices):
        PENDING = "pending"
        GENERATING = "generating"
        DONE = "done"
        FAILED = "failed"
        SKIPPED = "skipped"
        STALE = "stale"
        OVERRIDDEN = "overridden"
        REVIEW = "review"

    SETTLED = (State.DONE, State.FAILED, State.SKIPPED, State.OVERRIDDEN, State.REVIEW)

    variable = models.ForeignKey(Variable, on_delete=models.CASCADE, related_name="values")
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="variable_values")
    job = models.ForeignKey(GenerationJob, null=True, on_delete=models.SET_NULL, related_name="values")
    state = models.CharField(max_length=12, choices=State, default=State.PENDING)
    value = models.JSONField(null=True)
    # What it rests on: {"claims": [{field, quote, holds}], "unsupported": [text], "written": what a fallback replaced}.
    evidence = models.JSONField(default=dict)
    reason = models.CharField(max_length=300, blank=True, default="")
    writer = models.CharField(max_length=20, blank=True, default="")  # sandbox text is marked as such everywhere
    model = models.CharField(max_length=80, blank=True, default="")
    input_key = models.CharField(max_length=64, blank=True, default="")  # one generation per distinct input
    attempts = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [UniqueConstraint(fields=["variable", "lead"], name="one_value_per_variable_and_lead")]
        indexes = [
            # For leads.variables.claim(), every 30 s and when rung.
            models.Index(
                fields=["created_at"], condition=Q(state__in=["pending", "generating"]), name="value_to_write"
            ),
            # For sharing one generation between equal inputs.
            models.Index(
                fields=["variable", "input_key"], condition=Q(state__in=["done", "review"]), name="value_by_input"
            ),
            # For GET /variables/:name/values, newest first.
            models.Index(fields=["variable", "-created_at", "-id"], name="value_newest"),
            # For progress in percent.
            models.Index(fields=["variable", "state"], name="value_progress"),
        ]

    def __str__(self):
        return f"{self.variable_id} for {self.lead_id}: {self.state}"


class Suppression(WorkspaceOwned):
    """An address or a whole domain we must never write to, and why. Outlives the lead."""

    class Kind(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed"
        BOUNCED = "bounced"
        COMPLAINED = "complained"
        REPLIED_NO = "replied_no"
        MANUAL = "manual"

    kind = models.CharField(max_length=14, choices=Kind)
    value = models.CharField(max_length=255, blank=True)  # address or @domain; emptied when the lead is deleted
    digest = models.CharField(max_length=64, editable=False)  # keyed hash of the value: what is looked up
    reason = models.CharField(max_length=300, blank=True, default="")
    # Set by the floor above once the enrollments it touches were stopped.
    collected = models.BooleanField(default=False, editable=False)

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        constraints = [
            UniqueConstraint(fields=["workspace", "kind", "digest"], name="one_suppression_per_kind_and_address")
        ]
        indexes = [
            models.Index(fields=["workspace", "digest"], name="suppression_lookup"),
            # For GET /suppressions, newest first, by keyset.
            models.Index(fields=["workspace", "-created_at", "-id"], name="suppression_newest"),
            models.Index(fields=["created_at"], condition=Q(collected=False), name="suppression_uncollected"),
        ]

    def __str__(self):
        return f"{self.value or '(address erased)'}: {self.kind}"
