"""What happened: append-only facts, in a sentence and as data."""

from django.db import transaction

from apikeys.models import Event, Workspace
from apikeys.webhook_outbox import queue_deliveries
from outbound.bulk import insert_rows

EVENT_KINDS = {
    "lead.created": "A lead was added",
    "lead.routed": "A lead that came in was enrolled in a campaign, or why it was not",
    "lead.validated": "A lead's address was judged",
    "lead.health_changed": "A lead's health changed after validation",
    "lead.replied": "A lead answered",
    "lead.unsubscribed": "A lead opted out",
    "lead.away": "A lead's mailbox answered that they are away",
    "lead.import_finished": "A file of leads was read in",
    "suppression.removed": "An address may be written to again, with the reason",
    "variable.generated": "All values of a variable are settled",
    "variable.failed": "A value could not be written",
    "campaign.launched": "A run was started",
    "campaign.paused": "A run was paused",
    "campaign.resumed": "A run was resumed",
    "campaign.completed": "A run reached its end",
    "campaign.stopped": "A run was stopped for good",
    "campaign.failed": "A run cannot go on",
    "campaign.next_send_moved": "The next mail leaves at another time than was told, with the reason",
    "campaign.edited": "The steps of a running sequence were changed",
    "enrollment.held": "A lead waits, with the reason",
    "enrollment.stopped": "A lead gets no further step, with the reason",
    "email.sent": "A mail was accepted by the server",
    "email.refused": "A mail was refused",
    "email.unknown": "It cannot be known whether a mail was accepted: it is parked",
    "email.decided": "An operator decided on a parked mail",
    "email.reconciled": "It was found out what became of a parked mail",
    "email.bounced": "A mail came back",
    "email.complained": "A mail was called spam",
    "email.opened": "A person opened a mail, as far as can be told: its image was loaded",
    "email.clicked": "A person clicked a link of a mail, as far as can be told",
    "reply.received": "A reply came in",
    "mailbox.paused": "A mailbox was paused",
    "mailbox.auth_failed": "A mailbox cannot sign in to its server, or cannot trust it: it waits for a person",
    "mailbox.entered_quarantine": "A paused mailbox has cooled down: its domain's DNS is checked",
    "mailbox.entered_restricted_send": "A mailbox sends a few mails a day again",
    "mailbox.entered_warm_recovery": "A mailbox sends more each day again",
    "mailbox.healed": "A mailbox has recovered",
    "mailbox.resumed": "A mailbox that a person paused sends again",
    "mailbox.phase_changed": "A mailbox got a warning, or lost it, with the reason",
    "mailbox.provider_held": "A mailbox stops writing to one receiver, such as google, for a while",
    "mailbox.provider_released": "A mailbox writes to that receiver again",
    "domain.dnsbl_listed": "A domain was found on a blocklist",
    "domain.dnsbl_cleared": "A domain is no longer on a blocklist",
    "domain.dns_failed": "SPF, DKIM or DMARC of a domain is missing",
    "domain.phase_changed": "A domain's health moved to another phase, with the reason",
    "limit.near": "80 % of what the tier allows is used",
    "limit.reached": "What the tier allows is used up: that pauses until there is room",
    "webhook.disabled": "A webhook endpoint was switched off, with the reason",
}


def record_event(
    *, workspace: Workspace, kind: str, summary: str, now, campaign_id=None, lead_id=None, message_id=None, **data
) -> Event:
    event = Event(
        **event_fields(
            workspace=workspace, kind=kind, summary=summary, now=now,
            campaign_id=campaign_id, lead_id=lead_id, message_id=message_id, **data,
        )
    )  # fmt: skip
    _keep([event])
    return event


def record_events(facts: list[dict]) -> None:
    """Many at once, each a dict of record_event's arguments: two statements however many."""
    _keep([Event(**event_fields(**fact)) for fact in facts])


def _keep(events: list[Event]) -> None:
    """Write them, and with them, in one transaction, what webhook endpoints are to be told."""
    rows = [{field.attname: getattr(event, field.attname) for field in Event._meta.concrete_fields} for event in events]
    if not any(event.workspace.has_webhooks for event in events):
        insert_rows(Event, rows)
        return
    with transaction.atomic():
        insert_rows(Event, rows)
        queue_deliveries(events)


def event_fields(*, workspace, kind, summary, now, campaign_id=None, lead_id=None, message_id=None, **data) -> dict:
    if kind not in EVENT_KINDS:
        raise KeyError(f"{kind} is not in EVENT_KINDS")
    return {
        "workspace": workspace,
        "kind": kind,
        "summary": summary[:400],
        "data": data,
        "created_at": now,
        "campaign_id": campaign_id,
        "lead_id": lead_id,
        "message_id": message_id,
    }
