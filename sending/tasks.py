"""Celery's doorbells for the post office: "look at mailbox M". They carry no truth, no due time and no message."""

from celery import shared_task

from outbound.clock import real_now
from outbound.doorbell import closing
from sending import feedback, hits, judging, ledger, mailboxes, postoffice, recovery, strays


@shared_task(name="sending.drain")
def drain(*, mailbox_id, **_):
    postoffice.drain(mailbox_id, stop=closing.is_set)


@shared_task(name="sending.reap")
def reap(**_):
    ledger.reap()


@shared_task(name="sending.heal")
def heal(**_):
    recovery.heal_due(now=real_now())


@shared_task(name="sending.retry_connections")
def retry_connections(**_):
    mailboxes.retry_connections()


@shared_task(name="sending.judge_replies")
def judge_replies(**_):
    judging.ask_model_due(now=real_now())


@shared_task(name="sending.judge_hits")
def judge_hits(**_):
    hits.judge_hits()


@shared_task(name="sending.read_resend")
def read_resend(**_):
    feedback.read_resend(stop=closing.is_set)


@shared_task(name="sending.forget_strays")
def forget_strays(**_):
    strays.forget_old(now=real_now())
