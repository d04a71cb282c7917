"""What is sent while the storm lasts, and what came of it: run after run to the same leads until told to end."""

import time
from collections import Counter
from dataclasses import dataclass

from django.conf import settings

from apikeys.models import Event
from campaigns.models import Enrollment
from campaigns.services import start_run
from leads.models import Lead
from leads.services import add_leads_to_group, create_group, import_leads
from outbound.audits import audit
from outbound.clock import real_now
from sending.models import ImapWatch, Mailbox, Message
from tests import make

ACCOUNT = {"imap_username": "hi@you.example", "imap_password": "secret"}  # that the tests' IMAP server knows
GROUPS, MAILBOXES, STEPS = 4, 8, 2
PATIENCE = 60.0  # seconds without any progress: what is not over then is stuck
WAVES_TO_PROVE, PROVEN_WITHIN = 4, 90.0  # on a busy machine copies are found too late to prove anything
REAPED_WITHIN = 60.0  # seconds after the grace: workers look every second, but the machine may be very busy
NOT_OVER = ["queued", "claimed", "committed"]


class Story:
    """A live workspace with mailboxes on the counting server, and waves of runs."""

    def __init__(self, port: int, *, leads: int, imap_port: int | None = None):
        self.workspace = make.workspace("Chaos", livemode=True)
        reading = {"imap_host": "127.0.0.1", "imap_port": imap_port, "imap_security": "none", **ACCOUNT}
        reading = reading if imap_port else {}
        for number in range(MAILBOXES):
            make.mailbox(
                self.workspace, email=f"box{number}@you{number % 2}.example", smtp_host="127.0.0.1", smtp_port=port,
                smtp_security="none", daily_limit=100_000, **reading,
            )  # fmt: skip
        rows = [{"email": f"lead{number}@acme{number % 50}.example", "first_name": "Jo"} for number in range(leads)]
        for start in range(0, leads, 1000):
            import_leads(workspace=self.workspace, rows=rows[start : start + 1000], now=make.NOW)
        everyone = list(Lead.objects.order_by("email"))
        self.groups = [
            create_group(workspace=self.workspace, name=f"Group {number}", now=make.NOW) for number in range(GROUPS)
        ]
        self.group_of: dict[str, int] = {}
        for number, group in enumerate(self.groups):
            add_leads_to_group(group=group, leads=everyone[number::GROUPS])
            self.group_of |= {lead.email: number for lead in everyone[number::GROUPS]}
        self.waves = 0
        self.runs: list = []  # of the last wave, a run for each group

    def start_wave(self) -> None:
        """Everybody gets two more steps, whatever is parked of earlier waves."""
        self.waves += 1
        names = [f"Wave {self.waves} step {number + 1}" for number in range(STEPS)]
        steps = [make.step(name, "<p>Hi {{first_name}}.</p>", delay_days=0, delay_hours=0) for name in names]
        sequence = make.sequence(self.workspace, name=f"Wave {self.waves}", steps=steps)
        schedule = {**make.ALL_HOURS, "daily_limit": 100_000}
        self.runs = [
            start_run(
                workspace=self.workspace, sequence=sequence, group=group, include_active_elsewhere=True,
                schedule=schedule, now=real_now(),
            )
            for group in self.groups
        ]  # fmt: skip

    def is_over(self) -> bool:
        """Nobody is owed a step but those who wait for a parked one."""
        return not Message.objects.filter(state__in=NOT_OVER).exists() and not _walking().exists()

    def is_nearly_over(self) -> bool:
        return _walking().count() < 50


def _walking():
    parked = Message.objects.filter(state="unknown").values("touch__enrollment_id")
    return Enrollment.objects.filter(status__in=Enrollment.WALKING).exclude(pk__in=parked)


def settle(story: Story) -> None:
    """Until nothing is parked any more. Who reads a mailbox is dead by now, and its lease is longer than we wait; and
    a Sent folder proves something once it has what is sent today, so something is."""
    ImapWatch.objects.update(held_until=None)
    drain(story)
    for _ in range(WAVES_TO_PROVE):
        if not Message.objects.filter(state="unknown").exists():
            return
        story.start_wave()
        drain(story, until=lambda: not Message.objects.filter(state="unknown").exists(), patience=PROVEN_WITHIN)


