"""What all tests share. Which database they use is decided in tests/settings.py."""

import pytest
from django.conf import settings

pytest_plugins = ["tests.base"]


def pytest_report_header():
    places = "PostgreSQL and Redis" if settings.REDIS_URL else "SQLite and the embedded broker"
    return f"databases: {places}"


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_on_redis():
    yield
    if settings.REDIS_URL:
        import redis

        server = redis.Redis.from_url(settings.REDIS_URL)
        keys = list(server.scan_iter(f"*{settings.RUN}:*", count=1000))
        if keys:
            server.delete(*keys)
