"""A test workspace's clock jumps; what happened on the way still happened in order."""

from datetime import timedelta

from apikeys.services import turn_clock
from campaigns.runner import tick
from sending.models import Message
from sending.postoffice import drain
from tests import make
from tests.world import run_until_idle

TWO_STEPS = [make.step(), make.step("", "<p>Did this reach you?</p>", delay_days=3)]


def send_what_is_due():
    """As workers do when they are rung: plan, and send at once; nobody looks at the sandbox in between."""
    for mailbox_id in tick():
        drain(mailbox_id)


def test_an_answer_of_the_first_day_stops_the_follow_up_however_far_the_clock_is_turned(acme):
    make.lead(acme, "reply+jo@sandbox.test")
    make.lead(acme, "ok+ana@sandbox.test")
    make.run(acme, steps=TWO_STEPS)
    run_until_idle()

    turn_clock(workspace=acme, by=timedelta(days=4))
    send_what_is_due()

    sent = Message.objects.filter(direction="out", state="sent").values_list("to_email", flat=True)
    assert sorted(sent) == ["ok+ana@sandbox.test", "ok+ana@sandbox.test", "reply+jo@sandbox.test"]
