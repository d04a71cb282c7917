"""What the owners of a workspace are told by mail."""

from django.db import models
from django.db.models import Q, UniqueConstraint

from outbound.ids import uuid7


class Notice(models.Model):
    """One fact for one member, on its way into a digest. Real time: it is about the people who run this."""

    class Kind(models.TextChoices):
        REPLY = "reply"
        MAILBOX = "mailbox"
        PARKED = "parked"
        WEBHOOK = "webhook"
        LIMIT = "limit"

    class State(models.TextChoices):
        PENDING = "pending"
        SENDING = "sending"
        SENT = "sent"
        KEPT = "kept"  # only shown: a test workspace, no mail server for it, or settled by itself
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey("apikeys.Membership", on_delete=models.CASCADE, related_name="notices_sent")
    event_id = models.UUIDField()  # a plain id, like every reference to an event
    kind = models.CharField(max_length=10, choices=Kind)
    summary = models.CharField(max_length=200)
    message_id = models.UUIDField(null=True)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    detail = models.CharField(max_length=200, blank=True, default="")
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [UniqueConstraint(fields=["member", "event_id"], name="a_member_is_told_a_fact_once")]
        indexes = [
            # For what is due, every minute.
            models.Index(fields=["due_at"], condition=Q(state__in=["pending", "sending"]), name="notice_open"),
            # For when a member was told of a kind last.
            models.Index(fields=["member", "kind", "-sent_at"], name="notice_told_last"),
            models.Index(fields=["created_at"], name="notice_age"),
        ]

    def __str__(self):
        return self.summary
