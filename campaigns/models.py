"""What we say (sequences) and saying it to someone (campaigns)."""

from django.db import models
from django.db.models import Q, UniqueConstraint
from django.db.models.functions import Lower
from django.utils import timezone

from apikeys.models import OwnedQuerySet, WorkspaceOwned, check_timezone
from campaigns.querysets import EnrollmentQuerySet
from leads.models import Group, Lead
from outbound.ids import uuid7
from sending.models import Lane, Mailbox, Message, Thread

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def working_days() -> list[str]:
    return list(DAYS[:5])


class Sequence(WorkspaceOwned):
    """What we say: an ordered list of steps. Reusable."""

    name = models.CharField(max_length=120)
    description = models.CharField(max_length=500, blank=True, default="")
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [UniqueConstraint("workspace", Lower("name"), name="one_sequence_per_name_in_workspace")]

    def __str__(self):
        return self.name


class SequenceVersion(models.Model):
    """The steps as they stood. An edit of a sequence in use makes the next one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sequence = models.ForeignKey(Sequence, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [UniqueConstraint(fields=["sequence", "number"], name="one_version_per_number_of_sequence")]

    def __str__(self):
        return f"{self.sequence} v{self.number}"


class Step(models.Model):
    """One e-mail of a sequence version, and the wait before it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(SequenceVersion, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    subject = models.CharField(max_length=500, blank=True, default="")
    body_html = models.TextField(blank=True, default="")
    body_text = models.TextField(blank=True, default="")
    delay_days = models.PositiveSmallIntegerField(default=0)
    delay_hours = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [UniqueConstraint(fields=["version", "position"], name="one_step_per_position_of_version")]

    def __str__(self):
        return f"Step {self.position}"


class Variant(models.Model):
    """One wording of a step. Variants share traffic by weight."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="variants")
    label = models.CharField(max_length=20)
    subject = models.CharField(max_length=500, blank=True, default="")
    body_html = models.TextField(blank=True, default="")
    body_text = models.TextField(blank=True, default="")
    weight = models.PositiveIntegerField(default=50)

    class Meta:
        constraints = [UniqueConstraint(fields=["step", "label"], name="one_variant_per_label_of_step")]

    def __str__(self):
        return self.label


class Campaign(WorkspaceOwned):
    """Saying it: one sequence to these leads, from these mailboxes, on this schedule. Once launched it is a run."""

    class Engine(models.TextChoices):
        NATIVE = "native"
        INSTANTLY = "instantly"

    class Status(models.TextChoices):
        DRAFT = "draft"
        ACTIVE = "active"
        PAUSED = "paused"
        COMPLETED = "completed"
        FAILED = "failed"
        ARCHIVED = "archived"

    name = models.CharField(max_length=120)
    engine = models.CharField(max_length=10, choices=Engine, default=Engine.NATIVE)
    external_id = models.CharField(max_length=100, blank=True, default="")
    sequence = models.ForeignKey(Sequence, null=True, on_delete=models.PROTECT, related_name="campaigns")
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    status_reason = models.CharField(max_length=400, blank=True, default="")
    lane = models.OneToOneField(Lane, on_delete=models.PROTECT, related_name="+")
    mailboxes = models.ManyToManyField(Mailbox, related_name="campaigns")  # none: any that may send
    group = models.ForeignKey(Group, null=True, on_delete=models.SET_NULL, related_name="+")
    schedule_timezone = models.CharField(max_length=64, default="UTC", validators=[check_timezone])
    schedule_start_time = models.CharField(max_length=5, default="09:00")
    schedule_end_time = models.CharField(max_length=5, default="17:00")
    schedule_days = models.JSONField(default=working_days)
    day_hours = models.JSONField(default=dict)  # of days with other hours: {"fri": "09:00-13:00"}
    send_in_lead_timezone = models.BooleanField(default=False)
    skip_holidays = models.BooleanField(default=False)
    daily_limit = models.PositiveIntegerField(default=50)
    send_gap_minutes = models.PositiveSmallIntegerField(default=17)
    # Both off unless they are asked for: docs/tracking.md.
    track_opens = models.BooleanField(default=False)
    track_clicks = models.BooleanField(default=False)
    launched_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    # When the next mail leaves, as it was told last, and when that was told (promises.py). Business time.
    promised_at = models.DateTimeField(null=True, editable=False)
    promised_on = models.DateTimeField(null=True, editable=False)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(engine="native", sequence__isnull=False) | ~Q(engine="native") & ~Q(external_id=""),
                name="native_has_a_sequence_and_remote_an_external_id",
            )
        ]
        indexes = [models.Index(fields=["workspace", "-created_at"], name="campaign_newest")]

    def __str__(self):
        return self.name


class Enrollment(models.Model):
    """One lead's walk through one campaign: where it is, and when it moves next."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        PAUSED = "paused"
        HELD = "held"
        COMPLETED = "completed"
        REPLIED = "replied"
        BOUNCED = "bounced"
        UNSUBSCRIBED = "unsubscribed"
        STOPPED = "stopped"
        FAILED = "failed"

    WALKING = (Status.ACTIVE, Status.HELD)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="enrollments")
    lead = models.ForeignKey(Lead, null=True, on_delete=models.SET_NULL, related_name="enrollments")
    status = models.CharField(max_length=12, choices=Status, default=Status.ACTIVE)
    reason = models.CharField(max_length=400, blank=True, default="")
    position = models.PositiveSmallIntegerField(default=0)  # of the last step planned; 0 before the first
    due_at = models.DateTimeField(null=True)  # business time; empty while a message is on its way
    mailbox = models.ForeignKey(Mailbox, null=True, on_delete=models.SET_NULL, related_name="+")
    thread = models.ForeignKey(Thread, null=True, on_delete=models.SET_NULL, related_name="enrollments")
    # Since when its next step is tried in vain, across the messages of several windows.
    tried_since = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)  # business time

    objects = EnrollmentQuerySet.as_manager()

    class Meta:
        constraints = [UniqueConstraint(fields=["campaign", "lead"], name="a_lead_is_enrolled_once_per_campaign")]
        indexes = [
            # For Enrollment.objects.due(), at every tick.
            models.Index(
                fields=["campaign", "due_at"], condition=Q(status__in=["active", "held"]), name="enrollment_due"
            ),
            models.Index(fields=["campaign", "status"], name="enrollment_report"),
            # For leads deleted while they were walking.
            models.Index(
                fields=["campaign"],
                condition=Q(lead__isnull=True, status__in=["active", "held", "paused"]),
                name="enrollment_orphaned",
            ),
        ]

    def __str__(self):
        return f"{self.lead} in {self.campaign}"


