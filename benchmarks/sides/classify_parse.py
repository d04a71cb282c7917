"""The limit: the standard library parses the same mails, no more: python -m benchmarks.sides.classify_parse TIMES"""

import email
import sys

from benchmarks.corpora import mails
from benchmarks.sides import run

times, raws = int(sys.argv[1]), mails()


def work() -> int:
    for _ in range(times):
        for raw in raws:
            email.message_from_bytes(raw)
    return times * len(raws)


run(work)
