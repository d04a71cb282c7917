"""Ring a worker. A ring that is lost costs one tick and nothing else: a broker that is away fails no request."""

import logging
import threading

from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)
# Set once this worker was asked to end: what a ring began stops between two mails, and gives back what it holds.
closing = threading.Event()


def ring(task, **kwargs) -> None:
    """Enqueue `task` once the present transaction is committed."""
    transaction.on_commit(lambda: _send(task, kwargs), robust=True)


def _send(task, kwargs) -> None:
    try:
        task.apply_async(kwargs=kwargs, retry=False, ignore_result=True)
    except OperationalError:
        logger.warning("The broker is away; %s will be found by the next tick.", task.name)
