"""The product's settings on a data folder and databases of the tests' own; the shell's, for real use, are not read.

TEST_ON=servers takes PostgreSQL and Redis (TEST_DATABASE_URL, TEST_REDIS_URL), anything else the embedded default.
"""

import atexit
import os
import secrets
import shutil
import tempfile

from tests.servers_at import POSTGRES, REDIS

FOREIGN = (
    "DATABASE_URL",
    "REDIS_URL",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "EMAIL_URL",
    "PUBLIC_URL",
    "ALLOWED_HOSTS",
    "DEBUG",
    "FAILPOINTS",
    *(f"{vendor}_OAUTH_{what}" for vendor in ("GOOGLE", "MICROSOFT")
      for what in ("CLIENT_ID", "CLIENT_SECRET", "BASE_URL", "TENANT")),
)  # fmt: skip

for name in FOREIGN:
    os.environ.pop(name, None)
if os.environ.get("TEST_ON") == "servers":
    os.environ["DATABASE_URL"] = POSTGRES
    os.environ["REDIS_URL"] = REDIS
if "TEST_RUN" not in os.environ:  # xdist's workers inherit these two; the first process makes and removes them
    os.environ["TEST_RUN"] = secrets.token_hex(4)
    os.environ["OUTBOUND_HOME"] = tempfile.mkdtemp(prefix="outbound-test-")
    atexit.register(shutil.rmtree, os.environ["OUTBOUND_HOME"], ignore_errors=True)
RUN = "-".join([os.environ["TEST_RUN"], os.environ.get("PYTEST_XDIST_WORKER", "alone")])

from outbound.settings import *  # noqa: E402, F403
from outbound.settings import CACHES, CELERY_BROKER_TRANSPORT_OPTIONS, DATABASES, REDIS_URL  # noqa: E402

# Two runs at once on one server must not meet, nor two processes of one run.
CACHES["default"]["KEY_PREFIX"] = RUN
if REDIS_URL:
    DATABASES["default"]["TEST"] = {"NAME": f"test_outbound_{os.environ['TEST_RUN']}"}
    CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] = f"{RUN}:"
    # A test is one transaction, and may wait in it for longer than any commit.
    DATABASES["default"]["OPTIONS"] = {}
# One key makes many calls in a test; those of the limiter set their own.
RATE_LIMIT_PER_MINUTE = RATE_LIMIT_BURST = RATE_LIMIT_BULK_PER_MINUTE = 1_000_000
RATE_LIMIT_SIGN_IN_PER_MINUTE = RATE_LIMIT_FAILED_AUTH_PER_MINUTE = 1_000_000
# Hashing a password properly takes longer than most tests.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# A test's transaction is one connection: other threads would not see its rows.
DISPATCH_THREADS = 1
# No worker runs beside a test that would answer.
REPLY_WAIT_SECONDS = 0
# Set up for the contract; what speaks to them names a server of its own.
GOOGLE_OAUTH_CLIENT_ID, GOOGLE_OAUTH_CLIENT_SECRET = "client-1", "client-secret-canary-77"
