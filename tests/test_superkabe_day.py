"""A full Superkabe day on the test clock, and the fortnight it takes to get over it.

Whatever a person does goes through REST, the workers do the rest, and the event log is what they leave behind. The list
begins with five addresses that do not exist. The mailbox is paused for it and walks back by itself: quarantine, a few
mails a day, more each day, healthy.
"""

import re
from datetime import datetime, timedelta
from itertools import groupby

import pytest

from apikeys.models import Event
from leads.validation import validate_due
from outbound.clock import real_now
from sending.services import heal_due
from tests.world import run_until_idle

OFFICE_HOURS = {
    "timezone": "UTC", "start_time": "09:00", "end_time": "17:00", "days": ["mon", "tue", "wed", "thu", "fri"],
    "send_gap_minutes": 0,
}  # fmt: skip
STEPS = [
    {"subject": "Quick question", "body_html": "<p>Hi {{first_name|there}}</p>"},
    {"subject": "", "body_html": "<p>Did you see it?</p>", "delay_days": 30},
]
NOBODY = [f"bounce+{number}@sandbox.test" for number in range(5)]
PEOPLE = [f"ok+{number}@sandbox.test" for number in range(90)]
LAST = ["reply+ann@sandbox.test"]
REST_OF_THE_WEEK = [(1, "13:30"), (2, "09:00"), (3, "09:00"), (4, "09:00")]
ROLE, NO_MAIL, THROW_AWAY = "info@sandbox.test", "jo@nomx.test", "x@mailinator.com"

WHAT_HAPPENED = """
5 × lead.created: bounce+…@sandbox.test was added
1 × lead.created: info@sandbox.test was added
1 × lead.created: jo@nomx.test was added
1 × lead.created: x@mailinator.com was added
90 × lead.created: ok+…@sandbox.test was added
1 × lead.created: reply+ann@sandbox.test was added
96 × lead.validated: …@sandbox.test is valid
1 × lead.validated: jo@nomx.test is invalid
1 × lead.health_changed: jo@nomx.test went from green to red
1 × campaign.launched: April was launched
1 × email.sent: Sent to bounce+…@sandbox.test: Quick question
1 × email.bounced: bounce+…@sandbox.test bounced (hard 5.1.1)
1 × enrollment.stopped: bounce+…@sandbox.test gets no further step: The address does not exist.
1 × email.sent: Sent to bounce+…@sandbox.test: Quick question
1 × email.bounced: bounce+…@sandbox.test bounced (hard 5.1.1)
1 × enrollment.stopped: bounce+…@sandbox.test gets no further step: The address does not exist.
1 × email.sent: Sent to bounce+…@sandbox.test: Quick question
1 × email.bounced: bounce+…@sandbox.test bounced (hard 5.1.1)
1 × mailbox.phase_changed: hi@you.example went from healthy to warning. 3 of 3 mails bounced.
1 × enrollment.stopped: bounce+…@sandbox.test gets no further step: The address does not exist.
1 × email.sent: Sent to bounce+…@sandbox.test: Quick question
1 × email.bounced: bounce+…@sandbox.test bounced (hard 5.1.1)
1 × enrollment.stopped: bounce+…@sandbox.test gets no further step: The address does not exist.
1 × email.sent: Sent to bounce+…@sandbox.test: Quick question
1 × email.bounced: bounce+…@sandbox.test bounced (hard 5.1.1)
1 × mailbox.paused: hi@you.example was paused. 5 of 5 mails bounced.
1 × enrollment.stopped: bounce+…@sandbox.test gets no further step: The address does not exist.
1 × domain.phase_changed: you.example went from healthy to warning. 1 of 1 mailboxes were stopped.
1 × mailbox.entered_quarantine: hi@you.example is in quarantine. Cooled down; SPF, DKIM, DMARC and blocklists are checked.
1 × mailbox.entered_restricted_send: hi@you.example sends a few mails a day. SPF, DKIM and DMARC hold.
6 × email.sent: Sent to ok+…@sandbox.test: Quick question
1 × domain.phase_changed: you.example went from warning to healthy. 0 of 1 mailboxes were stopped.
28 × email.sent: Sent to ok+…@sandbox.test: Quick question
1 × mailbox.entered_warm_recovery: hi@you.example warms up again. 34 mails and 3 days went well.
56 × email.sent: Sent to ok+…@sandbox.test: Quick question
1 × email.sent: Sent to reply+ann@sandbox.test: Quick question
1 × lead.replied: reply+ann@sandbox.test replied
1 × reply.received: Reply from reply+ann@sandbox.test: Re: Quick question
1 × enrollment.stopped: reply+ann@sandbox.test gets no further step: The lead replied.
1 × mailbox.healed: hi@you.example is healthy again. 57 mails and 7 days went well.
"""  # noqa: E501  a line of the log is a line


def log(workspace) -> str:
    """The event log in order; what happens several times in a row is told once, a crowd has no numbers."""
    events = Event.objects.filter(workspace=workspace).order_by("created_at", "id").values_list("kind", "summary")
    lines = [f"{kind}: {_without_numbers(kind, summary)}" for kind, summary in events]
    return "".join(f"{len(list(same))} × {line}\n" for line, same in groupby(lines))


def _without_numbers(kind: str, summary: str) -> str:
    if kind == "lead.validated":
        return re.sub(r"^\S+@sandbox", "…@sandbox", summary)
    summary = summary.partition(": 550")[0]  # what the server said besides
    return re.sub(r"[+]\d+@", "+…@", summary)


