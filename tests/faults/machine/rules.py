"""A run's life as rules that hypothesis plays in any order, against promises.py. After each of them we look at all."""

import sys
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from campaigns import services as runs
from campaigns.campaigns import add_leads
from campaigns.explaining import explain_lead
from campaigns.models import Campaign, Enrollment, Sequence
from campaigns.runner import tick
from leads.models import Lead, Suppression
from leads.rows import LeadRow
from leads.services import delete_lead, suppress, update_lead
from outbound.api.errors import ApiError
from outbound.audits import audit
from sending import ledger, reconcile
from sending.inbox import receive
from sending.models import Message
from sending.postoffice import dispatch
from sending.reactions import react
from sending.services import decide_unknown, unsubscribe
from tests import make
from tests.faults.machine.promises import Promises
from tests.faults.machine.world import SLEEPS, World, turn
from tests.servers.scripted_smtp import OK, Drop, Hang

OPEN = (*Enrollment.WALKING, Enrollment.Status.PAUSED)
NOT_OVER = ("queued", "claimed", "committed")
WHICH = st.integers(0, 11)  # of what there is: the n-th, counted round
STAGES = ("connect", "ehlo", "mail", "rcpt", "data", "body", "dot")
LATER = ("421 4.3.2 Closing", "450 4.2.1 Busy", "451 4.3.0 Error", "452 4.3.1 Full")
NEVER = ("550 5.1.1 No such user", "550 5.7.1 Blocked", "552 5.2.2 Full", "554 5.6.0 No")
ANSWERS = (*LATER, *NEVER, Drop(), Drop(accept=True), Hang(), Hang(accept=True))
SEND_POINTS = (
    "T1.claiming", "T1.claimed", "render.stored", "net.prepared", "T3.locked", "T3.reserved", "T3.committing",
    "T3.committed", "dot.before", "dot.sent", "dot.answered", "T5.settling", "T5.settled", "reap.freeing",
    "reap.parking", "reap.done",
)  # fmt: skip
# Past the first tries, the lease, the grace, the wait before a follow-up, the 72 hours, an absence.
TURNS = (timedelta(minutes=2), timedelta(minutes=20), timedelta(hours=5), timedelta(days=1), timedelta(days=4))
# What may hold a walk when nothing is left to be done for it: its sender, or a person who has to look at it.
EXPLAINED = {"mailbox", "domain", "receiver", "enrollment"}
# Whom what comes in silences: a reply stops every walk, the others the address.
SILENCES = {"reply": "walks", "unsubscribe": "address", "complaint": "address", "bounce": "address"}
INCOMING = ("reply", "ooo", "bounce", "soft", "complaint", "unsubscribe")
DECISIONS = ("send_again", "assume_sent", "drop")


def nth(rows: list, number: int):
    return rows[number % len(rows)] if rows else None


def now():
    return timezone.now()


