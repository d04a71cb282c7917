"""The money of generated text: what the model costs, what was asked for, each call to it, and batches under way.

Amounts are US dollars, as the vendor's price list and bill are.
"""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q, UniqueConstraint

from apikeys.models import ApiKey, OwnedQuerySet, WorkspaceOwned
from outbound.ids import uuid7

ANY_LENGTH = 2_000_000_000  # tokens; a price band without an upper end
MONEY = {"max_digits": 16, "decimal_places": 9}  # one cached token costs a hundred-millionth of a dollar


class ModelPrice(models.Model):
    """What a model costs from a day on, for prompts up to a length. Dollars per million tokens."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    model = models.CharField(max_length=80)
    valid_from = models.DateField()
    prompt_up_to = models.PositiveIntegerField(
        default=ANY_LENGTH, help_text="Tokens of the prompt, cached ones included, up to which this band holds."
    )
    input = models.DecimalField(max_digits=12, decimal_places=6, validators=[MinValueValidator(0)])
    cache_write = models.DecimalField(max_digits=12, decimal_places=6, validators=[MinValueValidator(0)])
    cache_read = models.DecimalField(max_digits=12, decimal_places=6, validators=[MinValueValidator(0)])
    output = models.DecimalField(max_digits=12, decimal_places=6, validators=[MinValueValidator(0)])
    batch_factor = models.DecimalField(
        max_digits=4, decimal_places=3, default="0.5", help_text="What of it a batch costs: 0.5 is half."
    )
    source = models.URLField(max_length=300, help_text="Where it was read.")
    read_on = models.DateField(help_text="When it was read.")

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["model", "valid_from", "prompt_up_to"], name="one_price_per_model_day_and_prompt_length"
            )
        ]

    def __str__(self):
        band = "" if self.prompt_up_to == ANY_LENGTH else f", prompts up to {self.prompt_up_to:,} tokens"
        return f"{self.model} from {self.valid_from}{band}"


class GenerationJob(WorkspaceOwned):
    """One request to have a variable written for leads."""

    class State(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused"
        BUDGET = "paused: budget", "paused: budget"
        DONE = "done"
        CANCELED = "canceled"

    class Mode(models.TextChoices):
        LIVE = "live"
        BATCH = "batch"

    OPEN = (State.RUNNING, State.PAUSED, State.BUDGET)

    variable = models.ForeignKey("leads.Variable", on_delete=models.CASCADE, related_name="jobs")
    api_key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    mode = models.CharField(max_length=5, choices=Mode, default=Mode.LIVE)
    state = models.CharField(max_length=14, choices=State, default=State.RUNNING)
    reason = models.CharField(max_length=300, blank=True, default="")
    money_limit = models.DecimalField(**MONEY, null=True)  # null: only the limits of workspace and key
    needed = models.DecimalField(**MONEY, null=True)  # the most the call costs for which there was no room
    total = models.PositiveIntegerField(default=0)  # values it was asked for
    finished_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        indexes = [
            # For leads.jobs, at every look for due work.
            models.Index(
                fields=["state"], condition=Q(state__in=["running", "paused", "paused: budget"]), name="job_open"
            ),
            # For GET /jobs, newest first.
            models.Index(fields=["workspace", "-created_at", "-id"], name="job_newest"),
        ]

    def __str__(self):
        return f"{self.variable_id}: {self.state}"


class MessageBatch(WorkspaceOwned):
    """Calls that the vendor works off within a day at half the price, and when to look at them again. Real time."""

    class State(models.TextChoices):
        SUBMITTING = "submitting"
        IN_PROGRESS = "in_progress"
        CANCELING = "canceling"
        ENDED = "ended"
        LOST = "lost"  # the vendor knows nothing of it

    job = models.ForeignKey(GenerationJob, on_delete=models.CASCADE, related_name="batches")
    vendor_id = models.CharField(max_length=100, blank=True, default="")
    state = models.CharField(max_length=11, choices=State, default=State.SUBMITTING)
    requests = models.PositiveIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(default=0)  # at reading it, in a row, that failed
    reason = models.CharField(max_length=300, blank=True, default="")
    poll_at = models.DateTimeField(null=True)  # null: nothing to do
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "message batches"
        indexes = [models.Index(fields=["poll_at"], condition=Q(poll_at__isnull=False), name="batch_to_poll")]

    def __str__(self):
        return self.vendor_id or f"batch {self.id}"


class GenerationCall(WorkspaceOwned):
    """One call to the model, written down before it is made. `charge` is the most it can cost until it is settled.

    A call whose answer nobody saw (its worker died) is `unknown` and keeps the most it can have cost.
    """

    class State(models.TextChoices):
        RESERVED = "reserved"  # about to be made, or under way
        SETTLED = "settled"  # answered; `charge` is what it cost
        FREE = "free"  # the vendor did not charge for it: refused at the door, expired, canceled
        UNKNOWN = "unknown"

    class Purpose(models.TextChoices):
        VARIABLE = "variable"
        CHECK = "check"
        REPLY = "reply"

    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.VARIABLE)
    state = models.CharField(max_length=8, choices=State, default=State.RESERVED)
    mode = models.CharField(max_length=5, choices=GenerationJob.Mode, default=GenerationJob.Mode.LIVE)
    variable = models.ForeignKey("leads.Variable", null=True, on_delete=models.SET_NULL, related_name="calls")
    job = models.ForeignKey(GenerationJob, null=True, on_delete=models.SET_NULL, related_name="calls")
    batch = models.ForeignKey(MessageBatch, null=True, on_delete=models.SET_NULL, related_name="calls")
    api_key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    input_key = models.CharField(max_length=64, blank=True, default="")
    model = models.CharField(max_length=80)
    request_id = models.CharField(max_length=100, blank=True, default="")
    tokens_uncached = models.PositiveIntegerField(default=0)
    tokens_cache_write = models.PositiveIntegerField(default=0)
    tokens_cache_read = models.PositiveIntegerField(default=0)
    tokens_output = models.PositiveIntegerField(default=0)
    price = models.ForeignKey(ModelPrice, null=True, on_delete=models.PROTECT, related_name="+")
    charge = models.DecimalField(**MONEY)
    leads_served = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True, default="")
    lease_until = models.DateTimeField(null=True)  # of a live call; real time
    settled_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["variable", "input_key"],
                condition=Q(state="reserved") & ~Q(input_key=""),
                name="one_call_under_way_per_distinct_input",
            )
        ]
        indexes = [
            # For the month's sum, before every reservation.
            models.Index(fields=["workspace", "created_at"], name="call_of_month"),
            # For calls whose worker died.
            models.Index(fields=["lease_until"], condition=Q(state="reserved"), name="call_under_way"),
        ]

    def __str__(self):
        return f"{self.model} {self.request_id or self.id}: {self.state}"