class World:
    """A test workspace seen from outside. `at` turns its clock through REST, to a day (0 is a Monday) and an hour."""

    def __init__(self, api, workspace):
        self.api, self.workspace = api, workspace
        today = real_now().replace(hour=0, minute=0, second=0, microsecond=0)
        self.monday = today + timedelta(days=7 - today.weekday())

    def at(self, day: int, hour: str) -> dict:
        """The mailbox, once everybody has done what was due."""
        wall = datetime.strptime(hour, "%H:%M")  # noqa: DTZ007  a time of day
        moment = self.monday + timedelta(days=day, hours=wall.hour, minutes=wall.minute)
        self.api.data("post", "/sandbox/clock", {"to": moment.isoformat()})
        self.work()
        mailboxes = self.api.data("get", "/mailboxes")
        return mailboxes[0] if mailboxes else {}

    def work(self) -> None:
        """What the workers do every few seconds or minutes."""
        validate_due()
        run_until_idle()
        heal_due(now=real_now(), workspace=self.workspace)

    def imports(self, emails: list[str]) -> list[str]:
        report = self.api.data("post", "/leads/bulk", {"leads": [{"email": email} for email in emails]})
        return [row["id"] for row in report["results"]]

    def validates(self, emails: list[str]) -> None:
        self.api.data("post", "/leads/validate", {"emails": emails})
        self.work()


@pytest.fixture
def world(api, acme) -> World:
    return World(api, acme)


def test_a_superkabe_day(world, api, acme):
    # Import and validate.
    world.at(0, "08:00")
    first = world.imports([*NOBODY, ROLE, NO_MAIL, THROW_AWAY])
    rest, last = world.imports(PEOPLE), world.imports(LAST)
    known = api.data("post", "/leads/bulk", {"leads": [{"email": NOBODY[0]}, {"email": "not an address"}]})
    assert [row["status"] for row in known["results"]] == ["duplicate", "rejected"]
    world.validates([*NOBODY, ROLE, *PEOPLE])
    world.validates([NO_MAIL])
    results = api.data("get", "/validation/results")
    assert results["status_breakdown"] == {"valid": 96, "risky": 0, "invalid": 1, "unknown": 0}

    # The gate at a campaign's creation, and for those who come later.
    mailbox = api.data("post", "/mailboxes", {"email": "hi@you.example"}, status=201)
    assert (mailbox["cap_today"], mailbox["daily_limit"], mailbox["send_gap_minutes"]) == (5, 30, 17)
    body = {"name": "April", "steps": STEPS, "lead_ids": first, "schedule": OFFICE_HOURS}
    campaign = api.data("post", "/campaigns", body, status=201)
    assert [campaign[f"leads_{fate}"] for fate in ("assigned", "paused", "blocked")] == [6, 1, 2]
    path = f"/campaigns/{campaign['id']}"
    for later in (rest, last):
        assert api.data("post", f"{path}/leads", {"lead_ids": later})["leads_assigned"] == len(later)

    # Launched before the window opens; in it a mail every 17 minutes, up to the five of a new mailbox.
    api.data("post", f"{path}/launch")
    assert world.at(0, "08:59")["total_sent_count"] == 0
    sent = [world.at(0, hour)["total_sent_count"] for hour in ("09:00", "09:05", "09:25", "09:50", "10:15")]
    assert sent == [1, 1, 2, 3, 4]
    assert world.at(0, "10:40")["status"] == "active"

    # The storm: all five came back.
    paused = world.at(0, "11:00")
    assert (paused["status"], paused["phase_reason"]) == ("paused", "5 of 5 mails bounced.")
    assert paused["resilience_score"] == 35
    assert world.at(0, "16:00")["total_sent_count"] == 5

    # Cooled down, checked twice, and then a few mails a day; it still ramps up. The gap has had its turn in this story.
    api.data("patch", f"/mailboxes/{mailbox['id']}", {"send_gap_minutes": 0})
    assert [world.at(1, hour)["recovery_phase"] for hour in ("10:00", "12:00", "12:10", "13:15")] == [
        "paused", "quarantine", "quarantine", "restricted_send",
    ]  # fmt: skip
    a_day = [world.at(day, hour)["sent_today"] for day, hour in REST_OF_THE_WEEK]
    assert a_day == [6, 8, 10, 10]
    warming = world.at(4, "18:00")
    assert (warming["status"], warming["next_step"]) == (
        "healing", "Goes on to healthy when 50 mails went well (0 so far) and the time is over.",
    )  # fmt: skip

    # The next week: more each day, nothing at the weekend, a reply, and healthy again.
    assert world.at(6, "12:00")["sent_today"] == 0
    assert [world.at(day, "09:00")["sent_today"] for day in (7, 8, 9)] == [17, 19, 21]
    world.at(9, "16:00")
    healed = world.at(11, "18:10")
    assert (healed["status"], healed["recovery_phase"], healed["resilience_score"]) == ("active", None, 45)

    report = api.data("get", f"{path}/report")
    told = {name: count for name, count in report["lead_status_breakdown"].items() if count}
    assert told == {"active": 90, "paused": 1, "replied": 1, "bounced": 5}
    assert (report["emails_sent"], report["replies"], report["reply_rate"]) == (96, 1, "1.04%")
    assert log(acme) == WHAT_HAPPENED.lstrip()
    moves = api.data("get", f"/mailboxes/{mailbox['id']}/transitions")
    assert [move["to_phase"] for move in reversed(moves)] == [
        "warning", "paused", "quarantine", "restricted_send", "warm_recovery", "healthy",
    ]  # fmt: skip
