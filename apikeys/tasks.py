"""Housekeeping of the doors."""

from celery import shared_task

from apikeys import billing, idempotency, inbound, notices, webhook_delivery
from outbound.clock import real_now


@shared_task(name="apikeys.forget_old_responses")
def forget_old_responses(**_):
    idempotency.forget_old_responses(now=real_now())


@shared_task(name="apikeys.deliver_webhooks")
def deliver_webhooks(**_):
    webhook_delivery.deliver_due()


@shared_task(name="apikeys.tell_owners")
def tell_owners(**_):
    notices.tell_owners(now=real_now())


@shared_task(name="apikeys.read_billing")
def read_billing(**_):
    billing.read_billing()


@shared_task(name="apikeys.forget_old_webhooks")
def forget_old_webhooks(**_):
    webhook_delivery.forget_old_deliveries(now=real_now())
    inbound.forget_old_messages(now=real_now())
    notices.forget_old_notices(now=real_now())
