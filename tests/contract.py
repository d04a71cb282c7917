"""Every operation of REST, from the URL table, with one request that works: what the contract tests run over."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from uuid import UUID

from django.apps import apps
from django.urls import URLPattern
from rest_framework import serializers

from apikeys.inbound import create_connection
from apikeys.models import ApiKey, StoredResponse, WorkspaceOwned
from apikeys.services import create_key
from apikeys.webhooks import create_endpoint, send_test
from campaigns.campaigns import draft_campaign
from campaigns.routing_rules import create_rule
from campaigns.services import pause
from leads.imports import start_import
from leads.models import Lead
from leads.services import suppress
from leads.variables import queue_generation
from outbound.api.serializers import OwnedField, OwnedListField
from outbound.urls import api
from sending.models import Domain, Mailbox
from tests import make

RANDOM_ID = "019f0000-0000-7000-8000-000000000001"
CSV = b"email,first_name\njo@imported.example,Jo\n"


@dataclass(frozen=True)
class Operation:
    """`path` as in the URL table (leads/<str:pk>); `body`, `query`: the Input classes it takes, or None."""

    id: str
    method: str
    path: str
    view: type
    action: str
    body: object
    query: type | None

    def __str__(self) -> str:
        return self.id

    @property
    def scope(self) -> str:
        return self.view.scopes[self.action]

    @property
    def has_id(self) -> bool:
        return "<" in self.path

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def takes_json(self) -> bool:
        return isinstance(self.body, type)

    def at(self, *values: str) -> str:
        """The path with the values where ids or names stand; the last one in all places that are left."""
        left = list(values)
        return "/" + re.sub(r"<[^>]+>", lambda _: str(left.pop(0) if len(left) > 1 else left[0]), self.path)


def operations() -> list[Operation]:
    return [operation for pattern in patterns(api) for operation in _operations(pattern)]


def patterns(found) -> Iterator[URLPattern]:
    for each in found:
        yield from patterns(each.url_patterns) if hasattr(each, "url_patterns") else [each]


def _operations(pattern) -> Iterator[Operation]:
    for method, action in getattr(pattern.callback, "actions", {}).items():
        if method == "head":
            continue
        view = pattern.callback.cls
        handler = getattr(view, action)
        takes = handler.takes
        yield Operation(takes.operation_id, method.upper(), str(pattern.pattern), view, action, takes.body, takes.query)


@dataclass(frozen=True)
class Example:
    """A request that works in a `cast`: whose id goes into the path, and the body or query that goes with it."""

    at: Callable = lambda cast: ""
    body: Callable = lambda cast: None
    query: Callable = lambda cast: ""
    status: int = 200


def cast_of(workspace) -> SimpleNamespace:
    """One row of everything, in that workspace."""
    lead = make.lead(workspace, f"jo@{workspace.slug}.example", company_name="Acme")
    group = make.group(workspace, f"{workspace.slug} group", members=[lead])
    spare = make.group(workspace, f"{workspace.slug} spare")
    variable = make.variable(workspace, "opening_line")
    job = queue_generation(variable=variable, leads=Lead.objects.filter(pk=lead.pk), now=make.NOW)["job"]
    sequence, unused = make.sequence(workspace), make.sequence(workspace)
    run = make.run(workspace, sequence=sequence, group=group)
    other = make.lead(workspace, f"ann@{workspace.slug}.example")
    make.in_review(variable, other)
    mailbox = Mailbox.objects.get(workspace=workspace)
    draft, _ = draft_campaign(
        workspace=workspace, name="Draft", steps=[make.step()], leads=[other], mailboxes=[mailbox], now=make.NOW
    )
    batch = start_import(workspace=workspace, content=CSV, content_type="text/csv", now=make.NOW)
    webhook = create_endpoint(workspace=workspace, url=HOOK, kinds=["*"], now=make.NOW)
    delivery = send_test(endpoint=webhook, now=make.NOW)
    ingest = create_connection(workspace=workspace, source="clay", now=make.NOW)
    return SimpleNamespace(
        workspace=workspace,
        lead=lead,
        other=other,
        group=group,
        spare=spare,
        variable=variable,
        job=job,
        sequence=sequence,
        unused=unused,
        run=run,
        draft=draft,
        campaign=draft,
        rule=create_rule(campaign=draft, now=make.NOW, persona="founder"),
        mailbox=mailbox,
        unused_mailbox=make.mailbox(workspace, f"unused@{workspace.slug}.example"),
        paused_mailbox=make.mailbox(workspace, f"paused@{workspace.slug}.example", phase="paused"),
        batch=batch,
        suppression=suppress(workspace=workspace, value="gone@people.example", kind="manual", now=make.NOW),
        key=create_key(workspace=workspace, name="spare")[0],
        webhook=webhook,
        delivery=delivery,
        ingest=ingest,
        thread=(thread := make.thread(mailbox, lead)),
        reply=make.reply(thread),
        parked=make.parked(mailbox, lead),
        stray=make.stray(mailbox, lead.email),
    )


def stopped_domain(cast):
    Domain.objects.filter(pk=cast.mailbox.domain_id).update(phase="paused")
    return cast.mailbox.domain_id


def paused(cast) -> str:
    cast.run.refresh_from_db()
    if cast.run.status == "active":
        pause(campaign=cast.run, now=make.NOW)
    return str(cast.run.id)


STEPS = [{"subject": "Hi", "body_html": "<p>Hi</p>", "variants": [{"label": "A", "body_html": "<p>A</p>"}]}]
HOOK = "https://93.184.215.14/hooks"  # an address, so that no resolver is asked
EXAMPLES = {
    "list_webhooks": Example(),
    "create_webhook": Example(body=lambda c: {"url": HOOK, "kinds": ["lead.replied"]}, status=201),
    "get_webhook": Example(at=lambda c: c.webhook.id),
    "update_webhook": Example(at=lambda c: c.webhook.id, body=lambda c: {"url": HOOK, "enabled": True}),
    "delete_webhook": Example(at=lambda c: c.webhook.id, status=204),
    "rotate_webhook_secret": Example(at=lambda c: c.webhook.id),
    "test_webhook": Example(at=lambda c: c.webhook.id),
    "list_webhook_deliveries": Example(at=lambda c: c.webhook.id, query=lambda c: "state=pending&limit=5"),
    "replay_webhook_delivery": Example(at=lambda c: (c.webhook.id, c.delivery.id)),
    "list_ingest_connections": Example(),
    "create_ingest_connection": Example(body=lambda c: {"source": "clay", "name": "Table"}, status=201),
    "delete_ingest_connection": Example(at=lambda c: c.ingest.id, status=204),
    "list_ingested_messages": Example(at=lambda c: c.ingest.id),
    "get_account": Example(),
    "update_account": Example(body=lambda c: {"timezone": "Europe/Madrid", "confirm_launch_above": 0}),
    "list_keys": Example(),
    "create_key": Example(body=lambda c: {"name": "Reports", "scopes": ["keys:write"]}, status=201),
    "revoke_key": Example(at=lambda c: c.key.id, status=204),
    "list_leads": Example(query=lambda c: f"group_id={c.group.id}&search=jo&page=1&limit=5&status=held"),
    "upsert_leads": Example(body=lambda c: {"email": "new@people.example", "groups": ["New ones"]}),
    "import_leads": Example(body=lambda c: {"leads": [{"email": "bulk@people.example", "lead_score": 85}]}),
    "validate_leads": Example(body=lambda c: {"lead_ids": [str(c.lead.id)]}),
    "get_validation_results": Example(),
    "get_lead": Example(at=lambda c: c.lead.id),
    "update_lead": Example(at=lambda c: c.lead.id, body=lambda c: {"first_name": "Ann"}),
    "delete_lead": Example(at=lambda c: c.lead.id, status=204),
    "export_leads": Example(query=lambda c: f"group_id={c.group.id}&as=csv"),
    "list_groups": Example(),
    "create_group": Example(body=lambda c: {"name": "Another"}, status=201),
    "get_group": Example(at=lambda c: c.group.id),
    "update_group": Example(at=lambda c: c.group.id, body=lambda c: {"name": "Other", "color": "red"}),
    "delete_group": Example(at=lambda c: c.spare.id, status=204),
    "add_leads_to_group": Example(at=lambda c: c.spare.id, body=lambda c: {"lead_ids": [str(c.lead.id)]}),
    "remove_leads_from_group": Example(at=lambda c: c.group.id, body=lambda c: {"lead_ids": [str(c.lead.id)]}),
    "list_variables": Example(),
    "create_variable": Example(body=lambda c: {"name": "closing", "prompt_template": "A line."}, status=201),
    "get_variable": Example(at=lambda c: c.variable.id),
    "update_variable": Example(at=lambda c: c.variable.id, body=lambda c: {"prompt_template": "Another line."}),
    "delete_variable": Example(at=lambda c: c.variable.id, status=204),
    "generate_variable": Example(
        at=lambda c: c.variable.id, body=lambda c: {"lead_ids": [str(c.lead.id)], "group_id": str(c.group.id)}
    ),
    "list_variable_values": Example(at=lambda c: c.variable.id, query=lambda c: "state=review&limit=5"),
    "review_variable_value": Example(at=lambda c: (c.variable.id, c.other.id), body=lambda c: {"value": "Hello Ann."}),
    "approve_variable_values": Example(at=lambda c: c.variable.id, body=lambda c: {"lead_ids": [str(c.other.id)]}),
    "list_jobs": Example(query=lambda c: "state=running&limit=5"),
    "get_job": Example(at=lambda c: c.job.id),
    "pause_job": Example(at=lambda c: c.job.id),
    "resume_job": Example(at=lambda c: c.job.id),
    "cancel_job": Example(at=lambda c: c.job.id),
    "list_imports": Example(),
    "create_import": Example(body=lambda c: CSV, query=lambda c: "filename=a.csv&groups=One,Two", status=201),
    "get_import": Example(at=lambda c: c.batch.id),
    "list_suppressions": Example(query=lambda c: "kind=manual&search=gone&limit=5"),
    "create_suppression": Example(body=lambda c: {"value": "@never.example", "kind": "manual", "reason": "A rival."}),
    "get_suppression": Example(at=lambda c: c.suppression.id),
    "delete_suppression": Example(at=lambda c: c.suppression.id, query=lambda c: "reason=Asked", status=204),
    "import_suppressions": Example(body=lambda c: {"suppressions": [{"value": "no@people.example"}]}),
    "export_suppressions": Example(query=lambda c: "as=csv"),
    "list_sequences": Example(),
    "create_sequence": Example(body=lambda c: {"name": "Another", "steps": STEPS}, status=201),
    "get_sequence": Example(at=lambda c: c.sequence.id),
    "update_sequence": Example(at=lambda c: c.sequence.id, body=lambda c: {"name": "Other", "steps": STEPS}),
    "delete_sequence": Example(at=lambda c: c.unused.id, status=204),
    "preview_email": Example(at=lambda c: c.sequence.id, body=lambda c: {"lead_id": str(c.lead.id), "step": 1}),
    "list_runs": Example(query=lambda c: "status=running"),
    "create_run": Example(
        body=lambda c: {
            "engine": "native",
            "sequence_id": str(c.sequence.id),
            "sender_email": "hi@you.example",
            "group_id": str(c.group.id),
            "include_active_elsewhere": True,
            "schedule": dict(make.ALL_HOURS),
        },
        status=201,
    ),
    "get_run": Example(at=lambda c: c.run.id),
    "list_run_messages": Example(at=lambda c: c.run.id, query=lambda c: "state=sent&bodies=true"),
    "explain_run": Example(at=lambda c: c.run.id),
    "explain_run_lead": Example(at=lambda c: (c.run.id, c.lead.id)),
    "stop_run": Example(at=lambda c: c.run.id),
    "pause_run": Example(at=lambda c: c.run.id),
    "resume_run": Example(at=paused),
    "list_campaigns": Example(query=lambda c: "engine=native&status=draft"),
    "create_campaign": Example(
        body=lambda c: {
            "name": "Another",
            "steps": STEPS,
            "lead_ids": [str(c.other.id)],
            "mailbox_ids": [str(c.mailbox.id)],
            "include_active_elsewhere": True,
        },
        status=201,
    ),
    "get_campaign": Example(at=lambda c: c.run.id),
    "update_campaign": Example(at=lambda c: c.draft.id, body=lambda c: {"name": "Other", "daily_limit": 5}),
    "launch_campaign": Example(at=lambda c: c.draft.id),
    "pause_campaign": Example(at=lambda c: c.run.id),
    "archive_campaign": Example(at=lambda c: c.run.id),
    "add_campaign_leads": Example(
        at=lambda c: c.draft.id, body=lambda c: {"lead_ids": [str(c.lead.id)], "include_active_elsewhere": True}
    ),
    "list_routing_rules": Example(),
    "create_routing_rule": Example(
        body=lambda c: {"campaign_id": str(c.draft.id), "persona": "CTO", "min_score": 60, "priority": 10}, status=201
    ),
    "get_routing_rule": Example(at=lambda c: c.rule.id),
    "update_routing_rule": Example(at=lambda c: c.rule.id, body=lambda c: {"campaign_id": str(c.run.id)}),
    "delete_routing_rule": Example(at=lambda c: c.rule.id, status=204),
    "list_arrivals": Example(query=lambda c: "state=waiting&limit=5"),
    "get_campaign_report": Example(at=lambda c: c.run.id),
    "list_campaign_replies": Example(at=lambda c: c.run.id),
    "correct_reply_class": Example(at=lambda c: c.reply.id, body=lambda c: {"reply_class": "soft_no"}),
    "send_reply": Example(body=lambda c: {"thread_id": str(c.thread.id), "body_html": "<p>Yes</p>"}),
    "list_stray_mail": Example(query=lambda c: "why=unmatched&limit=5"),
    "get_stray_mail": Example(at=lambda c: c.stray.id),
    "assign_stray_mail": Example(at=lambda c: c.stray.id, body=lambda c: {"thread_id": str(c.parked.thread_id)}),
    "retry_stray_mail": Example(at=lambda c: c.stray.id),
    "dismiss_stray_mail": Example(at=lambda c: c.stray.id, status=204),
    "list_parked_sends": Example(),
    "get_parked_send": Example(at=lambda c: c.parked.id),
    "decide_parked_send": Example(
        at=lambda c: c.parked.id, body=lambda c: {"decision": "drop", "attempt": c.parked.attempt}
    ),
    "get_sandbox_clock": Example(),
    "turn_sandbox_clock": Example(body=lambda c: {"advance_seconds": 60}),
    "list_senders": Example(),
    "list_mailboxes": Example(),
    "connect_mailbox": Example(body=lambda c: {"email": "new@box.example", "daily_limit": 20}, status=201),
    "get_mailbox": Example(at=lambda c: c.mailbox.id),
    "update_mailbox": Example(at=lambda c: c.mailbox.id, body=lambda c: {"display_name": "Ann", "daily_limit": 20}),
    "delete_mailbox": Example(at=lambda c: c.unused_mailbox.id, status=204),
    "test_mailbox": Example(at=lambda c: c.mailbox.id),
    "authorize_mailbox": Example(at=lambda c: c.mailbox.id, body=lambda c: {"vendor": "google"}),
    "pause_mailbox": Example(at=lambda c: c.mailbox.id),
    "resume_mailbox": Example(at=lambda c: c.paused_mailbox.id),
    "list_domains": Example(),
    "get_domain": Example(at=lambda c: c.mailbox.domain_id),
    "update_domain": Example(at=lambda c: c.mailbox.domain_id, body=lambda c: {"dkim_selector": "2026a"}),
    "check_domain": Example(at=lambda c: c.mailbox.domain_id),
    "resume_domain": Example(at=stopped_domain),
    "list_domain_transitions": Example(at=lambda c: c.mailbox.domain_id),
    "list_mailbox_transitions": Example(at=lambda c: c.mailbox.pk),
}


def request_of(operation: Operation, cast) -> tuple[str, object]:
    """(path with query, body) of the operation's example in a cast."""
    example = EXAMPLES[operation.id]
    query = example.query(cast)
    ids = example.at(cast)
    return operation.at(*(ids if isinstance(ids, tuple) else (ids,))) + (f"?{query}" if query else ""), example.body(
        cast
    )


