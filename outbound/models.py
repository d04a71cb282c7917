"""The ground's only table: the mail slot of the embedded broker."""

from django.db import models
from django.utils import timezone


class BrokerMessage(models.Model):
    """One Celery message waiting, or in the hands of a worker until `visible_at`. Gone once acknowledged."""

    queue = models.CharField(max_length=120)
    payload = models.TextField(help_text="kombu's message as JSON")
    visible_at = models.DateTimeField(
        default=timezone.now, help_text="when a worker may take it: at once, or when its holder's lease ends"
    )

    class Meta:
        # The poll of every worker: the oldest visible message of one queue.
        indexes = [models.Index(fields=["queue", "visible_at", "id"], name="brokermessage_poll")]

    def __str__(self):
        return f"{self.queue} #{self.pk}"
