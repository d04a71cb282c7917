"""The admin of what is read over IMAP: how it goes, and the mail that is on no thread."""

from django.contrib import admin

from apikeys.services import now_for
from outbound.admin_base import LogAdmin, Verb, WorkspaceFilter
from outbound.admin_display import AMBER, RED, badge_column, when
from sending import reading, strays
from sending.models import ImapFolder, ImapWatch, StrayMail


@admin.register(ImapWatch)
class ImapWatchAdmin(LogAdmin):
    ordering = ("next_look_at", "pk")
    list_display = [
        "mailbox",
        "lag",
        "detail",
        "idles",
        "sent",
        when("read_at", "Looked"),
        when("next_look_at", "Next"),
    ]
    list_filter = [WorkspaceFilter]
    list_select_related = ["mailbox", "workspace"]
    search_fields = ["mailbox__email"]
    fields = [
        "workspace", "mailbox", "detail", "failures", "read_at", "next_look_at", "idles", "held_until", "sent_folder",
        "sent_found", "sent_checked_until", "appended_until",
    ]  # fmt: skip

    @admin.display(description="Behind")
    def lag(self, obj):
        lag = reading.lag_of(obj.mailbox)
        return "–" if lag is None else f"{lag} s"

    @admin.display(description="Sent folder")
    def sent(self, obj):
        return f"{obj.sent_folder or '–'} · {obj.sent_found} of {reading.PROOF} found"


@admin.register(ImapFolder)
class ImapFolderAdmin(LogAdmin):
    ordering = ("name", "pk")
    list_display = ["name", "watch", "uidvalidity", "uid", "failing_uid", "failures"]
    list_filter = [WorkspaceFilter]
    list_select_related = ["watch__mailbox"]
    search_fields = ["name", "watch__mailbox__email"]
    fields = ["workspace", "watch", "name", "uidvalidity", "uid", "failing_uid", "failures"]


@admin.register(StrayMail)
class StrayMailAdmin(LogAdmin):
    list_display = ["from_email", "subject", "why_badge", "kind", "problem", "mailbox", when("created_at", "Came")]
    list_filter = [WorkspaceFilter, "why", "kind"]
    list_select_related = ["mailbox", "workspace"]
    search_fields = ["from_email", "subject"]
    fields = [
        "workspace", "mailbox", "why", "kind", "problem", "from_email", "subject", "text", "rfc_message_id", "folder",
        "created_at",
    ]  # fmt: skip
    why_badge = staticmethod(badge_column("why", {"unmatched": AMBER, "quarantined": RED}, "Why"))
    verbs = (
        Verb("retry", "Try again", bulk=True),
        Verb("dismiss", "Dismiss", "Take it off the list? It stays in the mailbox.", bulk=True),
    )

    def get_queryset(self, request):
        return super().get_queryset(request).defer("raw")

    def do_retry(self, request, obj):
        message = strays.retry(stray=obj, now=now_for(obj.workspace))
        return f"It is on the thread with {message.thread.contact_email} now."

    def do_dismiss(self, request, obj):
        strays.dismiss(stray=obj)
        return "It is off the list."
