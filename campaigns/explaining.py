"""Why a mail is not out yet: every guard in the order of the policy, its numbers, and the one that binds.

What the post office guards is asked of its own guards, and what the planner holds of the planner's own rules, so what
is explained is what will be done. Nothing here writes.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Min, Q

from campaigns.collecting import next_step
from campaigns.composing import compose, missing_footer, names_of
from campaigns.models import Campaign, Enrollment
from campaigns.planning import all_mailboxes_of, mailboxes_of, rest_of
from campaigns.schedule import next_slot
from campaigns.sequences import current_steps
from campaigns.windows import clock_for, closed_for, depends_on_lead, schedule_of
from leads.models import Lead
from leads.queries import variable_values, variables_named
from sending.models import Mailbox, Message
from sending.queries import OF_THE_RUN, OF_THE_SENDER, Departure, Finding, Held, report

E = Enrollment.Status
S = Message.State
ON_ITS_WAY = (S.QUEUED, S.CLAIMED, S.COMMITTED, S.UNKNOWN)
ORDER = (
    "campaign", "enrollment", "step", "lead", "answer", "suppression", "health", "validation", "rest", "variables",
    "mailbox", "domain", "receiver", "window", "mailbox_day", "gap", "campaign_day", "recovering_domain_day",
    "recovering_workspace_day", "domain_day", "receiver_day", "workspace_day", "month", "footer",
)  # fmt: skip
OURS = {"lane": "campaign", "lane_day": "campaign_day"}  # the post office's words in ours
STANDS = {
    Campaign.Status.DRAFT: "It was not launched yet.",
    Campaign.Status.PAUSED: "The run is paused.",
}


@dataclass
class Explained:
    """`next_at`: when the next mail leaves, none when nobody can say; `binding`: the guard that makes it so."""

    findings: list[Finding]
    next_at: datetime | None
    binding: str
    reason: str
    mailbox: Mailbox | None = None


def explain_run(campaign: Campaign, *, now: datetime) -> Explained:
    """What holds the next mail of a run, whoever gets it: from the mailbox that is free first."""
    whose = _whose_turn(campaign)
    first = [_standing(campaign), _next_due(campaign, whose, now), _footer(campaign)]
    message, mailboxes = Message(kind=Message.Kind.CAMPAIGN), mailboxes_of(campaign)
    reader = whose.lead if whose else None
    return _from_the_first_free(campaign, mailboxes, message, None, first, now=now, guards=OF_THE_RUN, reader=reader)


def explain_mailboxes(campaign: Campaign, *, now: datetime) -> list[Explained]:
    """Each mailbox of the run, alphabetically, those that rest too: when it could send the next mail, and why then."""
    rows = list(all_mailboxes_of(campaign).filter(retired_at=None).order_by("email")[:100])
    found = _reports(campaign, rows, Message(kind=Message.Kind.CAMPAIGN), None, now, OF_THE_SENDER)
    whose = _whose_turn(campaign)
    reader = whose.lead if whose else None
    return [_conclude(findings, campaign, now, reader, mailbox=box) for box, findings in zip(rows, found, strict=True)]


def explain_lead(enrollment: Enrollment, *, now: datetime) -> Explained:
    """What holds the next mail to one lead: every guard, also after one that ends it."""
    campaign, lead = enrollment.campaign, enrollment.lead
    steps = current_steps(campaign.sequence)
    message = _on_its_way(enrollment)
    step = next_step(steps, enrollment.position - 1 if message else enrollment.position)
    first = [
        _standing(campaign),
        _walk(enrollment, step),
        _its_turn(enrollment, message, step, now),
        _resting(lead, now),
        _variables(enrollment, step if not message else None),
        _footer(campaign),
    ]
    chosen = [enrollment.mailbox] if enrollment.mailbox_id else mailboxes_of(campaign)
    mail = message or Message(
        kind=Message.Kind.CAMPAIGN, to_email=lead.email if lead else "", stops_after=enrollment.created_at
    )
    return _from_the_first_free(campaign, chosen, mail, lead, first, now=now, guards=None, reader=lead)


def _from_the_first_free(campaign, mailboxes, message, lead, first, *, now, guards, reader) -> Explained:
    """`reader`: the lead on whose clock the window is read."""
    if not mailboxes:
        nobody = Finding("mailbox", {}, Held(S.QUEUED, "No mailbox of this run may send now."))
        return _conclude([*first, nobody], campaign, now, reader)
    found = _reports(campaign, mailboxes, message, lead, now, guards)
    pairs = zip(mailboxes, found, strict=True)
    ways = [_conclude(first + row, campaign, now, reader, mailbox=box) for box, row in pairs]
    return min(ways, key=lambda way: (way.next_at is None, way.next_at or now))


def _reports(campaign, mailboxes, message, lead, now, guards) -> list[list[Finding]]:
    for mailbox in mailboxes:
        mailbox.workspace = campaign.workspace
    return report([Departure(message, campaign.lane, lead, mailbox, now) for mailbox in mailboxes], guards)


def _conclude(findings: list[Finding], campaign: Campaign, now: datetime, reader, mailbox=None) -> Explained:
    """The moment at which the last guard lets go, moved into the window; no moment when one may never."""
    kept = _in_our_words(findings)
    held = [each for each in kept if each.held]
    # What may never end binds, the first of it; of what ends, what ends last.
    endless = next((each for each in held if each.held.ends_at is None), None)
    last = endless or max(held, key=lambda each: (each.held.ends_at, _place(each)), default=None)
    moment = now if last is None else max(now, last.held.ends_at or now)
    window = _window(campaign, reader, moment)
    if window.held and not endless:
        last, moment = window, window.held.until
    kept = sorted([*kept, window], key=_place)
    binding, reason = (last.guard, last.held.reason) if last else ("", _due(kept))
    return Explained(kept, None if endless else moment, binding, reason, mailbox)


def _due(findings: list[Finding]) -> str:
    ahead = next((each.numbers.get("ahead") for each in findings if each.guard == "step"), 0)
    return f"It is due; {ahead} of the run come first." if ahead else "It is due."


def _in_our_words(findings: list[Finding]) -> list[Finding]:
    """One finding a guard, in order: of two the one that holds. Without the deadline of a queued mail: what misses its
    window is planned again for the next."""
    found: dict[str, Finding] = {}
    for each in findings:
        name = OURS.get(each.guard, each.guard)
        if name not in found or (each.held and not found[name].held):
            found[name] = replace(each, guard=name)
    found.pop("window", None)
    return sorted(found.values(), key=_place)


def _place(finding: Finding) -> int:
    return ORDER.index(finding.guard) if finding.guard in ORDER else len(ORDER)


def _standing(campaign: Campaign) -> Finding:
    held = None
    if campaign.status != Campaign.Status.ACTIVE:
        reason = STANDS.get(campaign.status) or f"The run has ended. {campaign.status_reason}".strip()
        held = Held(S.QUEUED if campaign.status in STANDS else S.CANCELED, reason)
    return Finding("campaign", {"status": campaign.status}, held)


def _whose_turn(campaign: Campaign) -> Enrollment | None:
    """Whose step is owed first, where the window depends on whose it is."""
    rows = campaign.enrollments.walking().filter(due_at__isnull=False).select_related("lead")
    return rows.order_by("due_at", "id").first() if depends_on_lead(campaign) else None


def _next_due(campaign: Campaign, whose: Enrollment | None, now: datetime) -> Finding:
    """When the run's next step is owed to anybody."""
    if whose and _waits_for_its_window(whose, now):
        return Finding("step", {"due_at": whose.due_at})
    in_hand = Message.objects.filter(lane=campaign.lane_id, state__in=[S.QUEUED, S.CLAIMED])
    queued = in_hand.order_by("send_at", "id").first()
    due_at = campaign.enrollments.walking().aggregate(first=Min("due_at"))["first"]
    moments = [moment for moment in (due_at, queued and queued.send_at) if moment]
    if not moments:
        parked = Message.objects.filter(lane=campaign.lane_id, state=S.UNKNOWN).count()
        reason = f"{parked} parked mail(s) await a decision." if parked else "Nobody is waiting for a step."
        return Finding("step", {"parked": parked}, Held(S.QUEUED, reason))
    wanted = min(moments)
    reason = "The wait before the next step."
    if queued and queued.send_at == wanted and queued.state_reason:
        reason = queued.state_reason
    return Finding("step", {"due_at": wanted}, Held(S.QUEUED, reason, until=wanted) if wanted > now else None)


