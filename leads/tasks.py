"""Celery's doorbells for leads: each looks for due rows and may be lost, doubled or late."""

from celery import shared_task

from leads import batches, clay, imports, validation, writing


@shared_task(name="leads.generate_due")
def generate_due(**_):
    writing.write_due()


@shared_task(name="leads.work_batches")
def work_batches(**_):
    batches.work_batches()


@shared_task(name="leads.read_imports")
def read_imports(**_):
    imports.read_waiting()


@shared_task(name="leads.validate_due")
def validate_due(**_):
    validation.validate_due()


@shared_task(name="leads.read_clay")
def read_clay(**_):
    clay.read_clay()
