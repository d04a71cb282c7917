"""One tick with so many due: python -m benchmarks.sides.tick_ours DUE"""

import sys

import django
from django.utils import timezone

from benchmarks.sides import run

django.setup()

from django.db import connection  # noqa: E402

from campaigns.models import Enrollment  # noqa: E402
from campaigns.runner import tick  # noqa: E402
from sending.models import Message, SendCounter  # noqa: E402

due = int(sys.argv[1])


def make_due() -> None:
    """Others each time, evenly over the campaigns; what the last round planned is out of the way."""
    Message.objects.filter(state="queued").update(state="canceled", collected=True, settled_at=timezone.now())
    SendCounter.objects.all().delete()
    campaigns = list(Enrollment.objects.order_by().values_list("campaign", flat=True).distinct())
    for campaign in campaigns:
        waiting = Enrollment.objects.filter(campaign=campaign, status="active", position=1, due_at__gt=timezone.now())
        chosen = list(waiting.order_by("due_at").values_list("pk", flat=True)[: due // len(campaigns)])
        Enrollment.objects.filter(pk__in=chosen).update(due_at=timezone.now())


def work() -> int:
    before = Message.objects.filter(state="queued").count()
    tick()
    planned = Message.objects.filter(state="queued").count() - before
    if planned != due:
        raise RuntimeError(f"{due} were due, {planned} were planned.")
    return planned


make_due()
with connection.cursor() as cursor:
    cursor.execute("CHECKPOINT")
run(work)
