"""A message on the ledger, as the planner puts it there, and mail servers on this machine to send it to."""

import pytest

from campaigns.runner import tick
from sending.models import Message
from tests import make
from tests.vendors.resend import KEY, ResendStandIn


@pytest.fixture
def queue(acme):
    """queue(3): three messages of one run, queued. Keywords go to the run."""

    def put(count: int = 1, **fields) -> list[Message]:
        for _ in range(count):
            make.lead(acme)
        make.run(acme, **fields)
        tick()
        return list(Message.objects.filter(direction="out").order_by("send_at", "id"))

    return put


@pytest.fixture
def live(db, settings):
    """A workspace that sends for real, to servers on this machine."""
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    return make.workspace("Live", livemode=True)


@pytest.fixture
def post(live):
    """post(server, 3): three queued messages of a mailbox on that server."""

    def put(server, count: int = 1, **mailbox) -> list[Message]:
        make.mailbox(live, smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none", **mailbox)
        for _ in range(count):
            make.lead(live)
        make.run(live)
        tick()
        return list(Message.objects.filter(direction="out").order_by("send_at", "id"))

    return put


@pytest.fixture
def vendor(live, settings):
    """Resend, on this machine."""
    with ResendStandIn() as server:
        settings.RESEND_BASE_URL, settings.RESEND_REQUESTS_PER_SECOND = server.url, 1000
        yield server


@pytest.fixture
def write(live, vendor):
    """write(3): three mails of one run that a mailbox at Resend is to send."""

    def put(count: int = 1, **mailbox) -> list[Message]:
        make.mailbox(live, provider="resend", **{"password": KEY, **mailbox})
        for _ in range(count):
            make.lead(live)
        make.run(live, steps=[make.step("Grüße an {{first_name}}", "<p>Hi {{first_name}} – über {{company}}.</p>")])
        tick()
        return list(Message.objects.filter(direction="out").order_by("send_at", "id"))

    return put
