"""What each worker's dispatcher does until nothing is due: claim, render, commit before the dot, settle."""

import django

from benchmarks.sides import run

django.setup()

from django.db import connection  # noqa: E402

from sending.models import Message  # noqa: E402
from sending.postoffice import dispatch  # noqa: E402

connection.ensure_connection()


def work() -> int:
    handled = 0
    while Message.objects.filter(state=Message.State.QUEUED).exists():
        handled += dispatch()
    return handled  # or put off for a moment: what arrived is counted by the server


run(work)
