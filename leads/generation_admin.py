"""The money of generated text in the admin: prices, jobs, batches under way, and the ledger of calls."""

from django.contrib import admin

from leads import jobs
from leads.models import GenerationCall, GenerationJob, MessageBatch, ModelPrice
from leads.tasks import generate_due, work_batches
from outbound.admin_base import LogAdmin, OwnedAdmin, Verb, WorkspaceFilter
from outbound.admin_display import AMBER, BLUE, GREEN, GREY, RED, badge_column, when
from outbound.clock import real_now
from outbound.doorbell import ring

JOB_COLORS = {"running": BLUE, "paused": AMBER, "paused: budget": RED, "done": GREEN, "canceled": GREY}
BATCH_COLORS = {"submitting": BLUE, "in_progress": BLUE, "canceling": AMBER, "ended": GREEN, "lost": RED}
CALL_COLORS = {"reserved": BLUE, "settled": GREEN, "free": GREY, "unknown": RED}


@admin.register(ModelPrice)
class ModelPriceAdmin(OwnedAdmin):
    """Whoever runs the deployment pays, so they alone set what is believed to be paid."""

    workspace_path = None
    list_display = ["model", "valid_from", "prompt_up_to", "input", "output", "read_on"]
    search_fields = ["model"]
    fields = [
        ("model", "valid_from"), "prompt_up_to", ("input", "output"), ("cache_write", "cache_read"), "batch_factor",
        ("source", "read_on"),
    ]  # fmt: skip

    def may_act(self, request, obj=None) -> bool:
        return request.user.is_superuser

    def create(self, request, obj, form):
        obj.save()
        return obj

    update = create


@admin.register(GenerationJob)
class GenerationJobAdmin(LogAdmin):
    list_display = ["variable", "workspace", "state_badge", "mode", "total", "reason", when("created_at", "When")]
    list_filter = [WorkspaceFilter, "state", "mode"]
    list_select_related = ["workspace", "variable"]
    search_fields = ["variable__name"]
    date_hierarchy = "created_at"
    fields = [
        "workspace", "variable", "state", "reason", "mode", "total", "money_limit", "api_key", "created_at",
        "finished_at",
    ]  # fmt: skip
    state_badge = staticmethod(badge_column("state", JOB_COLORS, "State"))
    verbs = (
        Verb("pause", "Pause"),
        Verb("resume", "Resume"),
        Verb("cancel", "Cancel", "Give up what is not written? What was written stays.", danger=True),
    )

    def verbs_now(self, obj):
        legal = {"running": ("pause", "cancel"), "paused": ("resume", "cancel"), "paused: budget": ("resume", "cancel")}
        return [verb for verb in self.verbs if verb.name in legal.get(obj.state, ())]

    def do_pause(self, request, obj):
        jobs.pause(job=obj)
        return "It begins no further call; what is under way is taken in."

    def do_resume(self, request, obj):
        jobs.resume(job=obj)
        ring(work_batches if obj.mode == GenerationJob.Mode.BATCH else generate_due)
        return "It goes on."

    def do_cancel(self, request, obj):
        jobs.cancel(job=obj, now=real_now())
        ring(work_batches)
        return "What is not written is given up."


@admin.register(MessageBatch)
class MessageBatchAdmin(LogAdmin):
    list_display = ["vendor_id", "workspace", "state_badge", "requests", "reason", when("created_at", "When")]
    list_filter = [WorkspaceFilter, "state"]
    list_select_related = ["workspace"]
    search_fields = ["vendor_id"]
    fields = ["workspace", "job", "vendor_id", "state", "requests", "reason", "tries", "poll_at", "ended_at"]
    state_badge = staticmethod(badge_column("state", BATCH_COLORS, "State"))


@admin.register(GenerationCall)
class GenerationCallAdmin(LogAdmin):
    list_display = ["model", "workspace", "state_badge", "mode", "charge", "leads_served", when("created_at", "When")]
    list_filter = [WorkspaceFilter, "state", "mode", "purpose"]
    list_select_related = ["workspace"]
    search_fields = ["request_id"]
    date_hierarchy = "created_at"
    fields = [
        "workspace", "purpose", "variable", "job", "batch", "api_key", "state", "reason", "mode", "model", "request_id",
        "tokens_uncached", "tokens_cache_write", "tokens_cache_read", "tokens_output", "price", "charge",
        "leads_served", "created_at", "settled_at",
    ]  # fmt: skip
    state_badge = staticmethod(badge_column("state", CALL_COLORS, "State"))