class LifeOfRuns(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world, self.promises, self.count = World(), Promises(), 0

    # --- runs ---------------------------------------------------------------------------------------------------------

    @initialize(leads=st.integers(1, 4), steps=st.integers(1, 3))
    def begin(self, leads, steps):
        self.somebody_comes(leads)
        self.launch(steps, 0, False)

    def somebody_comes(self, how_many: int) -> list[Lead]:
        self.count += how_many
        numbers = range(self.count - how_many, self.count)
        return [make.lead(self.world.workspace, f"lead{each}@acme{each % 2}.example") for each in numbers]

    @precondition(lambda self: len(self.world.runs()) < 3)
    @rule(steps=st.integers(1, 3), sender=st.integers(0, 1), elsewhere=st.booleans())
    def launch(self, steps, sender, elsewhere):
        self.attempt(
            make.run, self.world.workspace, steps=self.steps(steps), sender_email=f"box{sender}@you{sender}.example",
            include_active_elsewhere=elsewhere, now=now(),
        )  # fmt: skip

    def steps(self, how_many: int) -> list[dict]:
        return [make.step(f"Step {each}", delay_days=each % 2, delay_hours=0) for each in range(how_many)]

    def attempt(self, verb: Callable, *arguments, **named) -> bool:
        """Whether it was acknowledged: what the state of a run forbids is refused."""
        try:
            verb(*arguments, **named)
        except ApiError:
            return False
        return True

    @rule(which=WHICH)
    def pause(self, which):
        run = nth(self.world.runs(), which)
        if run and self.attempt(runs.pause, campaign=run, now=now()):
            self.promises.nothing_more_from(str(run.lane_id), "the run is paused")

    @rule(which=WHICH)
    def resume(self, which):
        run = nth(self.world.runs(), which)
        if run and self.attempt(runs.resume, campaign=run, now=now()):
            self.promises.goes_on(str(run.lane_id))

    @rule(which=WHICH)
    def stop(self, which):
        run = nth(self.world.runs(), which)
        if run and which > 5 and self.attempt(runs.stop, campaign=run, now=now()):
            self.promises.nothing_more_from(str(run.lane_id), "the run was stopped")

    @rule(which=WHICH, steps=st.integers(1, 3))
    def edit_the_sequence(self, which, steps):
        sequence = nth(list(Sequence.objects.order_by("created_at", "id")), which)
        if sequence:
            runs.update_sequence(sequence=sequence, steps=self.steps(steps), now=now())

    @rule(which=WHICH, how_many=st.integers(1, 2))
    def more_leads(self, which, how_many):
        run, leads = nth(self.world.runs(), which), self.somebody_comes(how_many)
        if run:
            self.attempt(add_leads, campaign=run, leads=leads, now=now())

    # --- leads --------------------------------------------------------------------------------------------------------

    def lead(self, which: int) -> Lead | None:
        return nth(list(Lead.objects.order_by("created_at", "id")), which)

    @rule(which=WHICH)
    def another_address(self, which):
        lead = self.lead(which)
        if lead:
            self.count += 1
            row = LeadRow({"email": f"moved{self.count}@acme{self.count % 2}.example"})
            if self.attempt(update_lead, lead=lead, row=row, now=now()):
                self.promises.nothing_more_at_the_old_address(self.world.walks_of(lead.pk), lead.email)

    @rule(which=WHICH)
    def delete(self, which):
        lead = self.lead(which)
        if lead:
            walks = self.world.walks_of(lead.pk)
            delete_lead(lead=lead)
            self.promises.nothing_more_for(walks, "the lead was deleted")

    @rule(which=WHICH, whole_domain=st.booleans())
    def suppress(self, which, whole_domain):
        lead = self.lead(which)
        if lead:
            value = "@" + lead.email_domain if whole_domain and which > 8 else lead.email
            suppress(workspace=lead.workspace, value=value, kind=Suppression.Kind.MANUAL, now=now())
            self.promises.nothing_more_to(value, "it was suppressed")

    @rule(which=WHICH)
    def opt_out(self, which):
        message = nth(list(Message.objects.filter(direction="out").order_by("created_at", "id")), which)
        if message:
            unsubscribe(message=message, now=now())
            for address in {message.to_email, message.lead.email if message.lead else message.to_email}:
                self.promises.nothing_more_to(address, "they opted out")

    @rule(which=WHICH, kind=st.sampled_from(INCOMING))
    def comes_in(self, which, kind):
        """Something about a mail that did arrive."""
        arrived = Message.objects.filter(rfc_message_id__in=list(self.promises.arrived)).order_by("created_at", "id")
        message = nth(list(arrived.select_related("body", "mailbox")), which)
        if message:
            raw = react(kind, bytes(message.body.raw), at=now(), seed=str(which))
            took = receive(mailbox=message.mailbox, raw=raw, now=now())
            if took and SILENCES.get(kind) == "walks" and message.lead_id:
                self.promises.nothing_more_for(self.world.walks_of(message.lead_id), "the lead replied")
            elif took and SILENCES.get(kind) == "address":
                self.promises.nothing_more_to(message.to_email, f"a {kind} came in")

    # --- the server, and time -----------------------------------------------------------------------------------------

    @rule(stage=st.sampled_from(STAGES), answer=st.sampled_from(ANSWERS))
    def the_server_will(self, stage, answer):
        """Once; what hangs before the dot holds the worker for as long as its steps may take."""
        self.world.server.script[stage] = [answer, OK]

    @rule(by=st.sampled_from(TURNS))
    def time_passes(self, by):
        turn(by)

    # --- workers ------------------------------------------------------------------------------------------------------

    @rule()
    def plan(self):
        tick()

    @rule()
    def send(self):
        dispatch()

    @rule()
    def plan_and_send(self):
        tick()
        dispatch()

    @rule(point=st.sampled_from(SEND_POINTS))
    def dies_while_sending(self, point):
        self.world.dies_at(point, dispatch)

    @rule(point=st.sampled_from(("T0.planned", "T0.done")))
    def dies_while_planning(self, point):
        self.world.dies_at(point, tick)

    @precondition(lambda self: len(self.world.asleep) < 2)
    @rule(point=st.sampled_from(SLEEPS))
    def falls_asleep(self, point):
        self.world.falls_asleep_at(point)

    @precondition(lambda self: self.world.asleep)
    @rule(which=WHICH)
    def wakes(self, which):
        self.world.wakes(which)

    @precondition(lambda self: self.world.asleep)
    @rule(which=WHICH)
    def dies_asleep(self, which):
        self.world.dies_asleep(which)

    @rule()
    def the_grace_is_over(self):
        """Whatever was committed and not answered is parked: nothing hangs between the states."""
        turn(timedelta(minutes=20))
        ledger.reap()
        assert not Message.objects.filter(state="committed").exists()

    # --- what is parked -----------------------------------------------------------------------------------------------

    @rule(which=WHICH, readable=st.booleans(), dies=st.booleans())
    def reconcile(self, which, readable, dies):
        """With a Sent folder that keeps everything, or without one."""
        message = nth(self.world.parked(), which)
        if message is None:
            return
        seen = bool(self.promises.arrived[message.rfc_message_id])
        known = {"in_sent": seen, "silence_proves": lambda: True} if readable else {}
        if dies:
            self.world.dies_at("reconcile.writing", lambda: reconcile.judge(message, **known))
        elif readable:
            assert reconcile.judge(message, **known)
        else:
            reconcile.judge(message)

    @rule(which=WHICH, decision=st.sampled_from(DECISIONS))
    def decide(self, which, decision):
        message = nth(self.world.parked(), which)
        if message and self.attempt(
            decide_unknown, message=message, decision=decision, attempt=message.attempt, now=now()
        ):
            self.promises.was_decided(message.rfc_message_id, decision)

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def look(self):
        self.promises.see(self.world.rows(), self.world.newly_arrived())

    def teardown(self):
        try:
            if sys.exc_info()[0] is None:
                self.to_the_end()
        finally:
            self.world.close()

    def to_the_end(self) -> None:
        """Everybody wakes, the server is kind, time passes: what is left then must have a reason."""
        self.world.server.script.clear()
        while self.world.asleep:
            self.world.wakes(0)
            self.look()
        for run in Campaign.objects.filter(status="paused"):
            self.resume(self.world.runs().index(run))
        for _ in range(12):
            tick()
            dispatch()
            self.look()
            if self.is_over():
                break
            turn(timedelta(days=2))
        self.is_explained()
        assert audit("caps") + audit("ledger") == []

    def is_over(self) -> bool:
        tick()
        return not Message.objects.filter(state__in=NOT_OVER).exists() and not self.waiting().exists()

    def waiting(self):
        parked = Message.objects.filter(state="unknown").values("touch__enrollment_id")
        return Enrollment.objects.filter(status__in=OPEN).exclude(pk__in=parked)

    def is_explained(self) -> None:
        for enrollment in self.waiting().select_related("campaign__workspace", "campaign__lane", "lead", "mailbox"):
            why = explain_lead(enrollment, now=now())
            assert why.binding in EXPLAINED and why.reason, (enrollment.status, why.binding, why.reason)
        held = Message.objects.filter(state__in=NOT_OVER)
        assert not held.exclude(touch__enrollment__in=self.waiting()).exists()
