"""django-post-office: python -m benchmarks.sides.send_post_office PORT PROCESSES [queue COUNT]"""

import logging
import os
import sys

import django
import environ
from django.conf import settings

from benchmarks import letters
from benchmarks.sides import run

port, processes, *rest = sys.argv[1:]
settings.configure(
    INSTALLED_APPS=["post_office"],
    DATABASES={"default": environ.Env.db_url_config(os.environ["DATABASE_URL"])},
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    EMAIL_BACKEND="post_office.EmailBackend",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=int(port),
    POST_OFFICE={"BATCH_SIZE": 5000, "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    LOGGING_CONFIG=None,
)
django.setup()
logging.disable(logging.INFO)

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from post_office import mail  # noqa: E402

if rest:
    call_command("migrate", verbosity=0)
    mail.send_many(
        [
            {
                "sender": letters.SENDER,
                "recipients": letters.recipient(number),
                "subject": letters.SUBJECT,
                "message": letters.TEXT,
                "html_message": letters.HTML,
                "headers": {"List-Unsubscribe": letters.UNSUBSCRIBE},
            }
            for number in range(int(rest[1]))
        ]
    )
    raise SystemExit

connection.ensure_connection()


def work() -> int:
    return mail.send_queued(processes=int(processes))[0]


run(work)