class RoutingRule(WorkspaceOwned):
    """Which campaign a lead that came in belongs to: the first that fits, by priority."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="rules")
    persona = models.CharField(max_length=200, blank=True, default="", help_text="Without case; blank for everybody.")
    min_score = models.PositiveSmallIntegerField(default=0)
    priority = models.PositiveIntegerField(default=100, help_text="The lowest number is asked first.")
    enabled = models.BooleanField(default=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(min_score__lte=100), name="a_least_score_is_0_to_100")]

    def __str__(self):
        return f"{self.persona or 'Everybody'} from {self.min_score} up: {self.campaign}"

    def fits(self, lead: Lead) -> bool:
        of_its_kind = not self.persona or self.persona.casefold() == lead.persona.casefold()
        return of_its_kind and lead.lead_score >= self.min_score


class Touch(models.Model):
    """One step delivered to one enrolled lead. At most one per pair: this is what keeps a step from going out twice."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    enrollment = models.ForeignKey(Enrollment, on_delete=models.CASCADE, related_name="touches")
    position = models.PositiveSmallIntegerField()
    step = models.ForeignKey(Step, null=True, on_delete=models.SET_NULL, related_name="touches")
    variant = models.CharField(max_length=20, blank=True, default="")
    message = models.OneToOneField(Message, on_delete=models.PROTECT, related_name="touch")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "touches"
        constraints = [UniqueConstraint(fields=["enrollment", "position"], name="a_step_goes_out_once_per_enrollment")]
