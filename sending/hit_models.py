"""What was asked for of the mails that are tracked."""

from django.db import models
from django.db.models import Q, UniqueConstraint

from outbound.ids import uuid7


class Hit(models.Model):
    """How often a mail's image, or one of its links, was asked for: apart for people, machines and not judged yet, so
    a mail has three rows at most for its image and for each link, however often they are asked for."""

    class Kind(models.TextChoices):
        OPEN = "open"
        CLICK = "click"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey("sending.Message", on_delete=models.CASCADE, related_name="hits")
    kind = models.CharField(max_length=5, choices=Kind)
    link = models.PositiveSmallIntegerField(default=0)  # place in MessageBody.links; 0 for an open
    machine = models.BooleanField(null=True)  # none until it was judged: sending/hits.py
    count = models.PositiveIntegerField(default=1)
    # Business time.
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["message", "kind", "link", "machine"],
                condition=Q(machine__isnull=False),
                name="one_hit_row_per_verdict",
            ),
            UniqueConstraint(
                fields=["message", "kind", "link"], condition=Q(machine=None), name="one_hit_row_awaits_its_verdict"
            ),
        ]
        # For judge_hits().
        indexes = [models.Index(fields=["first_at"], condition=Q(machine=None), name="hit_to_judge")]

    def __str__(self):
        return f"{self.count} × {self.kind}"
