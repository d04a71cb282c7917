"""Mails for the bare loop, as bytes: it has nothing to build. python -m benchmarks.sides.send_bare_queue COUNT"""

import os
import sys

import psycopg

from benchmarks import letters

TABLE = """
    CREATE TABLE IF NOT EXISTS bare_queue (
        id bigserial PRIMARY KEY, to_email text NOT NULL, raw bytea NOT NULL, sent boolean NOT NULL DEFAULT false);
    CREATE INDEX IF NOT EXISTS bare_queue_due ON bare_queue (id) WHERE NOT sent;
"""
HEADERS = f"From: {letters.SENDER}\r\nSubject: {letters.SUBJECT}\r\nMessage-ID: <%d@you.example>\r\n\r\n"

with psycopg.connect(os.environ["DATABASE_URL"]) as database:
    database.execute(TABLE)
    rows = [
        [letters.recipient(number), (HEADERS % number + letters.TEXT + letters.HTML).encode()]
        for number in range(int(sys.argv[1]))
    ]
    database.cursor().executemany("INSERT INTO bare_queue (to_email, raw) VALUES (%s, %s)", rows)