def drain(story: Story, *, until=lambda: True, patience: float = PATIENCE) -> None:
    """Wait for the end: as long as something moves, and `patience`."""
    seen, since = None, time.monotonic()
    while not (story.is_over() and until()):
        _hurry()
        now = (states(), _walking().count())
        if now != seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since > patience:
            return
        time.sleep(0.2)


def _hurry() -> None:
    """What the server was too slow for is tried again in minutes: they are over."""
    Message.objects.filter(state="queued", send_at__gt=real_now()).update(send_at=real_now())
    Mailbox.objects.exclude(retry_connection_at=None).update(retry_connection_at=None)
    ImapWatch.objects.exclude(failures=0).update(next_look_at=real_now(), failures=0)


def states() -> Counter:
    return Counter(Message.objects.filter(direction="out").values_list("state", flat=True))


@dataclass
class Verdict:
    """The figures of a storm. It held when nothing was doubled, lost or stuck, and the audits found nothing."""

    mails: int
    duplicates: int
    lost: int
    unknown: int
    stuck: int
    parked_after: float
    audits: list[str]

    def held(self, *, parked_at_most: int) -> bool:
        late = self.parked_after > settings.UNKNOWN_AFTER_SECONDS + REAPED_WITHIN
        wrong = self.duplicates or self.lost or self.stuck or self.audits or late
        return not wrong and self.unknown <= parked_at_most

    def line(self) -> str:
        audits = f"audits found {', '.join(self.audits)}" if self.audits else "audits empty"
        return (
            f"{self.mails} mails, {self.duplicates} duplicates, {self.lost} lost, {self.unknown} unknown "
            f"(parked after {self.parked_after:.0f} s at most), {self.stuck} stuck, {audits}"
        )


def judge(story: Story, server) -> Verdict:
    """Compare what the server took with what the ledger says."""
    arrived, places = server.ids(), server.places()
    sent = set(Message.objects.filter(state="sent").values_list("rfc_message_id", flat=True))
    parked = set(Message.objects.filter(state="unknown").values_list("rfc_message_id", flat=True))
    never_arrived = sent - set(arrived)  # booked, but nobody got it
    unbooked = set(arrived) - sent - parked  # it arrived, and would be sent again
    return Verdict(
        mails=sum(arrived.values()),
        duplicates=max(sum(arrived.values()) - len(arrived), sum(places.values()) - len(places)),
        lost=len(never_arrived) + len(unbooked) + _owed(story),
        unknown=len(parked),
        stuck=Message.objects.filter(state__in=NOT_OVER).count(),
        parked_after=_parked_after(),
        audits=[found.check for name in ("caps", "ledger") for found in audit(name)],
    )


def _owed(story: Story) -> int:
    """Steps that nobody got and that wait for nothing: of everybody who may be written to, in every wave."""
    rows = Enrollment.objects.exclude(status=Enrollment.Status.UNSUBSCRIBED).exclude(lead__status=Lead.Status.BLOCKED)
    last = {str(pk): position for pk, position in rows.values_list("pk", "position")}
    parked = set(map(str, Message.objects.filter(state="unknown").values_list("touch__enrollment_id", flat=True)))
    enrolled = Lead.objects.exclude(status=Lead.Status.BLOCKED).count() * story.waves
    short = sum(STEPS - position for pk, position in last.items() if pk not in parked)
    return (enrolled - len(last)) * STEPS + short


def parked_ever() -> int:
    return Event.objects.filter(kind="email.unknown").count()


def reasons() -> set[str]:
    """Why what is parked is."""
    return set(Message.objects.filter(state="unknown").values_list("state_reason", flat=True))


def _parked_after() -> float:
    """The longest that a commit without an answer stayed one, in seconds."""
    parked_at = dict(Event.objects.filter(kind="email.unknown").values_list("message_id", "created_at"))
    rows = Message.objects.filter(pk__in=list(parked_at)).values_list("pk", "committed_at")
    return max([(parked_at[pk] - committed_at).total_seconds() for pk, committed_at in rows], default=0.0)
