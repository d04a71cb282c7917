"""What campaigns stand on: imports that skip who is known, validation, mailboxes, and who is told what happens."""

from rest_framework import serializers

from apikeys.models import WebhookEndpoint
from apikeys.throttling import RateLimited, charge
from apikeys.webhook_serializers import WebhookOutput
from leads import bulk_serializers as b
from leads import queries
from leads.bulk_views import bulk_import, queue_validation
from leads.serializers import LeadInput, LeadOutput
from leads.services import MAX_ROWS
from mcp.fields import RowsField
from mcp.pages import ListInput, page, page_of_all, page_output
from mcp.registry import tool
from mcp.tools.leads import QueryLeadsInput, query_leads
from mcp.tools.runs import AdviceOutput
from outbound.api.serializers import Input
from sending.mailbox_serializers import DomainOutput, MailboxOutput
from sending.queries import domains_shown, mailboxes_shown

POLL_AFTER = 5  # seconds: domains are asked in the background, each takes from milliseconds to a time-out


class ImportLeadsInput(Input):
    leads = RowsField(LeadInput, max_length=MAX_ROWS, help_text="1 to 5,000 leads.")


class AlphabeticalInput(ListInput):
    after = serializers.CharField(
        max_length=300, required=False, help_text="next_cursor of the page before: an address or a domain."
    )


class QueuedOutput(b.ValidateOutput, AdviceOutput):
    """What was queued, and where its verdicts appear."""


def pay_for_bulk(caller) -> None:
    """REST's bulk writes have a bucket of their own; this door must be no way around it."""
    verdict = charge(caller.id, bulk=True)
    if not verdict.allowed:
        raise RateLimited(f"Too much bulk work at once. Try again in {verdict.retry_after} seconds.")


@tool(
    input=ImportLeadsInput,
    output=b.BulkReportOutput,
    scope="leads:write",
    title="Import leads",
    idempotent=True,
    toolset="infra",
)
def import_leads(caller, *, leads):
    """Add leads and leave those whose e-mail address is known as they are. New ones are held and not validated.

    Every row has its own result; a wrong one is rejected with its reason and harms no other."""
    pay_for_bulk(caller)
    return bulk_import(caller.workspace, leads)


@tool(
    input=QueryLeadsInput,
    output=page_output("leads", LeadOutput),
    scope="leads:read",
    title="List leads",
    third_party=True,
    read_only=True,
    toolset="infra",
)
def list_leads(caller, **asked):
    """Leads, newest first, by status, verdict, group or search, each with its counters of mails and replies."""
    return query_leads(caller, **asked)


@tool(
    input=b.ValidateInput,
    output=QueuedOutput,
    scope="validation:trigger",
    title="Validate leads",
    open_world=True,
    toolset="infra",
)
def validate_leads(caller, **chosen):
    """Have addresses checked in the background: syntax, mail server, disposable, catch-all. By lead_ids or emails.

    Spends one credit for each domain that was not asked for in the last 24 hours."""
    pay_for_bulk(caller)
    return {
        **queue_validation(caller.workspace, **chosen),
        "next": "Poll get_validation_results; each lead's verdict is its validation_status.",
        "poll_with": "get_validation_results",
        "poll_after_seconds": POLL_AFTER,
    }


@tool(
    output=b.ValidationResultsOutput,
    scope="validation:read",
    title="Get validation results",
    read_only=True,
    toolset="infra",
)
def get_validation_results(caller):
    """How many leads got which verdict: valid, risky, invalid, unknown."""
    return b.ValidationResultsOutput(queries.validation_summary(caller.workspace)).data


@tool(
    input=AlphabeticalInput,
    output=page_output("mailboxes", MailboxOutput),
    scope="mailboxes:read",
    title="List mailboxes",
    third_party=True,
    read_only=True,
    toolset="infra",
)
def list_mailboxes(caller, *, limit, after=""):
    """Every connected mailbox with its health, its warm-up, and how much of today's limit is used."""
    shown = MailboxOutput(mailboxes_shown(caller.workspace), many=True).data
    return page_of_all("mailboxes", shown, by="email", limit=limit, after=after)


@tool(
    input=AlphabeticalInput,
    output=page_output("domains", DomainOutput),
    scope="domains:read",
    title="List domains",
    third_party=True,
    read_only=True,
    toolset="infra",
)
def list_domains(caller, *, limit, after=""):
    """Every sending domain with its health, its bounce rate, and whether SPF, DKIM and DMARC hold."""
    shown = DomainOutput(domains_shown(caller.workspace), many=True).data
    return page_of_all("domains", shown, by="domain", limit=limit, after=after)


@tool(
    input=ListInput,
    output=page_output("webhooks", WebhookOutput),
    scope="webhooks:read",
    title="List webhooks",
    read_only=True,
    toolset="infra",
)
def list_webhooks(caller, **paging):
    """Who is told what happens: addresses, the kinds of event, and why one was switched off. Never a secret."""
    found = WebhookEndpoint.objects.for_workspace(caller.workspace)
    return page("webhooks", found, **paging, show=lambda rows: WebhookOutput(rows, many=True).data)
