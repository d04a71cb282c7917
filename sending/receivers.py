"""Receivers that say “not so fast” (421, 451): a sending domain gives them half of what they took, and more each day.

Kept on the sending domain, in business time: {receiver: {"limit": 40, "at": …}}. A receiver is a mail provider where we
know it, else the domain of the address. Asking again within the hour changes nothing: a batch asks many times.
"""

import re
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from django.db import transaction

from leads.queries import mail_providers
from sending.models import Domain, Message
from sending.providers.base import SendResult
from sending.providers.smtp_replies import GREYLISTED

SLOWER = re.compile(r"(RCPT|DATA|DOT): 4[25]1\b")
GROWS, FORGOTTEN_AFTER = 1.5, timedelta(days=14)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def receiver_of(workspace, address: str) -> str:
    return mail_providers(workspace, [address])[address] or address.rpartition("@")[2].lower()


def owner_id(domain_id: UUID, receiver: str) -> UUID:
    """Whose counter it is: this sending domain's at that receiver."""
    return uuid5(domain_id, receiver)


def limit_for(domain: Domain, receiver: str, now: datetime) -> int | None:
    """Mails a day that it takes from us for now; none when it did not complain for two weeks."""
    found = domain.slow_receivers.get(receiver)
    if found is None:
        return None
    quiet = now - datetime.fromisoformat(found["at"])
    return None if quiet > FORGOTTEN_AFTER else int(found["limit"] * GROWS ** max(0, quiet // DAY))


def note_answer(message: Message, result: SendResult, *, now: datetime) -> None:
    """After the answer is written down. Greylisting is none of it: every stranger meets that."""
    if result.outcome != "try_later" or not SLOWER.match(result.detail) or GREYLISTED.search(result.detail):
        return
    receiver = receiver_of(message.workspace, message.to_email)
    with transaction.atomic():
        domain = Domain.objects.select_for_update(no_key=True).get(mailboxes=message.mailbox_id)
        known = domain.slow_receivers.get(receiver)
        if known and now - datetime.fromisoformat(known["at"]) < HOUR:
            return
        took = _took_lately(domain, message, now)
        limit = min(filter(None, [limit_for(domain, receiver, now), took]), default=took)
        domain.slow_receivers[receiver] = {"limit": max(1, limit // 2), "at": now.isoformat()}
        domain.save(update_fields=["slow_receivers"])


def _took_lately(domain: Domain, message: Message, now: datetime) -> int:
    """Mails to that address's domain in the last day."""
    sent = Message.objects.filter(mailbox__in=domain.mailboxes.all(), state=Message.State.SENT)
    return sent.filter(settled_at__gt=now - DAY, to_email__iendswith="@" + message.to_email.rpartition("@")[2]).count()
