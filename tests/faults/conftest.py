"""The cast of the post office's tests, and a server that does as it is told."""

import pytest

from tests import make
from tests.faults.forked import kill_the_rest
from tests.sending.conftest import live, post, queue  # noqa: F401
from tests.servers.scripted_smtp import ScriptedSmtp


@pytest.fixture
def server(live):  # noqa: F811
    """A scripted server that `live` has a mailbox on."""
    with ScriptedSmtp() as running:
        make.mailbox(live, smtp_host="127.0.0.1", smtp_port=running.port, smtp_security="none")
        yield running
        kill_the_rest()