def _on_its_way(enrollment: Enrollment) -> Message | None:
    """The mail that is on the ledger for this lead and not settled."""
    touch = enrollment.touches.filter(message__state__in=ON_ITS_WAY).select_related("message").first()
    return touch and touch.message


def _walk(enrollment: Enrollment, step) -> Finding:
    held = None
    if enrollment.status == E.PAUSED:
        held = Held(S.QUEUED, f"It waits for a person to look at it. {enrollment.reason}".strip())
    elif enrollment.status not in Enrollment.WALKING:
        held = Held(S.SKIPPED, enrollment.reason or f"The lead's walk has ended: {enrollment.status}.")
    elif step is None:
        held = Held(S.SKIPPED, "There is no further step.")
    return Finding("enrollment", {"status": enrollment.status, "position": enrollment.position}, held)


def _its_turn(enrollment: Enrollment, message: Message | None, step, now: datetime) -> Finding:
    """When its next step is owed; of what is owed already, how many of the run come first."""
    if message and message.state == S.UNKNOWN:
        return Finding("step", {"message_id": str(message.pk)}, Held(S.QUEUED, "A parked mail awaits a decision."))
    if message and message.state == S.COMMITTED:
        return Finding("step", {}, Held(S.QUEUED, "It was handed over; the server's answer is awaited."))
    due_at = message.send_at if message else enrollment.due_at
    numbers = {"step": step.position if step else None, "due_at": due_at}
    if not message and _waits_for_its_window(enrollment, now):
        return Finding("step", numbers)
    if due_at and due_at > now:
        reason = (message.state_reason if message else enrollment.reason) or "The wait before the next step."
        return Finding("step", numbers, Held(S.QUEUED, reason, until=due_at))
    return Finding("step", numbers if message or due_at is None else {**numbers, "ahead": _ahead(enrollment)})


