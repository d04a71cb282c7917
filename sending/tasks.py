"""Celery's doorbells for the post office: "look at mailbox M". They carry no truth, no due time and no message."""

from celery import shared_task

from outbound.clock import real_now
from sending import ledger, postoffice, recovery


@shared_task(name="sending.drain", queue="sending")
def drain(*, mailbox_id, **_):
    postoffice.drain(mailbox_id)


@shared_task(name="sending.reap", queue="default")
def reap(**_):
    ledger.reap()


@shared_task(name="sending.heal", queue="default")
def heal(**_):
    recovery.heal_due(now=real_now())
