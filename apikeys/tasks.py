"""Housekeeping of the doors."""

from celery import shared_task

from apikeys import idempotency
from outbound.clock import real_now


@shared_task(name="apikeys.forget_old_responses", queue="default")
def forget_old_responses(**_):
    idempotency.forget_old_responses(now=real_now())
