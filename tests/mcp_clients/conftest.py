import pytest


def pytest_collection_modifyitems(config, items):
    """These install clients and start the product, so they run only when asked for: `pytest -m clients`."""
    if "clients" in config.getoption("markexpr", ""):
        return
    for item in items:
        if item.get_closest_marker("clients"):
            item.add_marker(pytest.mark.skip(reason="run with `make test-clients`"))
