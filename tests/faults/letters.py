"""One mail at a time on the ledger, and what makes good what a dead worker left: time, a reaper, a second worker."""

import re
from collections import Counter
from datetime import timedelta
from itertools import count

from django.utils import timezone

from campaigns.runner import tick
from sending import ledger, reconcile
from sending.models import Domain, Mailbox, Message
from sending.postoffice import dispatch
from tests import make
from tests.ops.processes import wait_until
from tests.servers.scripted_smtp import ScriptedSmtp

S = Message.State
LONG = timedelta(days=1)  # past every lease and grace
MESSAGE_ID = re.compile(rb"^Message-ID: *(\S+)\r$", re.M | re.I)
_number = count(1)


def accepted(server: ScriptedSmtp) -> Counter:
    """How often the server took each Message-ID, once nobody talks to it any more."""
    wait_until(lambda: server.open == 0, why="the server to see that the client is gone")
    return Counter(MESSAGE_ID.search(body)[1].decode() for body in server.bodies)


def one_run(workspace):
    """A run to one lead of its own, launched and not planned."""
    number = next(_number)
    lead = make.lead(workspace)
    group = make.group(workspace, f"Group {number}", [lead])
    return make.run(workspace, group=group, include_active_elsewhere=True)


def one_letter(workspace) -> Message:
    """Its message, queued."""
    run = one_run(workspace)
    tick()
    return Message.objects.get(lane=run.lane, direction="out")


def time_passes() -> None:
    """Leases run out, the grace is over, what was to wait is due, and no receiver asks for patience any more: no test
    waits for it, and no row says it was."""
    past = timezone.now() - LONG
    Message.objects.filter(state=S.CLAIMED).update(lease_until=past)
    Message.objects.filter(state=S.COMMITTED).update(committed_at=past)
    Message.objects.filter(state=S.QUEUED).update(send_at=past)
    Mailbox.objects.update(retry_connection_at=None, next_free_at=None)
    Domain.objects.update(slow_receivers={})


def recover() -> None:
    """A second worker, until nothing is in hand or waits. PostgreSQL may hold a dead process's locks for a moment."""

    def is_over() -> bool:
        time_passes()
        dispatch()
        return not Message.objects.filter(state__in=[S.QUEUED, S.CLAIMED, S.COMMITTED]).exists()

    wait_until(is_over, why="what a dead worker left to be done")


def evidence(server: ScriptedSmtp, message: Message) -> dict:
    """What a Sent folder that keeps everything would say of a parked message (a real one: test_reconcile.py)."""
    return {"in_sent": bool(accepted(server)[message.rfc_message_id]), "silence_proves": lambda: True}


def reconcile_by(server: ScriptedSmtp, message: Message) -> None:
    assert reconcile.judge(stored(message), **evidence(server, message))
    recover()


def stored(message: Message) -> Message:
    return Message.objects.get(pk=message.pk)


def reap_late() -> dict:
    time_passes()
    return ledger.reap()
