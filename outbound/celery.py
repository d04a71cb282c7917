"""The Celery app and the beat table. Celery is a doorbell: every task asks the database what is due."""

import logging
import os
import threading

from celery import Celery, signals
from django.conf import settings
from kombu import Queue

from outbound.embedded import broker

logger = logging.getLogger(__name__)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outbound.settings")
broker.register()

# Every worker serves all of them unless it is told otherwise with -Q: what is slow must not keep mail waiting.
QUEUES = ("default", "sending", "writing")
ROUTES = {
    "sending.drain": {"queue": "sending"},
    "sending.retry_connections": {"queue": "sending"},
    "leads.generate_due": {"queue": "writing"},
    "leads.work_batches": {"queue": "writing"},
}


def _every(seconds: int, task: str) -> dict:
    """A tick that waited longer than its own period is dropped: the next one asks the same question."""
    return {"task": task, "schedule": float(seconds), "options": {"expires": float(seconds)}}


def _ticks() -> dict:
    return {
        "due steps become messages": _every(settings.SEND_TICK_SECONDS, "campaigns.tick"),
        "messages of dead workers are freed": _every(10, "sending.reap"),
        "stray mail of last month is forgotten": _every(3600, "sending.forget_strays"),
        "mailboxes and domains heal": _every(300, "sending.heal"),
        "sign-ins that failed are tried again": _every(60, "sending.retry_connections"),
        "replies that the rules are unsure of are judged": _every(60, "sending.judge_replies"),
        "opens and clicks are judged": _every(15, "sending.judge_hits"),
        "missing variables are written, those of dead workers too": _every(30, "leads.generate_due"),
        "batches of variables are submitted, looked at and taken in": _every(30, "leads.work_batches"),
        "files of leads are read in, those of dead workers too": _every(30, "leads.read_imports"),
        "domains of leads to validate are asked for": _every(60, "leads.validate_due"),
        "webhooks go out, those that failed again": _every(10, "apikeys.deliver_webhooks"),
        "owners are told what needs them": _every(60, "apikeys.tell_owners"),
        "leads that others posted are taken in": _every(30, "leads.read_clay"),
        "what Resend posted is taken in": _every(30, "sending.read_resend"),
        "what billing posted is applied": _every(30, "apikeys.read_billing"),
        "old webhooks are forgotten": _every(3600, "apikeys.forget_old_webhooks"),
        "answers kept for repeated requests are forgotten": _every(3600, "apikeys.forget_old_responses"),
    }


def _configuration() -> dict:
    """Asked for when Celery is first used: this module is imported while Django's settings are still being read."""
    return {
        "task_queues": [Queue(name, routing_key=name) for name in QUEUES],
        "task_routes": ROUTES,
        "beat_schedule": _ticks(),
        # The embedded broker has no fan-out, which remote control is made of.
        "worker_enable_remote_control": bool(settings.REDIS_URL),
    }


app = Celery("outbound")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.add_defaults(_configuration)
app.autodiscover_tasks()


@signals.worker_ready.connect
def _start_dispatcher(**_):
    """Once per worker, in its parent process: a prefork pool forks before this, and its children get no thread."""
    from outbound.dispatcher import dispatcher, reader

    dispatcher.start()
    reader.start()
    threading.Thread(target=_say_model_problem, name="model check", daemon=True).start()


def _say_model_problem() -> None:
    """Nothing waits for it: where the model's service is away, everything else starts all the same."""
    from django.db import close_old_connections

    from leads.services import model_problem
    from outbound.clock import real_now

    if problem := model_problem(now=real_now()):
        logger.warning(problem)
    close_old_connections()


@signals.worker_shutting_down.connect
def _ask_dispatcher_to_stop(**_):
    from outbound.dispatcher import dispatcher, reader
    from outbound.doorbell import closing

    closing.set()
    dispatcher.ask_to_stop()
    reader.ask_to_stop()


@signals.worker_shutdown.connect
def _wait_for_dispatcher(**_):
    from outbound.dispatcher import dispatcher, reader
    from sending.services import watcher

    dispatcher.join()
    reader.join()
    watcher.close()
