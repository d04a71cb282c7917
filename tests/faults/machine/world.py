"""The world that the machine turns: a product on the test's database, a mail server that does as it is told, workers
that die or fall asleep at named moments, and a clock."""

import re
from datetime import timedelta

from django.apps import apps
from django.db import connection, transaction
from django.db.models import DateTimeField, F

from campaigns.models import Campaign, Enrollment
from sending import dot
from sending.models import Message
from sending.postoffice import dispatch
from tests import make
from tests.faults.forked import Child
from tests.faults.machine.promises import Row
from tests.ops.processes import wait_until
from tests.servers.scripted_smtp import ScriptedSmtp

MESSAGE_ID = re.compile(rb"^Message-ID: *(\S+)\r$", re.M | re.I)
KEPT = ("django_content_type", "auth_permission", "django_migrations")
# Where a worker may fall asleep: no transaction of its own is open there, so nobody waits for it. After a commit it
# is asleep for longer than it may be before its dot: the clock that it looks at then is its own.
SLEEPS = ("T1.claimed", "net.prepared", "T3.committed", "dot.sent", "dot.answered")
OVERSLEPT, UNCONNECTED = "T3.committed", "T1.claimed"


class World:
    def __init__(self):
        wipe()
        self.server = ScriptedSmtp().__enter__()
        self.asleep: list[tuple[str, Child]] = []
        self.looked_at = 0  # so many of the server's mails
        self.workspace = make.workspace("Live", livemode=True)
        for number in range(2):
            make.mailbox(
                self.workspace, f"box{number}@you{number}.example", smtp_host="127.0.0.1", smtp_port=self.server.port,
                smtp_security="none",
            )  # fmt: skip

    def close(self) -> None:
        while self.asleep:
            self.dies_asleep(0)
        self.server.__exit__(None, None, None)

    # --- what is to be seen -------------------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        names = ("pk", "rfc_message_id", "state", "to_email", "lane_id", "touch__enrollment_id", "touch__position")
        rows = Message.objects.filter(direction="out").order_by("created_at", "id").values_list(*names)
        text = lambda value: value if value is None else str(value)  # noqa: E731
        return [
            Row(str(pk), name, state, to, str(lane), text(walk), at) for pk, name, state, to, lane, walk, at in rows
        ]

    def newly_arrived(self) -> list[str]:
        """Message-IDs, once nobody but those asleep talks to the server."""
        connected = sum(point != UNCONNECTED for point, _ in self.asleep)
        wait_until(lambda: self.server.open <= connected, why="the server to see that the client is gone")
        new = self.server.bodies[self.looked_at :]
        self.looked_at += len(new)
        return [MESSAGE_ID.search(body)[1].decode() for body in new]

    def parked(self) -> list[Message]:
        rows = Message.objects.filter(state="unknown").select_related("workspace", "lane", "mailbox")
        return list(rows.order_by("created_at", "id"))

    def runs(self) -> list[Campaign]:
        return list(Campaign.objects.order_by("created_at", "id"))

    def walks_of(self, lead_id) -> list[str]:
        return [str(pk) for pk in Enrollment.objects.filter(lead=lead_id).values_list("pk", flat=True)]

    # --- workers ------------------------------------------------------------------------------------------------------

    def dies_at(self, point: str, work) -> None:
        assert Child(work, faults=f"{point}=kill").wait() in ("killed", "done")

    def falls_asleep_at(self, point: str) -> None:
        """A worker that goes on later, unless it has nothing to do."""
        before = self.server.dots
        child = Child(_overslept if point == OVERSLEPT else dispatch, faults=f"{point}=stop")
        end = child.wait(stopped=True)
        assert end in ("stopped", "done")
        if end == "stopped":
            self.asleep.append((point, child))
            if point.startswith("dot."):
                wait_until(lambda: self.server.dots > before, why="the dot to be read")

    def wakes(self, number: int) -> None:
        assert self.asleep.pop(number % len(self.asleep))[1].go_on() == "done"

    def dies_asleep(self, number: int) -> None:
        self.asleep.pop(number % len(self.asleep))[1].kill()


def _overslept() -> None:
    dot.DOT_WITHIN = 0.0
    dispatch()


def turn(by: timedelta) -> None:
    """Every moment that the database knows is so much longer ago: leases, grace and business time alike."""
    with transaction.atomic():
        for model in apps.get_models():
            names = [each.name for each in model._meta.concrete_fields if isinstance(each, DateTimeField)]
            if names:
                model._base_manager.update(**{name: F(name) - by for name in names})


def wipe() -> None:
    """An empty database, many times faster than a flush."""
    tables = [name for name in connection.introspection.table_names() if name not in KEPT]
    switch = {"sqlite": "PRAGMA foreign_keys = %s", "postgresql": "SET session_replication_role = %s"}[
        connection.vendor
    ]
    off, on = {"sqlite": ("OFF", "ON"), "postgresql": ("replica", "origin")}[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(switch % off)
        with transaction.atomic():
            for table in tables:
                cursor.execute(f'DELETE FROM "{table}"')
        cursor.execute(switch % on)
