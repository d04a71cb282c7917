"""The admin of consents: how each stands. The tokens are on no page."""

from django.contrib import admin

from outbound.admin_base import LogAdmin, WorkspaceFilter
from outbound.admin_display import when
from sending.models import MailboxGrant


@admin.register(MailboxGrant)
class MailboxGrantAdmin(LogAdmin):
    ordering = ("-created_at", "pk")
    list_display = ["mailbox", "vendor", "trouble", "authorized_by", when("refreshed_at", "Renewed"),
                    when("expires_at", "Until"), when("retry_at", "Next try")]  # fmt: skip
    list_filter = [WorkspaceFilter, "vendor", "needs_a_person"]
    list_select_related = ["mailbox", "workspace"]
    search_fields = ["mailbox__email"]
    fields = [
        "workspace", "mailbox", "vendor", "authorized_by", "trouble", "needs_a_person", "failures", "retry_at",
        "refreshed_at", "expires_at", "version", "created_at",
    ]  # fmt: skip
