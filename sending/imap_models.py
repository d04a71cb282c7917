"""What the reading of mailboxes over IMAP keeps: how it goes, how far each folder is read, and mail of no thread."""

from django.db import models
from django.db.models import UniqueConstraint
from django.utils.timezone import now

from apikeys.models import OwnedQuerySet, WorkspaceOwned


class ImapWatch(WorkspaceOwned):
    """How the reading of one mailbox goes. Apart from its row, which every commit of a send locks. Times are real."""

    mailbox = models.OneToOneField("sending.Mailbox", on_delete=models.CASCADE, related_name="watch")
    detail = models.CharField(max_length=300, blank=True, default="")  # what went wrong last; blank: nothing
    failures = models.PositiveSmallIntegerField(default=0)  # in a row
    next_look_at = models.DateTimeField(default=now)
    read_at = models.DateTimeField(null=True)  # the last look that came to its end: all before it is taken in
    # The worker that reads it, or is told by its server of what comes in (IDLE). Another takes over after `held_until`.
    holder = models.UUIDField(null=True)
    held_until = models.DateTimeField(null=True)
    idles = models.BooleanField(default=False)

    # The evidence of the Sent folder: how many ordinary sends in a row were found there in time, 3 at most; that its
    # silence proves anything takes all 3. And the commit of the last send that was looked for.
    sent_folder = models.CharField(max_length=500, blank=True, default="")
    sent_found = models.PositiveSmallIntegerField(default=0)
    sent_checked_until = models.DateTimeField(null=True)
    # With Mailbox.append_to_sent: the commit of the last send that was put there.
    appended_until = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "IMAP watches"
        indexes = [models.Index(fields=["next_look_at"], name="imap_watch_due")]

    def __str__(self):
        return f"IMAP of {self.mailbox.email}"


class ImapFolder(WorkspaceOwned):
    """How far one folder is read: our own cursor, for a server's marks can be changed by anybody who reads the mail."""

    watch = models.ForeignKey(ImapWatch, on_delete=models.CASCADE, related_name="folders")
    name = models.CharField(max_length=500)
    uidvalidity = models.BigIntegerField(default=0)
    uid = models.BigIntegerField(default=0)  # everything up to here is taken in
    # The next mail could not be taken in so often.
    failing_uid = models.BigIntegerField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [UniqueConstraint(fields=["watch", "name"], name="one_cursor_per_folder")]

    def __str__(self):
        return self.name


class StrayMail(WorkspaceOwned):
    """A mail that came in and is on no thread: nobody's that we wrote to (unmatched), or unreadable (quarantined)."""

    class Why(models.TextChoices):
        UNMATCHED = "unmatched"
        QUARANTINED = "quarantined"

    mailbox = models.ForeignKey("sending.Mailbox", on_delete=models.CASCADE, related_name="strays")
    why = models.CharField(max_length=12, choices=Why)
    kind = models.CharField(max_length=12, blank=True, default="")  # what it looked like: Message.Kind, if readable
    problem = models.CharField(max_length=400, blank=True, default="")
    from_email = models.CharField(max_length=254, blank=True, default="")
    subject = models.CharField(max_length=998, blank=True, default="")
    text = models.TextField(blank=True, default="")  # the beginning
    rfc_message_id = models.CharField(max_length=998)
    raw = models.BinaryField(null=True)  # none when it could not even be fetched
    folder = models.CharField(max_length=500, blank=True, default="")

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "stray mail"
        constraints = [
            UniqueConstraint(fields=["mailbox", "rfc_message_id"], name="a_stray_mail_is_listed_once"),
        ]
        indexes = [models.Index(fields=["workspace", "-created_at"], name="stray_mail_newest")]

    def __str__(self):
        return f"{self.from_email}: {self.subject}"
