"""REST of sequences and runs, and the sandbox clock: translate in, one call, translate out."""

from datetime import timedelta

from rest_framework.response import Response

from apikeys.services import now_for, turn_clock
from apikeys.viewsets import WorkspaceViewSet
from campaigns import explain_serializers as e
from campaigns import explaining, promises, queries, reports, services, tasks
from campaigns import serializers as s
from campaigns.clock_serializers import ClockInput, ClockOutput
from campaigns.models import Campaign, Enrollment, Sequence
from campaigns.states import RUN_STATUS
from leads.models import Lead
from outbound.api.answers import Answer
from outbound.api.errors import NotFound
from outbound.api.openapi import documented
from outbound.api.pagination import OptionalPageInput, list_of, page_of
from outbound.doorbell import ring


class SequenceViewSet(WorkspaceViewSet):
    scopes = {
        "list": "campaigns:read", "create": "campaigns:write", "retrieve": "campaigns:read",
        "partial_update": "campaigns:write", "destroy": "campaigns:write", "preview": "campaigns:read",
    }  # fmt: skip

    @documented("list_sequences", s.SequenceOutput, many=True, query=OptionalPageInput, tag="sequences")
    def list(self, request):
        """Sequences with their number of steps"""
        query = self.validated_query(OptionalPageInput)
        return Response(list_of(queries.with_counts(self.mine(Sequence.objects.all())), query, show=show_sequences))

    @documented("create_sequence", s.SequenceDetailOutput, body=s.SequenceInput, status=201, tag="sequences")
    def create(self, request):
        """Build a sequence of e-mails"""
        data = self.validated(s.SequenceInput)
        sequence = services.create_sequence(workspace=self.workspace, now=now_for(self.workspace), **data)
        return Response(sequence_detail(sequence), status=201)

    @documented("get_sequence", s.SequenceDetailOutput, tag="sequences")
    def retrieve(self, request, pk):
        """One sequence with its steps and variants"""
        return Response(sequence_detail(self.one(Sequence.objects.all(), pk)))

    @documented("update_sequence", s.SequenceDetailOutput, body=s.SequencePatch, tag="sequences")
    def partial_update(self, request, pk):
        """Rename a sequence or change its steps; in use, the steps become the next version"""
        sequence = self.one(Sequence.objects.select_related("workspace"), pk)
        data = self.validated(s.SequencePatch)
        services.update_sequence(sequence=sequence, now=now_for(self.workspace), **data)
        ring(tasks.tick, workspace_id=str(self.workspace.pk))
        return Response(sequence_detail(sequence))

    @documented("delete_sequence", status=204, tag="sequences")
    def destroy(self, request, pk):
        """Delete a sequence that no run uses"""
        services.delete_sequence(sequence=self.one(Sequence.objects.all(), pk))
        return Response(status=204)

    @documented("preview_email", s.PreviewOutput, body=s.PreviewInput, tag="sequences")
    def preview(self, request, pk):
        """A step as a lead would get it"""
        sequence = self.one(Sequence.objects.select_related("workspace"), pk)
        return Response(preview(sequence, **self.validated(s.PreviewInput)))


def show_sequences(rows) -> list[dict]:
    return s.SequenceOutput(rows, many=True).data


def sequence_detail(sequence: Sequence) -> dict:
    return s.SequenceDetailOutput(queries.sequence_detail(sequence)).data


def preview(sequence: Sequence, *, lead_id=None, step: int = 1, variant: str | None = None) -> dict:
    return queries.preview(sequence=sequence, lead=lead_id, position=step, label=variant)