def fields_of(serializer) -> Iterator[tuple[tuple, serializers.Field]]:
    """Every field of an Input with its path; inside lists, of their first element: (("steps", 0, "subject"), field)."""
    instance = serializer() if isinstance(serializer, type) else serializer
    for name, field in instance.fields.items():
        yield (name,), field
        nested = getattr(field, "child", field)
        if isinstance(nested, serializers.Serializer):
            index = (0,) if nested is not field else ()
            for path, inner in fields_of(nested):
                yield (name, *index, *path), inner


def names_ids(field) -> bool:
    return isinstance(field, OwnedField | OwnedListField)


def with_value(body: dict, path: tuple, value):
    """A copy of the body with `value` at the path; what is missing on the way is made."""
    name, *rest = path
    if isinstance(name, int):
        rows = list(body) if isinstance(body, list) and body else [{}]
        rows[name] = with_value(rows[name], tuple(rest), value) if rest else value
        return rows
    below = body.get(name) if isinstance(body, dict) else None
    return {**(body or {}), name: with_value(below, tuple(rest), value) if rest else value}


def rows_of(workspace) -> dict[str, list]:
    """Everything a workspace owns, as stored, to see that nothing changed."""
    owned = [m for m in apps.get_models() if issubclass(m, WorkspaceOwned) and m not in (ApiKey, StoredResponse)]
    found = {m.__name__: list(m._base_manager.filter(workspace=workspace).order_by("pk").values()) for m in owned}
    for name, lookup in BELOW.items():
        model = next(m for m in apps.get_models() if m.__name__ == name)
        found[name] = list(model._base_manager.filter(**{lookup: workspace}).order_by("pk").values())
    return found


# Rows that belong to a workspace through another one.
BELOW = {
    "IngestedMessage": "connection__workspace",
    "GroupMember": "group__workspace",
    "Enrollment": "campaign__workspace",
    "Touch": "enrollment__campaign__workspace",
    "SequenceVersion": "sequence__workspace",
    "Step": "version__sequence__workspace",
}


def is_uuid(text) -> bool:
    try:
        return bool(UUID(text))
    except (ValueError, TypeError):
        return False
