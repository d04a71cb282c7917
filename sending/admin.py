"""Sending: threads and the outbox. Mailboxes and domains: mailbox_admin.py."""

from django.contrib import admin
from django.db.models import Exists, OuterRef
from django.utils.html import format_html

from apikeys.models import Event
from apikeys.services import now_for
from outbound.admin_base import LogAdmin, Verb, WorkspaceFilter
from outbound.admin_display import AMBER, GREEN, RED, badge_column, when
from sending import imap_admin, judging, oauth_admin, services
from sending.letter_views import KIND_COLORS, STATE_COLORS, shown
from sending.mailbox_admin import troubled
from sending.models import Hit, Lane, Message, MessageBody, SandboxDelivery, SendCounter, Thread
from sending.parked import evidence_for

NOT_SHOWN = -1  # the attempt of a mail that was parked after the question was asked

__all__ = ["imap_admin", "oauth_admin", "troubled", "unanswered"]  # the first two for their pages


@admin.register(Lane)
class LaneAdmin(LogAdmin):
    list_display = ["id", "workspace", "state_badge", "daily_limit", "send_gap_seconds", "timezone"]
    list_filter = [WorkspaceFilter, "state"]
    list_select_related = ["workspace"]
    search_fields = ["id"]
    fields = ["workspace", "state", "daily_limit", "send_gap_seconds", "timezone", "track_opens", "track_clicks",
              "reference", "created_at"]  # fmt: skip
    state_badge = staticmethod(badge_column("state", {"open": GREEN, "shut": AMBER, "closed": RED}, "State"))


@admin.register(Thread)
class ThreadAdmin(LogAdmin):
    list_display = ["contact_email", "subject", "mailbox", "workspace", when("last_inbound_at", "Last answer")]
    list_filter = [WorkspaceFilter, ("last_inbound_at", admin.EmptyFieldListFilter)]
    list_select_related = ["mailbox", "workspace"]
    search_fields = ["contact_email", "subject"]
    fields = ["workspace", "mailbox", "lead", "contact_email", "subject", "last_inbound_at"]
    overview_template = "admin/outbound/thread.html"

    def overview(self, request, obj):
        messages = obj.messages.select_related("body").order_by("created_at", "id")[:100]
        return {"letters": [shown(message) for message in messages], "zone": obj.workspace.timezone}


class WaitingFilter(admin.SimpleListFilter):
    title, parameter_name = "needs me", "waiting"

    def lookups(self, request, model_admin):
        return [("reply", "replies not answered yet")]

    def queryset(self, request, queryset):
        return unanswered(queryset) if self.value() else queryset


def unanswered(messages):
    """Replies of people whose thread has nothing by hand after them."""
    answers = Message.objects.filter(
        thread=OuterRef("thread"), direction="out", kind=Message.Kind.MANUAL, created_at__gte=OuterRef("created_at")
    )
    return messages.filter(direction="in", kind=Message.Kind.REPLY).exclude(Exists(answers))