class RunViewSet(WorkspaceViewSet):
    scopes = {
        "list": "campaigns:read", "create": "campaigns:write", "retrieve": "campaigns:read",
        "messages": "campaigns:read", "stop": "campaigns:write", "pause": "campaigns:write",
        "resume": "campaigns:write", "explain": "campaigns:read", "explain_lead": "campaigns:read",
    }  # fmt: skip

    @documented("list_runs", s.RunOutput, many=True, query=s.RunListInput, tag="runs")
    def list(self, request):
        """Runs, newest first"""
        query = self.validated_query(s.RunListInput)
        return Response(list_of(queries.runs(self.workspace, query.pop("status", "")), query, show=show_runs))

    @documented("create_run", s.RunDetailOutput, body=s.RunInput, status=201, tag="runs")
    def create(self, request):
        """Start sending a sequence to a group, or to every lead"""
        return Response(show_run(start_run(self.workspace, **self.validated(s.RunInput))), status=201)

    @documented("get_run", s.RunDetailOutput, tag="runs")
    def retrieve(self, request, pk):
        """Progress of a run, why it waits, and its last log lines"""
        return Response(show_run(self.run(pk)))

    @documented("list_run_messages", s.RunMessageOutput, many=True, query=s.RunMessagesInput, tag="runs")
    def messages(self, request, pk):
        """Every mail of a run, out and in, newest first"""
        query = self.validated_query(s.RunMessagesInput)
        bodies = query.pop("bodies")
        found = queries.messages_of(self.run(pk), query.pop("state", ""))
        if bodies:
            found = found.select_related("body")
        return Response(
            page_of(
                found, **query, show=lambda rows: s.RunMessageOutput(rows, many=True, context={"bodies": bodies}).data
            )
        )

    @documented("stop_run", s.RunDetailOutput, tag="runs")
    def stop(self, request, pk):
        """Stop a run for good"""
        return self.control(pk, "stop")

    @documented("pause_run", s.RunDetailOutput, tag="runs")
    def pause(self, request, pk):
        """Pause a run: after the answer no further mail of it leaves"""
        return self.control(pk, "pause")

    @documented("resume_run", s.RunDetailOutput, tag="runs")
    def resume(self, request, pk):
        """Go on with a paused run"""
        return self.control(pk, "resume")

    @documented("explain_run", e.RunExplainedOutput, tag="runs")
    def explain(self, request, pk):
        """Every guard between a run and its next mail, with its numbers, and the one that binds"""
        return Response(explain_run(self.run(pk)))

    @documented("explain_run_lead", e.LeadExplainedOutput, tag="runs")
    def explain_lead(self, request, pk, lead_id):
        """Every guard between one lead of a run and its next mail"""
        lead = self.one(Lead.objects, lead_id)
        enrollment = queries.enrollment_of(self.run(pk), lead)
        if enrollment is None:
            raise NotFound()
        return Response(explain_lead(enrollment))

    def run(self, pk) -> Campaign:
        return self.one(Campaign.objects.exclude(launched_at=None), pk)

    def control(self, pk, verb: str) -> Response:
        return self.answered(control_run(self.run(pk), verb))


def start_run(workspace, *, engine="native", sequence_id=None, group_id=None, **data) -> Campaign:
    run = services.start_run(workspace=workspace, sequence=sequence_id, group=group_id, now=now_for(workspace), **data)
    ring(tasks.tick, workspace_id=str(workspace.pk))
    return run


def control_run(run: Campaign, verb: str, *, show=None) -> Answer:
    """`show(run)` (RunDetailOutput when absent), once a pause or stop holds: before that it must not be said."""
    act, show = {"stop": services.stop, "pause": services.pause, "resume": services.resume}[verb], show or show_run
    run = act(campaign=run, now=now_for(run.workspace))
    if verb == "resume":
        ring(tasks.tick, workspace_id=str(run.workspace_id))
        return Answer(show(run))
    return settled(run, show)


def settled(campaign: Campaign, show) -> Answer:
    """`show(campaign)`, said once no mail of it can leave any more."""

    def once_committed():
        services.settle_pause(campaign)
        return show(campaign)

    return Answer(show(campaign), once_committed)


def show_runs(rows: list[Campaign]) -> list[dict]:
    return s.RunOutput(rows, many=True, context=queries.run_context(rows)).data


def show_run(run: Campaign) -> dict:
    run = queries.loaded_run(run)
    return s.RunDetailOutput(run, context=queries.run_detail_context(run)).data


def explain_run(run: Campaign) -> dict:
    """RunExplainedOutput. The time it tells is a promise."""
    run, now = queries.loaded_run(run), now_for(run.workspace)
    told = promises.tell_next_send(run, now=now)
    more = {
        "run_id": run.pk,
        "status": RUN_STATUS[run.status],
        "mailboxes": explaining.explain_mailboxes(run, now=now),
        "held": reports.held_by_reason(run),
        "moves": promises.moves_of(run),
    }
    return e.RunExplainedOutput(vars(told) | more).data


def explain_lead(enrollment: Enrollment) -> dict:
    """LeadExplainedOutput."""
    told = explaining.explain_lead(enrollment, now=now_for(enrollment.campaign.workspace))
    more = {
        "run_id": enrollment.campaign_id,
        "lead_id": enrollment.lead_id,
        "status": enrollment.status,
        "position": enrollment.position,
    }
    return e.LeadExplainedOutput(vars(told) | more).data


class ClockViewSet(WorkspaceViewSet):
    scopes = {"retrieve": "campaigns:read", "turn": "campaigns:write"}

    @documented("get_sandbox_clock", ClockOutput, tag="sandbox")
    def retrieve(self, request):
        """What time it is in this workspace"""
        return Response(show_clock(self.workspace))

    @documented("turn_sandbox_clock", ClockOutput, body=ClockInput, tag="sandbox")
    def turn(self, request):
        """Turn a test workspace's clock forward: follow-ups, replies and bounces come due"""
        data = self.validated(ClockInput)
        by = timedelta(seconds=data["advance_seconds"]) if "advance_seconds" in data else None
        workspace = turn_clock(workspace=self.workspace, by=by, to=data.get("to"))
        ring(tasks.tick, workspace_id=str(workspace.pk))
        return Response(show_clock(workspace))


def show_clock(workspace) -> dict:
    now = now_for(workspace)
    return ClockOutput({"now": now, "turned_by_seconds": int(workspace.clock_offset.total_seconds())}).data