def _waits_for_its_window(enrollment: Enrollment, now: datetime) -> bool:
    """Its step is owed, and the planner put it off for the reason that the window gives."""
    closed = closed_for(enrollment.campaign, enrollment.lead, now)
    return closed is not None and enrollment.reason == closed.reason


def _ahead(enrollment: Enrollment) -> int:
    """Those of the same run whose step is owed earlier; follow-ups go before first steps."""
    rows = enrollment.campaign.enrollments.walking().filter(due_at__isnull=False)
    earlier = Q(due_at__lt=enrollment.due_at) | Q(due_at=enrollment.due_at, id__lt=enrollment.id)
    if enrollment.position:
        return rows.filter(earlier, position__gt=0).count()
    return rows.filter(Q(position__gt=0, due_at__lte=enrollment.due_at) | earlier).count()


def _resting(lead, now: datetime) -> Finding:
    rest = rest_of(lead, now) if lead else None
    numbers = {"away_until": lead.away_until if lead else None}
    return Finding("rest", numbers, Held(S.QUEUED, rest.reason, until=rest.until) if rest else None)


def _variables(enrollment: Enrollment, step) -> Finding:
    """Whether the next step can be written: asked of what writes it."""
    lead, campaign = enrollment.lead, enrollment.campaign
    if step is None or lead is None:
        return Finding("variables", {})
    variables = variables_named(campaign.workspace, names_of([step]))
    values = variable_values([lead.pk], variables).get(lead.pk, {})
    composed = compose(
        workspace=campaign.workspace, step=step, lead=lead, variables=variables, values=values, unsubscribe_url="",
        first_subject=enrollment.thread.subject if enrollment.thread else "",
    )  # fmt: skip
    held = Held(S.QUEUED, " ".join(composed.holds)) if composed.holds else None
    return Finding("variables", {"states": {name: row.state for name, row in values.items()}}, held)


def _window(campaign: Campaign, reader: Lead | None, moment: datetime) -> Finding:
    slot, clock = next_slot(schedule_of(campaign, reader), moment), clock_for(campaign, reader)
    closed = closed_for(campaign, reader, moment)
    reason = closed.reason if closed else "The schedule's window opens then."
    numbers = {
        "timezone": clock.timezone,
        "timezone_of": clock.source,
        "start_time": campaign.schedule_start_time,
        "end_time": campaign.schedule_end_time,
        "days": campaign.schedule_days,
        "day_hours": campaign.day_hours,
    }
    return Finding("window", numbers, Held(S.QUEUED, reason, until=slot) if slot > moment else None)


def _footer(campaign: Campaign) -> Finding:
    missing = missing_footer(campaign.workspace)
    reason = f"The workspace needs {' and '.join(missing)}."
    return Finding("footer", {}, Held(S.QUEUED, reason) if missing else None)