@admin.register(Message)
class MessageAdmin(LogAdmin):
    list_display = [
        "headline",
        "with_whom",
        "kind_badge",
        "state_badge",
        "why",
        when("send_at", "Planned"),
        when("settled_at", "Settled"),
    ]
    list_filter = [WorkspaceFilter, "direction", "state", "kind", "reply_class", WaitingFilter]
    list_select_related = ["workspace"]
    search_fields = ["to_email", "from_email", "subject"]
    overview_template = "admin/outbound/message.html"
    state_badge = staticmethod(badge_column("state", STATE_COLORS, "State"))
    kind_badge = staticmethod(badge_column("kind", KIND_COLORS, "Kind"))
    fields = [
        "workspace", "thread", "mailbox", "lead", "answers", "reply_class", "class_confidence", "class_by",
        "rfc_message_id", "provider_message_id", "attempt",
        "not_after", "committed_at", "departed_at", "caps",
    ]  # fmt: skip
    verbs = (
        Verb(
            "send_again",
            "Send again",
            "Send it again? If the first one did arrive, they get it twice.",
            danger=True,
            bulk=True,
        ),
        Verb("assume_sent", "Assume sent", "Take it as sent? Its follow-ups go on.", bulk=True),
        Verb("class_as_yes", "Interested", "Class this reply as positive? If it was taken as a no, that is lifted."),
        Verb("class_as_later", "Not now", "Class this reply as soft_no? If it was taken as a no, that is lifted."),
        Verb("class_as_no", "A no", "Class this reply as hard_no? They are not written to again.", danger=True),
        Verb("drop", "Drop", "Drop it? This step is not sent, and the lead's run ends here.", danger=True, bulk=True),
    )

    @admin.display(description="Subject", ordering="subject")
    def headline(self, obj):
        return obj.subject[:70] or "(no subject)"

    @admin.display(description="Why")
    def why(self, obj):
        # What the server said to a mail that was sent is on its page; here it would hide the sentences that matter.
        return "" if obj.state == Message.State.SENT else obj.state_reason

    @admin.display(description="With")
    def with_whom(self, obj):
        arrow, other = ("→", obj.to_email) if obj.direction == "out" else ("←", obj.from_email)
        return f"{arrow} {other}"

    def verbs_now(self, obj):
        classing = obj.kind == Message.Kind.REPLY
        shown = classing or obj.state == Message.State.UNKNOWN
        return [verb for verb in self.verbs if shown and verb.name.startswith("class_as_") == classing]

    def do_class_as_yes(self, request, obj):
        return self._class_as(obj, "positive")

    def do_class_as_later(self, request, obj):
        return self._class_as(obj, "soft_no")

    def do_class_as_no(self, request, obj):
        return self._class_as(obj, "hard_no")

    def _class_as(self, obj, reply_class) -> str:
        judging.correct_class(message=obj, reply_class=reply_class, now=now_for(obj.workspace))
        return f"The reply of {obj.from_email} counts as {reply_class}."

    def do_send_again(self, request, obj):
        return self._decide(request, obj, "send_again", "is queued again")

    def do_assume_sent(self, request, obj):
        return self._decide(request, obj, "assume_sent", "counts as sent")

    def do_drop(self, request, obj):
        return self._decide(request, obj, "drop", "is dropped")

    def version_of(self, obj):
        return str(obj.attempt) if obj.state == Message.State.UNKNOWN else ""

    def _decide(self, request, obj, decision, done) -> str:
        """On the attempt that was looked at: one that was sent again since and is parked anew is another question."""
        seen = self.seen_of(request, obj)
        attempt = None if seen is None else int(seen) if seen.isdecimal() else NOT_SHOWN
        services.decide_unknown(message=obj, decision=decision, attempt=attempt, now=now_for(obj.workspace))
        return f"The mail to {obj.to_email} {done}."

    def overview(self, request, obj):
        return {
            "letter": shown(obj),
            "thread": obj.thread,
            "evidence": evidence_for([obj])[obj.pk] if obj.state == Message.State.UNKNOWN else [],
            "events": list(Event.objects.filter(message_id=obj.pk).order_by("created_at", "id")[:30])
            if obj.state != Message.State.RECEIVED
            else [],
            "zone": obj.workspace.timezone,
        }


@admin.register(MessageBody)
class MessageBodyAdmin(LogAdmin):
    workspace_path = "message__workspace_id"
    ordering = ("-message_id",)
    list_display = ["message", "sha256"]
    list_select_related = ["message"]
    list_filter = [WorkspaceFilter]
    search_fields = ["message__to_email"]
    fields = ["message", "text", "sha256"]

    def get_queryset(self, request):
        return super().get_queryset(request).defer("raw")


@admin.register(Hit)
class HitAdmin(LogAdmin):
    workspace_path = "message__workspace_id"
    ordering = ("-last_at", "id")
    list_display = ["message", "kind", "who", "count", when("first_at", "First", workspace="message__workspace"),
                    when("last_at", "Last", workspace="message__workspace")]  # fmt: skip
    list_select_related = ["message__workspace"]
    list_filter = [WorkspaceFilter, "kind", "machine"]
    search_fields = ["message__to_email"]
    fields = ["message", "kind", "link", "machine", "count", "first_at", "last_at"]

    @admin.display(description="By")
    def who(self, obj):
        return {None: "not judged yet", True: "a machine", False: "a person"}[obj.machine]


@admin.register(SendCounter)
class SendCounterAdmin(LogAdmin):
    ordering = ("-day", "id")
    list_display = ["id", "day", "used"]
    list_filter = ["day"]
    search_fields = ["id"]
    fields = ["id", "workspace_id", "day", "used"]


@admin.register(SandboxDelivery)
class SandboxDeliveryAdmin(LogAdmin):
    list_display = ["to_email", "mailbox", "reaction_badge", "react_at", "reacted", "accepted_at"]
    list_filter = [WorkspaceFilter, "reaction", "reacted"]
    list_select_related = ["mailbox"]
    search_fields = ["to_email"]
    fields = [
        "workspace_id",
        "mailbox",
        "to_email",
        "rfc_message_id",
        "reaction",
        "react_at",
        "reacted",
        "accepted_at",
        "mail",
    ]
    reaction_badge = staticmethod(badge_column("reaction", KIND_COLORS, "Reaction"))

    def get_queryset(self, request):
        return super().get_queryset(request).defer("raw")

    @admin.display(description="Mail")
    def mail(self, obj):
        return format_html('<pre class="ob-raw">{}</pre>', bytes(obj.raw)[:64_000].decode("utf-8", "replace"))

    def get_readonly_fields(self, request, obj=None):
        return ["mail"]
