"""One importer behind POST /leads, /leads/bulk and files. A handful of statements however many rows (5,000 at most)."""

from collections.abc import Collection
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Lower

from apikeys.events import record_events
from apikeys.models import Workspace
from apikeys.tiers import LimitReached, hold_limit, limit_of, note_use, sentence
from leads.checks import email_domain, is_disposable, is_role
from leads.models import Group, GroupMember, Lead, Variable
from leads.rows import DEFAULTS, TEXT_FIELDS, LeadRow, RowRefused, read_row
from leads.suppression import suppressed_among
from outbound.api.errors import Invalid
from outbound.bulk import insert_rows, update_rows
from outbound.ids import uuid7

MAX_ROWS = 5000
_EMPTY = {name: DEFAULTS.get(name, "") for name in TEXT_FIELDS}
_WRITABLE = (*TEXT_FIELDS, "lead_score", "custom")


@dataclass
class Report:
    """results: one {email, id, status, reason} per row in order; status created, updated, duplicate or rejected."""

    results: list[dict] = field(default_factory=list)
    suppressed: int = 0
    errors: dict[int, dict] = field(default_factory=dict)  # index of a rejected row → {field: [sentences]}

    def count(self, status: str) -> int:
        return sum(result["status"] == status for result in self.results)

    def counts(self) -> dict:
        return {
            "total": len(self.results),
            "created": self.count("created"),
            "updated": self.count("updated"),
            "duplicates": self.count("duplicate"),
            "rejected": self.count("rejected"),
            "suppressed": self.suppressed,
        }


def import_leads(
    *, workspace: Workspace, rows: list, now, on_duplicate: str = "update", dry_run: bool = False, batch=None,
    seen: Collection[str] = (),
) -> Report:  # fmt: skip
    """Add rows (dicts as read_row takes them) to a workspace.

    A known address is updated (given fields overwrite, absent stay, null clears) or skipped, as on_duplicate says; one
    that comes twice in `rows`, or stands in `seen` (the addresses of a file's rows above), counts once, the first wins.
    What `batch` itself added before its reader died is still `created`. A suppressed address becomes a blocked lead. A
    row that is wrong is `rejected` with its reasons and harms no other (decisions C6, C7, C21, §3).
    """
    if len(rows) > MAX_ROWS:
        raise Invalid.field("body", f"At most {MAX_ROWS} leads at once; you sent {len(rows)}. Send them in parts.")
    report = Report()
    wanted = _read_all(rows, report, _taken_names(workspace, rows), seen)
    with transaction.atomic():
        _apply(workspace, wanted, report, now=now, update=on_duplicate == "update", dry_run=dry_run, batch=batch)
        if not dry_run:
            _join_groups(workspace, wanted, report, now)
    return report


def _taken_names(workspace, rows) -> set[str]:
    """Names of variables, when a row brings fields of its own: one of them would hide the variable (decisions §3)."""
    if not any(isinstance(row, dict) and row.get("custom") for row in rows):
        return set()
    return set(Variable.objects.for_workspace(workspace).values_list("name", flat=True))


def refuse_hidden_variable(custom: dict, names: set[str]) -> None:
    """RowRefused when a field of one's own has the name of a variable."""
    hidden = sorted(set(custom) & names)
    if hidden:
        raise RowRefused({"custom": [f"{hidden[0]}: a variable has this name."]})


def _read_all(rows, report: Report, names: set[str], seen: Collection[str]) -> dict[str, tuple[int, LeadRow]]:
    """{email: (index of its result, row)} of the rows that may go in; the others already have their result."""
    wanted: dict[str, tuple[int, LeadRow]] = {}
    for index, raw in enumerate(rows):
        result = {"email": _shown_email(raw), "id": None, "status": "rejected", "reason": None}
        report.results.append(result)
        try:
            row = read_row(raw)
            refuse_hidden_variable(row.fields.get("custom", {}), names)
        except RowRefused as error:
            report.errors[index] = error.details
            result["reason"] = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.details.items())
            continue
        result["email"] = row.fields["email"]
        if row.fields["email"] in wanted or row.fields["email"] in seen:
            result.update(status="duplicate", reason="The same address stands further up.")
        else:
            wanted[row.fields["email"]] = (index, row)
    return wanted


def _shown_email(raw):
    email = raw.get("email") if isinstance(raw, dict) else None
    return email[:254] if isinstance(email, str) else None


