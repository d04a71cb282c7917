"""Every mail of tests/corpora read as one that came in: python -m benchmarks.sides.classify_ours TIMES"""

import sys
from datetime import UTC, datetime

import django

from benchmarks.corpora import mails
from benchmarks.sides import run

django.setup()

from sending.inbound import read_mail  # noqa: E402

times, raws, now = int(sys.argv[1]), mails(), datetime.now(UTC)


def work() -> int:
    for _ in range(times):
        for raw in raws:
            read_mail(raw, received_at=now)
    return times * len(raws)


read_mail(b"Subject: x\n\nwarm up", received_at=now)
run(work)
