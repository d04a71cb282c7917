"""How a mailbox's mail fares at each receiver: what the choice of a lead's mailbox looks at."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from leads.queries import mail_providers
from sending.models import Message

LOOKS_BACK = timedelta(days=30)


class Record(NamedTuple):
    sent: int = 0
    bounced: int = 0

    @property
    def bounce_rate(self) -> float:
        return self.bounced / self.sent if self.sent else 0.0


def records(workspace, mailbox_ids, *, now: datetime) -> dict[tuple[UUID, str], Record]:
    """{(mailbox, provider): its record of 30 days}, of the providers that we know by name; asked anew every hour, since
    it is the history that is read."""
    return _records(workspace.pk, frozenset(mailbox_ids), now.replace(minute=0, second=0, microsecond=0))


@lru_cache(maxsize=256)
def _records(workspace_id: UUID, mailbox_ids: frozenset, hour: datetime) -> dict[tuple[UUID, str], Record]:
    left = Q(state=Message.State.SENT) | Q(hard_bounced_at__isnull=False)
    mails = Message.objects.filter(left, mailbox__in=mailbox_ids, direction=Message.Direction.OUT)
    rows = list(mails.filter(settled_at__gt=hour - LOOKS_BACK).values_list("mailbox", "to_email", "hard_bounced_at"))
    providers = mail_providers(workspace_id, {address for _, address, _ in rows})
    found: dict[tuple[UUID, str], Record] = {}
    for mailbox_id, address, bounced_at in rows:
        key = mailbox_id, providers[address]
        sent, bounced = found.get(key, Record())
        found[key] = Record(sent + 1, bounced + (bounced_at is not None))
    return {key: record for key, record in found.items() if key[1]}