def _apply(workspace, wanted, report, *, now, update: bool, dry_run: bool, batch) -> None:
    limit = hold_limit(workspace, "leads")
    known = _known(workspace, wanted)
    blocked = suppressed_among(workspace, wanted)
    report.suppressed = len(blocked)
    new = {
        email: _new_lead(workspace, row.fields, now, email in blocked, batch)
        for email, (_, row) in wanted.items()
        if email not in known
    }
    full = _leave_out_what_is_too_much(workspace, new, limit, now, dry_run=dry_run)
    if not dry_run:
        inserted = set(insert_rows(Lead, list(new.values())))
        if len(inserted) < len(new):  # somebody else added some of them at this very moment
            known.update(_known(workspace, [email for email, row in new.items() if row["id"] not in inserted]))
        record_events([_fact(workspace, row, now) for row in new.values() if row["id"] in inserted])
    changed = [_changed_lead(known[email], row.fields, now) for email, (_, row) in wanted.items() if email in known]
    if update and not dry_run:
        update_rows(Lead, changed)
    for email, (index, _) in wanted.items():
        result = report.results[index]
        if email in known:
            ours = batch is not None and known[email].imported_by_id == batch.id
            result.update(id=str(known[email].id), status="created" if ours else "updated" if update else "duplicate")
        elif email in new:
            result.update(id=None if dry_run else str(new[email]["id"]), status="created")
        else:
            result.update(reason=full)
        if email in blocked and result["status"] != "rejected":
            result["reason"] = "This address must not be written to: the lead is blocked."


def _leave_out_what_is_too_much(workspace, new: dict, limit: int | None, now, *, dry_run: bool) -> str:
    """Take out of `new` what the tier has no room for, the last ones; the sentence that says so."""
    if limit is None or not new:
        return ""
    used = Lead.objects.for_workspace(workspace).count()
    for email in list(new)[max(0, limit - used) :]:
        del new[email]
    if new and not dry_run:
        note_use(workspace, "leads", before=used, after=used + len(new), limit=limit, now=now)
    return sentence("leads", limit)


def refuse_if_full(workspace: Workspace, results: list[dict]) -> None:
    """LimitReached (403) when the tier has no room for any of the rows."""
    limit = limit_of(workspace, "leads")
    if results and limit is not None and all(result["reason"] == sentence("leads", limit) for result in results):
        raise LimitReached("leads", limit)


def _fact(workspace, row: dict, now) -> dict:
    return {
        "workspace": workspace, "kind": "lead.created", "now": now, "lead_id": row["id"], "source": row["source"],
        "summary": f"{row['email']} was added",
    }  # fmt: skip


def _known(workspace, emails) -> dict[str, Lead]:
    rows = Lead.objects.for_workspace(workspace).filter(email__in=list(emails)).order_by("id").select_for_update()
    return {lead.email: lead for lead in rows}


def _new_lead(workspace, given: dict, now, blocked: bool, batch) -> dict:
    email = given["email"]
    domain = email_domain(email)
    return {
        "id": uuid7(),
        "workspace_id": workspace.id,
        "created_at": now,
        "updated_at": now,
        "email": email,
        "email_domain": domain,
        "status": Lead.Status.BLOCKED if blocked else Lead.Status.HELD,
        "is_disposable": is_disposable(domain),
        "is_role": is_role(email),
        "imported_by_id": batch.id if batch else None,
        "emails_sent": 0,
        "emails_opened": 0,
        "emails_clicked": 0,
        "emails_replied": 0,
        "lead_score": 50,
        **_EMPTY,
        **{name: value for name, value in given.items() if name in _WRITABLE},
        "custom": _without_nulls(given.get("custom", {})),
    }


def _without_nulls(custom: dict) -> dict:
    return {key: value for key, value in custom.items() if value is not None}


def _changed_lead(lead: Lead, given: dict, now) -> dict:
    values = {name: getattr(lead, name) for name in _WRITABLE}
    values.update({name: value for name, value in given.items() if name in _WRITABLE})
    if "custom" in given:  # given keys overwrite, absent stay, null clears
        values["custom"] = _without_nulls({**lead.custom, **given["custom"]})
    return {"id": lead.id, "updated_at": now, **values}


def _join_groups(workspace, wanted, report, now) -> None:
    names = list(dict.fromkeys(name for _, row in wanted.values() for name in row.groups or ()))
    if not names:
        return
    groups = groups_by_name(workspace, names, now)
    insert_rows(
        GroupMember,
        [
            {"group_id": groups[name.lower()].id, "lead_id": report.results[index]["id"]}
            for index, row in wanted.values()
            for name in row.groups or ()
            if report.results[index]["id"]
        ],
    )


def groups_by_name(workspace, names, now) -> dict[str, Group]:
    """{lower-case name: group}; unknown names become groups, spelt as they come first."""

    def found():
        return {group.name.lower(): group for group in Group.objects.for_workspace(workspace)}

    groups = found()
    missing = {name.lower(): name for name in reversed(names) if name.lower() not in groups}
    if missing:
        Group.objects.bulk_create(
            [Group(workspace=workspace, name=name, created_at=now) for name in missing.values()], ignore_conflicts=True
        )
        groups = found()
    for name in missing.values():
        if name.lower() not in groups:  # the database folds a letter that Python does not, and found a twin
            same = Group.objects.for_workspace(workspace).alias(folded=Lower("name")).filter(folded=Lower(Value(name)))
            groups[name.lower()] = same.get()
    return groups
