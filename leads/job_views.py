"""REST of generation jobs: how far each is, what it cost, and how it is paused, resumed and canceled."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from apikeys.viewsets import WorkspaceViewSet
from leads import jobs, tasks
from leads.models import GenerationJob, MessageBatch, VariableValue
from leads.money_serializers import Money
from outbound.api.openapi import documented
from outbound.api.pagination import PageInput, page_of
from outbound.api.serializers import Moment, Output, Text
from outbound.clock import real_now
from outbound.doorbell import ring


class JobListInput(PageInput):
    state = serializers.ChoiceField(choices=GenerationJob.State.values, required=False, help_text="Only this state.")


class MessageBatchOutput(Output):
    id = Text(source="vendor_id", help_text="The vendor's.")
    state = serializers.ChoiceField(choices=MessageBatch.State.values)
    requests = serializers.IntegerField()
    reason = Text()
    created_at = Moment()
    ended_at = Moment(allow_null=True)


class GenerationJobOutput(Output):
    """Shown with `progress` of leads.jobs in the context."""

    id = serializers.CharField()
    variable = serializers.CharField(source="variable.name")
    state = serializers.ChoiceField(choices=GenerationJob.State.values)
    reason = Text(help_text="Why it stands.")
    mode = serializers.ChoiceField(choices=GenerationJob.Mode.values)
    total = serializers.IntegerField(help_text="Values it was asked for.")
    counts = serializers.SerializerMethodField(help_text="Its values by state.")
    max_cost = Money(source="money_limit", allow_null=True, help_text="Dollars, as text.")
    spent = serializers.SerializerMethodField(help_text="Dollars, as text, with the most that is under way can cost.")
    calls = serializers.SerializerMethodField(help_text="Calls that were charged, or may be.")
    batches = serializers.SerializerMethodField(help_text="The vendor's batches, oldest first.")
    created_at = Moment()
    finished_at = Moment(allow_null=True)

    def _progress(self, job) -> dict:
        return self.context["progress"][job.pk]

    def get_counts(self, job) -> dict[str, int]:
        counts = self._progress(job)["counts"]
        return {state: counts[state] for state in VariableValue.State.values}

    def get_spent(self, job) -> str:
        return Money().to_representation(self._progress(job)["spent"])

    def get_calls(self, job) -> int:
        return self._progress(job)["calls"]

    @extend_schema_field(MessageBatchOutput(many=True))
    def get_batches(self, job):
        return MessageBatchOutput(self._progress(job)["batches"], many=True).data


def shown(rows) -> list[dict]:
    return GenerationJobOutput(rows, many=True, context={"progress": jobs.progress(rows)}).data


class JobViewSet(WorkspaceViewSet):
    scopes = {
        "list": "leads:read", "retrieve": "leads:read", "pause": "variables:generate", "resume": "variables:generate",
        "cancel": "variables:generate",
    }  # fmt: skip
    rows = GenerationJob.objects.select_related("variable")

    @documented("list_jobs", GenerationJobOutput, many=True, query=JobListInput, tag="variables")
    def list(self, request):
        """Requests to have variables written, newest first"""
        query = self.validated_query(JobListInput)
        rows = self.mine(self.rows)
        if state := query.pop("state", None):
            rows = rows.filter(state=state)
        return Response(page_of(rows, **query, show=shown))

    @documented("get_job", GenerationJobOutput, tag="variables")
    def retrieve(self, request, pk):
        """How far a job is and what it cost"""
        return Response(shown([self.one(self.rows, pk)])[0])

    @documented("pause_job", GenerationJobOutput, tag="variables")
    def pause(self, request, pk):
        """Begin no further call; what is under way is taken in"""
        return Response(shown([jobs.pause(job=self.one(self.rows, pk))])[0])

    @documented("resume_job", GenerationJobOutput, tag="variables")
    def resume(self, request, pk):
        """Go on; where money is wanting it pauses again by itself"""
        job = jobs.resume(job=self.one(self.rows, pk))
        ring(tasks.work_batches if job.mode == GenerationJob.Mode.BATCH else tasks.generate_due)
        return Response(shown([job])[0])

    @documented("cancel_job", GenerationJobOutput, tag="variables")
    def cancel(self, request, pk):
        """Give up what is not written; batches are canceled at the vendor, and what they wrote is kept and paid"""
        job = jobs.cancel(job=self.one(self.rows, pk), now=real_now())
        ring(tasks.work_batches)
        return Response(shown([job])[0])
