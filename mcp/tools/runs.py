"""Runs: sending a sequence to a group, watching it, steering it."""

import hashlib
import json
import math

from rest_framework import serializers

from apikeys.services import now_for
from campaigns import queries, services
from campaigns import serializers as s
from campaigns.models import Campaign, Sequence
from campaigns.views import control_run as steer
from campaigns.views import show_run, show_runs, start_run
from leads.models import Group
from mcp.confirm import Preview
from mcp.fields import KnownField, NamedField
from mcp.pages import after_field, limit_field, page, page_output
from mcp.registry import tool
from outbound.api.serializers import Input, Output

RUN = {"run_id": KnownField(Campaign.objects.exclude(launched_at=None), what="run", listed_by="list_runs")}
POLL_AFTER = 15  # seconds: a step is planned within a minute, a mail leaves within seconds
ADVICE = {
    "running": "Mails are going out. Poll get_run_status; pause or stop it with control_run.",
    "paused": "Nothing leaves while it is paused. control_run with action resume goes on.",
    "completed": "Everybody's walk has ended. Nothing more will be sent.",
    "stopped": "It was stopped for good. Start another with launch_sequence.",
    "failed": "It cannot go on: see status_reason.",
}


class LaunchInput(s.RunInput):
    sequence_id = NamedField(
        Sequence.objects.select_related("workspace"),
        what="sequence",
        listed_by="list_sequences",
        required=False,
        help_text="What to say: id or name of a sequence (native).",
    )
    group_id = NamedField(
        Group.objects,
        what="group",
        listed_by="list_groups",
        required=False,
        help_text="To whom: id or name of a group; every lead when absent.",
    )
    # A choice of campaigns: here it would only lengthen the list of tools.
    track_opens = track_clicks = None


class ListRunsInput(s.RunListInput):
    page = None
    limit = limit_field()
    after = after_field()


class ControlInput(Input):
    action = serializers.ChoiceField(
        choices=["pause", "resume", "stop"], help_text="pause can be resumed; stop is for good."
    )


class AdviceOutput(Output):
    """What to do next, and when to look again."""

    next = serializers.CharField()
    poll_with = serializers.CharField()
    poll_after_seconds = serializers.IntegerField()


class RunRowOutput(s.RunOutput):
    schedule = serializers.DictField()  # what launch_sequence takes: every byte of the list is read by every model


class RunStatusOutput(s.RunDetailOutput, AdviceOutput):
    """Everything about a run."""

    schedule = serializers.DictField()


class RunHandleOutput(AdviceOutput):
    """What a launch or a change of course answers: enough to go on with; get_run_status has the rest."""

    id = serializers.CharField()
    name = serializers.CharField()
    status = serializers.CharField()
    actions = serializers.ListField(child=serializers.CharField())
    progress = s.ProgressOutput()
    next_send_at = serializers.CharField(allow_null=True)
    next_send_reason = serializers.CharField()
    leads_blocked = serializers.IntegerField()
    leads_excluded = serializers.IntegerField()
    warnings = serializers.ListField(child=serializers.CharField())


def status_of(run: Campaign) -> dict:
    shown = show_run(run)
    under_way = shown["status"] in ("running", "paused")
    return {
        **shown,
        "next": ADVICE[shown["status"]],
        "poll_with": "get_run_status" if under_way else None,
        "poll_after_seconds": POLL_AFTER if under_way else None,
    }


def handle_of(run: Campaign) -> dict:
    return RunHandleOutput(status_of(run)).data


def launch_of(caller, *, engine, sequence_id, group_id=None, **data):
    plan = services.plan_run(
        workspace=caller.workspace,
        sequence=sequence_id,
        group=group_id,
        now=now_for(caller.workspace),
        **{name: value for name, value in data.items() if name != "name"},
    )
    steps = services.current_steps(sequence_id)
    enrolled, senders = plan.audience.enrolled, sorted(mailbox.email for mailbox in plan.mailboxes)
    what = f"{sequence_id.name} ({len(steps)} steps)"
    whom = f"{enrolled} leads of {f'the group {group_id.name}' if group_id else 'the workspace'}"
    return Preview(
        would=f"Send {what} to {whom} from {', '.join(senders[:5])}.",
        counts={
            "enrolled": enrolled,
            "paused_by_health": plan.audience.paused,
            "blocked": plan.audience.blocked,
            "excluded": plan.audience.excluded,
            "steps": len(steps),
            "senders": len(senders),
        },
        size=enrolled,
        sample=[_sample(sequence_id, lead) for lead in plan.audience.sample],
        estimate={
            "mails_at_most": enrolled * len(steps),
            "sending_days_at_least": math.ceil(enrolled / plan.schedule["daily_limit"]),
            "warnings": plan.warnings,
        },
        facts=[_audience(caller, group_id), _copy(steps), senders, plan.schedule, dict(plan.audience.reasons)],
    )


def _sample(sequence: Sequence, lead) -> dict:
    shown = queries.preview(sequence=sequence, lead=lead)
    return {"lead": lead.email, "subject": shown["subject"], "text": shown["text"][:500], "holds": shown["holds"]}


def _audience(caller, group: Group | None) -> str:
    """A hash of who is meant: one lead exchanged for another is another audience."""
    ids = services.audience_of(caller.workspace, group).order_by("id").values_list("id", flat=True)
    digest = hashlib.sha256()
    for lead_id in ids.iterator():
        digest.update(lead_id.bytes)
    return digest.hexdigest()


def _copy(steps) -> str:
    return json.dumps(s.StepOutput(steps, many=True).data, sort_keys=True, default=str)


def is_large(caller, preview: Preview) -> bool:
    return preview.size > caller.workspace.confirm_launch_above


@tool(
    input=LaunchInput,
    output=RunHandleOutput,
    scope="campaigns:write",
    title="Launch a sequence",
    third_party=True,
    destructive=True,
    open_world=True,
    preview=launch_of,
    needs_token=is_large,
)
def launch_sequence(caller, **data):
    """Start sending a sequence to a group, or to every lead. Returns the run, which goes on in the background.

    Use dry_run first and show a person what it says. Then poll get_run_status."""
    return handle_of(start_run(caller.workspace, **data))


@tool(
    input=ListRunsInput,
    output=page_output("runs", RunRowOutput),
    scope="campaigns:read",
    title="List runs",
    read_only=True,
)
def list_runs(caller, *, limit, after="", status=""):
    """Runs, newest first, with progress; by status if asked."""
    return page("runs", queries.runs(caller.workspace, status), limit=limit, after=after, show=show_runs)


@tool(
    on=RUN, output=RunStatusOutput, scope="campaigns:read", title="Get a run's status", third_party=True, read_only=True
)
def get_run_status(caller, *, run_id):
    """How far a run is, when its next mail leaves and why then, who is held and why, and its last log lines."""
    return status_of(run_id)


@tool(
    input=ControlInput,
    on=RUN,
    output=RunHandleOutput,
    scope="campaigns:write",
    title="Control a run",
    destructive=True,
    open_world=True,
)
def control_run(caller, *, run_id, action):
    """Pause, resume or stop a run. Once a pause or stop is answered, no further mail of it leaves. Stop is for good."""
    return steer(run_id, action, show=handle_of)
