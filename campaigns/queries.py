"""Reads of sequences and runs with everything their pages show, in a few statements however many there are."""

from django.db.models import Count, IntegerField, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from apikeys.models import Event
from apikeys.services import now_for
from campaigns import reports
from campaigns.composing import compose, names_of
from campaigns.models import Campaign, Enrollment, Sequence, Step
from campaigns.promises import moves_of, tell_next_send
from campaigns.sequences import current_steps, warnings_for
from campaigns.states import RUN_STATUS
from leads.models import Lead
from leads.queries import variable_values, variables_named
from outbound.api.errors import Invalid
from sending.models import Message, Thread
from sending.services import unsubscribe_url


def _newest_steps(sequence: str) -> Coalesce:
    """How many steps the newest version has; `sequence` names it in the outer row."""
    counted = Step.objects.filter(version__sequence=OuterRef(sequence)).order_by().values("version__number")
    newest = counted.annotate(n=Count("id")).order_by("-version__number").values("n")[:1]
    return Coalesce(Subquery(newest, output_field=IntegerField()), 0)


def with_counts(sequences: QuerySet) -> QuerySet:
    runs = Campaign.objects.filter(sequence=OuterRef("pk")).order_by().values("sequence").annotate(n=Count("id"))
    return sequences.annotate(
        version=Max("versions__number"),
        steps_count=_newest_steps("pk"),
        runs_count=Coalesce(Subquery(runs.values("n"), output_field=IntegerField()), 0),
    )


def sequence_detail(sequence: Sequence) -> Sequence:
    return with_counts(Sequence.objects.filter(pk=sequence.pk)).select_related("workspace").get()


def runs(workspace, status: str = "") -> QuerySet:
    """Launched campaigns; `status` in the words of /runs."""
    found = Campaign.objects.for_workspace(workspace).exclude(launched_at=None)
    if status:
        found = found.filter(status__in=[stored for stored, shown in RUN_STATUS.items() if shown == status])
    return found.select_related("sequence", "workspace").prefetch_related("mailboxes")


def loaded_run(campaign: Campaign) -> Campaign:
    """The run as it is now, with what its page needs."""
    return runs(campaign.workspace).select_related("workspace", "lane", "sequence__workspace").get(pk=campaign.pk)


def enrollment_of(run: Campaign, lead: Lead) -> Enrollment | None:
    """The lead's walk through the run, with what explaining it needs."""
    needed = ("lead", "mailbox", "thread", "campaign__workspace", "campaign__lane", "campaign__sequence")
    return run.enrollments.filter(lead=lead).select_related(*needed).first()


def run_context(campaigns: list[Campaign]) -> dict:
    """What RunOutput needs beside the rows."""
    return {"breakdowns": reports.breakdowns(campaigns), "messages": reports.message_counts(campaigns)}


def run_detail_context(run: Campaign) -> dict:
    """What RunDetailOutput needs beside the row. The time it tells is a promise."""
    told = tell_next_send(run, now=now_for(run.workspace))
    launched = Event.objects.filter(campaign_id=run.pk, kind="campaign.launched").newest_first().first()
    return {
        **run_context([run]),
        "next_send": told,
        "moves": moves_of(run),
        "held": reports.held_by_reason(run),
        "launch": launched.data if launched else {},
        "warnings": warnings_for(run.sequence) if run.sequence else [],
        "logs": reports.log_of(run),
    }


def messages_of(run: Campaign, state: str = "") -> QuerySet:
    found = Message.objects.filter(lane=run.lane_id).select_related("touch")
    return found.filter(state=state) if state else found


