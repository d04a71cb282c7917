"""The limit: a queue table, SELECT … FOR UPDATE SKIP LOCKED, smtplib, ready-made bytes. Twice after every crash."""

import os
import smtplib
import sys

import psycopg

from benchmarks import letters
from benchmarks.sides import run

BATCH = 100
TAKE = """
    SELECT id, to_email, raw FROM bare_queue WHERE NOT sent ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""
database = psycopg.connect(os.environ["DATABASE_URL"])


def work() -> int:
    done = 0
    with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as server:
        while rows := database.execute(TAKE, [BATCH]).fetchall():
            for _, to_email, raw in rows:
                server.sendmail(letters.SENDER, [to_email], raw)
            database.execute("UPDATE bare_queue SET sent = true WHERE id = ANY(%s)", [[row[0] for row in rows]])
            database.commit()
            done += len(rows)
    return done


run(work)
