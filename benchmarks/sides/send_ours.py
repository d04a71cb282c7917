"""What each worker's dispatcher does until nothing is due: claim, render, commit before the dot, settle."""

import django

from benchmarks.sides import run

django.setup()

from django.db import connection  # noqa: E402

from sending.postoffice import dispatch  # noqa: E402

connection.ensure_connection()


def work() -> int:
    handled = 0
    while count := dispatch():
        handled += count
    return handled


run(work)