def preview(*, sequence: Sequence, lead: Lead | None, position: int = 1, label: str | None = None) -> dict:
    """A step as a lead would get it: PreviewOutput's fields. Invalid (400) without such a step, variant or any lead."""
    workspace = sequence.workspace
    lead = lead or Lead.objects.for_workspace(workspace).exclude(status=Lead.Status.BLOCKED).newest_first().first()
    if lead is None:
        raise Invalid.field("lead_id", "There is no lead yet to preview for.")
    steps = current_steps(sequence)
    step = next((step for step in steps if step.position == position), None)
    if step is None:
        raise Invalid.field("step", f"This sequence has {len(steps)} step(s).")
    if label is not None and label not in {variant.label for variant in step.variants.all()}:
        raise Invalid.field("variant", "This step has no such variant.")
    variables = variables_named(workspace, names_of([step]))
    values = variable_values([lead.pk], variables).get(lead.pk, {})
    composed = compose(
        workspace=workspace, step=step, lead=lead, variables=variables, values=values, label=label,
        unsubscribe_url=unsubscribe_url(workspace, lead.pk),
        first_subject=_first_subject(steps, lead, workspace, position),
    )  # fmt: skip
    return {
        "lead_id": str(lead.pk),
        "lead_email": lead.email,
        "step": position,
        "variant": composed.wording.label or None,
        "subject": composed.mail.subject,
        "html": composed.mail.html,
        "text": composed.mail.text,
        "missing": list(composed.mail.missing),
        "holds": composed.holds,
        "sandbox_text": any(row.writer == "sandbox" for row in values.values()),
    }


def _first_subject(steps: list[Step], lead: Lead, workspace, position: int) -> str:
    if position == 1:
        return ""
    first = compose(workspace=workspace, step=steps[0], lead=lead, variables={}, values={}, unsubscribe_url="")
    return first.mail.subject


def campaigns(workspace, *, engine: str = "native", statuses: list[str] | None = None) -> QuerySet:
    """Campaigns with leads_count and steps_count; `statuses` as stored."""
    leads = Enrollment.objects.filter(campaign=OuterRef("pk")).order_by().values("campaign").annotate(n=Count("id"))
    found = Campaign.objects.for_workspace(workspace).filter(engine=engine)
    if statuses:
        found = found.filter(status__in=statuses)
    return found.select_related("sequence", "workspace").annotate(
        steps_count=_newest_steps("sequence"),
        leads_count=Coalesce(Subquery(leads.values("n"), output_field=IntegerField()), 0),
    )


def report(campaign: Campaign) -> dict:
    """ReportOutput's fields, every enrollment status with its zero (decisions C18)."""
    breakdown = reports.breakdowns([campaign])[campaign.pk]
    sent = reports.message_counts([campaign])[campaign.pk]["sent"]
    replies = _replied_threads(campaign).count()
    return {
        "campaign_id": campaign.pk,
        "campaign_name": campaign.name,
        "total_leads": sum(breakdown.values()),
        "lead_status_breakdown": breakdown,
        "emails_sent": sent,
        "replies": replies,
        "reply_rate": f"{100 * replies / sent if sent else 0:.2f}%",
        "created_at": campaign.created_at,
        **reports.tracked(campaign),
    }


def _replied_threads(campaign: Campaign) -> QuerySet:
    replies = Message.objects.filter(lane=campaign.lane_id, kind=Message.Kind.REPLY)
    return Thread.objects.filter(pk__in=replies.values("thread_id"))


def replies(campaign: Campaign, *, limit: int = 100) -> dict:
    """CampaignRepliesOutput's fields: the most recently answered threads, each with its newest reply."""
    newest = Message.objects.filter(thread=OuterRef("pk"), kind=Message.Kind.REPLY).order_by("-created_at", "-id")
    threads = _replied_threads(campaign)
    rows = threads.annotate(newest=Subquery(newest.values("pk")[:1])).order_by("-last_inbound_at", "-id")[:limit]
    messages = Message.objects.select_related("body", "lead").in_bulk([row.newest for row in rows])
    return {"total_replies": threads.count(), "replies": [_reply(row, messages[row.newest]) for row in rows]}


def _reply(thread: Thread, message: Message) -> dict:
    lead = message.lead
    return {
        "thread_id": thread.pk,
        "message_id": message.pk,
        "contact_email": thread.contact_email,
        "contact_name": f"{lead.first_name} {lead.last_name}".strip() if lead else "",
        "subject": message.subject,
        "body_text": message.body.text,
        "reply_class": message.reply_class or "unclassified",
        "class_confidence": message.class_confidence,
        "class_by": message.class_by or "rules",
        "received_at": message.settled_at,
    }
