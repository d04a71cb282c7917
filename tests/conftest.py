"""What all tests share. Which database they use is decided in tests/settings.py."""

import hypothesis
import pytest
from django.conf import settings

from tests.ops import clients

pytest_plugins = ["tests.base"]
# How long one example takes says how busy the machine is, nothing of ours.
hypothesis.settings.register_profile("outbound", deadline=None)
hypothesis.settings.load_profile("outbound")


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


def pytest_collection_modifyitems(config, items):
    """Foreign clients are installed and need a product that runs, so only when asked for: `pytest -m clients`."""
    if "clients" in config.getoption("markexpr", ""):
        return
    for item in items:
        if item.get_closest_marker("clients"):
            item.add_marker(pytest.mark.skip(reason="run with `make test-clients`"))


@pytest.fixture(scope="session")
def outbound(tmp_path_factory):
    """{"OUTBOUND_URL", "OUTBOUND_KEY"} of a running product with a data folder of its own."""
    with clients.product(tmp_path_factory.mktemp("home")) as running:
        yield running
