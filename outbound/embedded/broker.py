"""A Celery broker in Django's own database, for machines that have no Redis. Chosen by docs/adr/0002.

A message is a row. Taking it leases it, acknowledging deletes it; a holder that is alive renews its leases, so only
what was in the hands of a dead worker comes back. Publishing is an INSERT on the caller's connection: within a
transaction it commits or rolls back with it. Not for eta or countdown: due times live in rows of the apps.
"""

import json
import time
from datetime import timedelta
from queue import Empty

from django.db import Error, close_old_connections
from kombu.transport import TRANSPORT_ALIASES, virtual

from outbound.clock import real_now

URL = "embedded://localhost"
CANDIDATES = 5  # rows looked at in one poll, so that workers that lose a race to one row try the next


def register() -> None:
    """Teach kombu the word `embedded`: it refuses a dotted path in an address."""
    TRANSPORT_ALIASES["embedded"] = "outbound.embedded.broker:Transport"


class Channel(virtual.Channel):
    supports_fanout = False
    lease_seconds = 60
    from_transport_options = (*virtual.Channel.from_transport_options, "lease_seconds")
    _renew_at = 0.0

    def drain_events(self, timeout=None, callback=None):
        try:
            self._renew_leases()
            return super().drain_events(timeout=timeout, callback=callback)
        except Error:
            close_old_connections()  # the worker reconnects; its next query must not meet the broken one
            raise

    def basic_ack(self, delivery_tag, multiple=False):
        _rows().filter(pk=delivery_tag).delete()
        super().basic_ack(delivery_tag, multiple)

    def basic_reject(self, delivery_tag, requeue=False):
        if not requeue:
            _rows().filter(pk=delivery_tag).delete()
        super().basic_reject(delivery_tag, requeue)  # a requeue comes back through _restore

    def _put(self, queue, message, **kwargs):
        _rows().create(queue=queue, payload=json.dumps(message))

    def _get(self, queue, timeout=None):
        now = real_now()
        visible = _rows().filter(queue=queue, visible_at__lte=now).order_by("visible_at", "id")
        # Reading first costs no write lock while idle; the conditional UPDATE decides who has it.
        for row in visible[:CANDIDATES]:
            if _rows().filter(pk=row.pk, visible_at=row.visible_at).update(visible_at=self._lease_end(now)):
                return _with_tag(row)
        raise Empty

    def _restore(self, message):
        """Give an unacknowledged message back, at shutdown or on a requeue."""
        _rows().filter(pk=message.delivery_tag).update(visible_at=real_now())

    def _renew_leases(self) -> None:
        held = set(self.qos._delivered) - self.qos._dirty if time.monotonic() >= self._renew_at else ()
        if held:
            _rows().filter(pk__in=held).update(visible_at=self._lease_end(real_now()))
            self._renew_at = time.monotonic() + self.lease_seconds / 4

    def _lease_end(self, now):
        return now + timedelta(seconds=self.lease_seconds)

    def _size(self, queue):
        return _rows().filter(queue=queue).count()

    def _purge(self, queue):
        return _rows().filter(queue=queue).delete()[0]


class Transport(virtual.Transport):
    Channel = Channel
    driver_type = driver_name = "embedded"
    polling_interval = 0.2  # seconds; an idle poll is one indexed read per queue
    connection_errors = (*virtual.Transport.connection_errors, Error)
    channel_errors = (*virtual.Transport.channel_errors, Error)

    def driver_version(self):
        return "1"


def _rows():
    from outbound.models import BrokerMessage  # Celery is configured before Django's apps are ready

    return BrokerMessage.objects


def _with_tag(row) -> dict:
    """The message as kombu knows it, with the row's id as the tag that is later acknowledged."""
    message = json.loads(row.payload)
    message["properties"]["delivery_tag"] = row.pk
    return message
