"""What can be done with leads and groups. Files: leads/imports.py. Variables: leads/variables.py."""

from django.db import transaction
from django.db.models import F

from apikeys.models import Workspace
from leads.asking import ModelBusy, choose, has_model
from leads.checks import email_domain, is_disposable, is_role, normalise_email
from leads.exporting import export_leads
from leads.importing import MAX_ROWS, groups_by_name, import_leads, refuse_hidden_variable, refuse_if_full
from leads.model_check import model_problem
from leads.models import Group, GroupMember, Lead, Variable
from leads.rows import LeadRow, RowRefused
from leads.suppression import erase, is_suppressed, lift, lock_address, suppress, suppress_all, suppressed_among
from leads.validation import NEVER_ASKED, queue_validation
from leads.variables import create_variable, update_variable
from outbound.acknowledging import nothing_more_to
from outbound.api.errors import Invalid
from outbound.api.names import taken, unique_name
from outbound.bulk import insert_rows

__all__ = [
    "MAX_ROWS", "ModelBusy", "add_lead", "add_leads_to_group", "choose", "create_group", "create_variable",
    "delete_group", "delete_lead", "export_leads", "has_model", "import_leads", "is_suppressed", "lift",
    "lock_address", "model_problem", "normalise_email", "queue_validation", "record_activity",
    "remove_leads_from_group", "suppress", "suppress_all", "suppressed_among", "update_group", "update_lead",
    "update_variable",
]  # fmt: skip


def add_lead(*, workspace: Workspace, row: dict, now) -> tuple[Lead, str]:
    """Upsert one lead. (lead, "created" | "updated"); a wrong row is an Invalid that names its fields."""
    report = import_leads(workspace=workspace, rows=[row], now=now)
    result = report.results[0]
    refuse_if_full(workspace, report.results)
    if result["status"] == "rejected":
        raise Invalid(result["reason"], details=report.errors.get(0))
    return Lead.objects.get(pk=result["id"]), result["status"]


@transaction.atomic
def update_lead(*, lead: Lead, row: LeadRow, now) -> Lead:
    """Set the given fields; groups, when given, are joined. The row is locked: a send in its last moment waits."""
    lead = Lead.objects.select_for_update(no_key=True).get(pk=lead.pk)
    fields = dict(row.fields)
    if "custom" in fields:
        _refuse_hidden_variable(lead, fields["custom"])
        merged = {**lead.custom, **fields["custom"]}
        fields["custom"] = {key: value for key, value in merged.items() if value is not None}
    email = fields.get("email", lead.email)
    if email != lead.email:
        _move_to(lead, email, fields)
    for name, value in fields.items():
        setattr(lead, name, value)
    lead.updated_at = now
    lead.save(update_fields=[*fields, "updated_at"])
    if row.groups:
        _join(lead, row.groups, now)
    return lead


def _refuse_hidden_variable(lead: Lead, custom: dict) -> None:
    names = Variable.objects.for_workspace(lead.workspace).filter(name__in=list(custom)).values_list("name", flat=True)
    try:
        refuse_hidden_variable(custom, set(names))
    except RowRefused as error:
        raise Invalid(str(error), details=error.details) from None


def _move_to(lead: Lead, email: str, fields: dict) -> None:
    if Lead.objects.for_workspace(lead.workspace).filter(email=email).exists():
        raise Invalid.field("email", "Another lead has this address.")
    nothing_more_to(lead.workspace_id, [lead.email])
    domain = email_domain(email)
    fields.update(NEVER_ASKED, email_domain=domain, is_disposable=is_disposable(domain), is_role=is_role(email))
    if is_suppressed(lead.workspace, email):
        fields["status"] = Lead.Status.BLOCKED


def _join(lead: Lead, names: list[str], now) -> None:
    groups = groups_by_name(lead.workspace, names, now)
    for name in names:
        add_leads_to_group(group=groups[name.lower()], leads=[lead])


@transaction.atomic
def delete_lead(*, lead: Lead) -> None:
    """Gone, with the variable values. Nothing more is sent to it; an opt-out stays as a keyed hash (decisions §3)."""
    Lead.objects.select_for_update().get(pk=lead.pk)
    erase(lead.workspace, lead.email)
    nothing_more_to(lead.workspace_id, [lead.email])
    lead.delete()


def record_activity(*, lead_id, now, sent: int = 0, replied: int = 0, opened: int = 0, clicked: int = 0) -> None:
    """The one writer of the counters shown in lists."""
    changes = {
        "emails_sent": F("emails_sent") + sent,
        "emails_replied": F("emails_replied") + replied,
        "emails_opened": F("emails_opened") + opened,
        "emails_clicked": F("emails_clicked") + clicked,
        "last_activity_at": now,
    }
    if replied:
        changes["replied_at"] = now
    Lead.objects.filter(pk=lead_id).update(**changes)


def create_group(*, workspace: Workspace, name: str, color: str = "slate", description: str = "", now) -> Group:
    _refuse_taken_name(workspace, name)
    with unique_name("group", name):
        return Group.objects.create(
            workspace=workspace, name=name, color=color, description=description, created_at=now
        )


def update_group(*, group: Group, **fields) -> Group:
    if "name" in fields:
        _refuse_taken_name(group.workspace, fields["name"], but=group)
    for name, value in fields.items():
        setattr(group, name, value)
    with unique_name("group", group.name):
        group.save(update_fields=list(fields))
    return group


def _refuse_taken_name(workspace, name: str, but: Group | None = None) -> None:
    others = Group.objects.for_workspace(workspace).filter(name__iexact=name)
    if others.exclude(pk=but.pk if but else None).exists():
        raise taken("group", name)


def delete_group(*, group: Group) -> None:
    """The group goes, its leads stay."""
    group.delete()


def add_leads_to_group(*, group: Group, leads) -> int:
    """How many were new to it."""
    return len(insert_rows(GroupMember, [{"group_id": group.id, "lead_id": lead.id} for lead in leads]))


def remove_leads_from_group(*, group: Group, leads) -> int:
    """How many were in it."""
    return GroupMember.objects.filter(group=group, lead__in=leads).delete()[0]
