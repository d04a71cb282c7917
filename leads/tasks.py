"""Celery's doorbells for leads: each looks for due rows and may be lost, doubled or late."""

from celery import shared_task

from apikeys.services import now_for
from leads import clay, imports, validation, writing
from leads.models import Import


@shared_task(name="leads.generate_due", queue="writing")
def generate_due(**_):
    writing.write_due()


@shared_task(name="leads.read_imports", queue="default")
def read_imports(**_):
    for import_id in imports.waiting_imports():
        workspace = Import.objects.select_related("workspace").get(pk=import_id).workspace
        imports.run_import(import_id, now=now_for(workspace))


@shared_task(name="leads.validate_due", queue="default")
def validate_due(**_):
    validation.validate_due()


@shared_task(name="leads.read_clay", queue="default")
def read_clay(**_):
    clay.read_clay()
