"""Celery's doorbell for the planner."""

from celery import shared_task

from apikeys.models import Workspace
from campaigns import runner
from sending.tasks import drain


@shared_task(name="campaigns.tick")
def tick(*, workspace_id=None, **_):
    workspace = Workspace.objects.get(pk=workspace_id) if workspace_id else None
    for mailbox_id in runner.tick(workspace=workspace):
        drain.delay(mailbox_id=str(mailbox_id))
