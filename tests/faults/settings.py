"""The product's own settings for worker processes of a test; they share the test's database, its Redis and its keys."""

import os

from outbound.settings import *  # noqa: F403
from outbound.settings import CACHES, CELERY_BROKER_TRANSPORT_OPTIONS, REDIS_URL

if REDIS_URL:
    CACHES["default"]["KEY_PREFIX"] = os.environ["TEST_PREFIX"]
    CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] = f"{os.environ['TEST_PREFIX']}:"
