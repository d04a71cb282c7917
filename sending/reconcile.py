"""What became of a mail that was parked: the evidence, strongest first, each step fenced by the token of its attempt.

  1. a provider that takes an idempotency key is asked again under the same key (a transport with `replay`)
  2. the mailbox's Sent folder has it                                  → sent
  3. an answer, a bounce, an open or a click names it                  → sent
  4. the Sent folder does not have it, and its silence proves something → queued
  5. nothing: it stays `unknown`, for a person to decide

Absence is acted on last: a single trace of the mail outweighs it. Any number of reconcilers may run at once, and be
killed: whoever writes second finds another state or another token, and writes nothing.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from apikeys.events import record_event
from apikeys.services import now_for
from outbound import failpoints
from sending import hits, ledger, limits
from sending.models import Message
from sending.states import move

State = Message.State
BATCH = 200
FOUND = "Found in the Sent folder."
ANSWERED = "An answer or a bounce names it, so it was sent."
OPENED = "It was opened, or a link of it was clicked, so it was sent."
UNPROVEN = "It is not in the Sent folder, which proves nothing: not every mail that was sent was found there."
ABSENT = "It is not in the Sent folder, which keeps everything that is sent: it is sent again."


def reconcile_by_answers() -> int:
    """All that needs no connection: parked mails that something which came in names. Returns how many were settled."""
    named = Q(answered_by__isnull=False) | ~Q(provider_message_id="") | hits.asked_for()
    parked = Message.objects.filter(named, state=State.UNKNOWN).select_related("workspace", "lane")
    return sum(judge(message) for message in parked.distinct().order_by("committed_at", "id")[:BATCH])


def judge(message: Message, *, in_sent: bool | None = None, silence_proves: Callable[[], bool] = lambda: False) -> bool:
    """Settle one parked mail by what is known; whether it was. `in_sent` is None where nobody looked."""
    now = now_for(message.workspace)
    if in_sent:
        return was_sent(message, reason=FOUND, now=now)
    if is_named(message):
        return was_sent(message, reason=ANSWERED, now=now)
    if hits.names_it(message):
        return was_sent(message, reason=OPENED, now=now)
    if in_sent is False and silence_proves():
        return was_not_sent(message, now=now)
    if in_sent is False and message.state_reason != UNPROVEN:  # for the person who decides
        mine = Message.objects.filter(pk=message.pk, state=State.UNKNOWN, token=message.token)
        mine.update(state_reason=UNPROVEN)
    return False


def is_named(message: Message) -> bool:
    """By its id: an answer that only comes from the same person may be to another mail. Or by the vendor's, which is
    known of what was taken only."""
    if message.provider_message_id:
        return True
    names = [name for name in (message.rfc_message_id, message.provider_message_id) if name.startswith("<")]
    said = message.answered_by.values_list("references", flat=True)
    return any(name in references.split() for references in said for name in names)


@transaction.atomic
def was_sent(message: Message, *, reason: str, now: datetime) -> bool:
    """It left when it was committed; what follows is counted from then."""
    ledger.hold_rows(message)
    left_at = message.departed_at or now
    if not move(message, State.SENT, token=message.token, settled_at=left_at, state_reason=reason):
        return False
    ledger.book_sent(message, now=now)
    _log(message, reason, now)
    return True


@transaction.atomic
def was_not_sent(message: Message, *, now: datetime) -> bool:
    """Back into the line under the same id and bytes; its slots are free again, and the next commit takes new ones."""
    ledger.hold_rows(message)
    slots = message.reserved.values()
    if not move(message, State.QUEUED, token=message.token, send_at=now, state_reason=ABSENT, reserved={}):
        return False
    limits.give_back(slots)
    _log(message, ABSENT, now)
    return True


def _log(message: Message, reason: str, now: datetime) -> None:
    failpoints.hit("reconcile.writing")
    record_event(
        workspace=message.workspace, kind="email.reconciled", summary=f"{message.to_email}: {reason}", now=now,
        message_id=message.id, lead_id=message.lead_id,
        campaign_id=message.lane and message.lane.reference.get("campaign_id"),
    )  # fmt: skip
