"""What a person's consent at Google or Microsoft left us with."""

from django.db import models

from apikeys.models import OwnedQuerySet, WorkspaceOwned
from outbound.fields import EncryptedField


class MailboxGrant(WorkspaceOwned):
    """The consent by which one mailbox signs in without a password. Only sending/oauth.py writes it. Real time."""

    mailbox = models.OneToOneField("sending.Mailbox", on_delete=models.CASCADE, related_name="grant")
    vendor = models.CharField(max_length=12)
    refresh_token = EncryptedField(editable=False)
    access_token = EncryptedField(blank=True, default="", editable=False)
    refreshed_at = models.DateTimeField(null=True)  # when the access token was given
    expires_at = models.DateTimeField(null=True)
    # One more with each new token: of many workers that saw the same old one, one refreshes it.
    version = models.PositiveIntegerField(default=0)
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    # Why there is no new token, and when it may be asked for again; `needs_a_person`: asking alone will not help.
    trouble = models.CharField(max_length=300, blank=True, default="")
    needs_a_person = models.BooleanField(default=False)
    failures = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    authorized_by = models.CharField(max_length=150, blank=True, default="")

    objects = OwnedQuerySet.as_manager()

    def __str__(self):
        return f"{self.vendor} for {self.mailbox_id}"
