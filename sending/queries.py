"""What other floors may ask about mailboxes without changing anything."""

from apikeys.models import Workspace
from apikeys.services import now_for
from sending import limits
from sending.models import Mailbox, SendCounter


def senders(workspace: Workspace) -> list[dict]:
    """Everything that can be put in `from`, alphabetically: SenderOutput's fields."""
    mailboxes = list(
        Mailbox.objects.for_workspace(workspace).select_related("domain", "workspace").order_by("email")[:1000]
    )
    day = limits.local_day(workspace.timezone, now_for(workspace))
    names = {limits.counter_id("mailbox", mailbox.pk, day): mailbox.pk for mailbox in mailboxes}
    used = dict(SendCounter.objects.filter(pk__in=list(names)).values_list("pk", "used"))
    sent = {names[pk]: count for pk, count in used.items()}
    return [_sender(mailbox, sent.get(mailbox.pk, 0)) for mailbox in mailboxes]


def _sender(mailbox: Mailbox, sent_today: int) -> dict:
    status = "active" if mailbox.phase in ("healthy", "warning") else "paused"
    if mailbox.connection_status == Mailbox.Connection.AUTH_FAILED:
        status = "auth_failed"
    return {
        "email": mailbox.email,
        "type": "mailbox",
        "name": mailbox.display_name,
        "provider": mailbox.provider if mailbox.workspace.livemode else "sandbox",
        "status": status,
        "reason": mailbox.paused_reason or mailbox.connection_detail,
        "domain": mailbox.domain.name,
        "daily_limit": mailbox.daily_limit,
        "sent_today": sent_today,
    }
