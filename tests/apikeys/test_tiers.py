"""What a tier allows: nothing is limited unless configured; 80 % is told once, 100 % pauses that resource alone."""

from datetime import timedelta

import pytest

from apikeys.models import Event
from apikeys.services import turn_clock
from campaigns.runner import tick
from leads.models import Lead
from outbound.account import near_limits
from sending.models import Message, SendCounter
from sending.postoffice import dispatch
from tests import make
from tests.sending.test_concurrency import at_once
from tests.world import pass_time, run_until_idle

ALL = ("leads", "domains", "mailboxes", "monthly_sends", "validation_credits")


@pytest.fixture
def allow(acme, settings):
    def set_limits(**limits):
        settings.TIER_LIMITS = {acme.tier: limits}

    return set_limits


def told() -> list[tuple]:
    rows = Event.objects.filter(kind__startswith="limit.").order_by("created_at", "id")
    return [(row.kind, row.data["resource"], row.data["used"]) for row in rows]


def refused(answer, resource: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["code"], body["details"]["resource"]) == (403, "limit_reached", resource), body


class TestLeads:
    def test_at_the_limit_one_lead_an_array_and_bulk_are_403(self, api, acme, allow):
        make.lead(acme, "first@a.example")
        allow(leads=1)

        refused(api("post", "/leads", {"email": "new@a.example"}), "leads")
        refused(api("post", "/leads", [{"email": "new@a.example"}]), "leads")
        refused(api("post", "/leads/bulk", {"leads": [{"email": "new@a.example"}]}), "leads")
        assert Lead.objects.count() == 1

    def test_known_ones_can_still_be_changed(self, api, acme, allow):
        make.lead(acme, "first@a.example")
        allow(leads=1)
        rows = [{"email": "first@a.example", "first_name": "Ann"}, {"email": "new@a.example", "groups": ["G"]}]

        report = api.data("post", "/leads", rows)

        assert [row["status"] for row in report["results"]] == ["updated", "rejected"]
        assert report["results"][1]["reason"] == "The tier of this workspace allows 1 leads, and they are used up."
        assert Lead.objects.get().first_name == "Ann"

    def test_what_there_is_room_for_goes_in_and_the_rest_says_why(self, api, allow):
        allow(leads=5)
        rows = [{"email": f"p{number}@a.example"} for number in range(8)]

        answer = api.data("post", "/leads/bulk", {"leads": rows})

        assert (answer["created"], answer["errors"], Lead.objects.count()) == (5, 3, 5)
        assert told() == [("limit.near", "leads", 5), ("limit.reached", "leads", 5)]

    def test_80_percent_is_told_when_it_is_passed(self, api, acme, allow):
        allow(leads=10)
        api.data("post", "/leads", [{"email": f"p{number}@a.example"} for number in range(7)])
        assert told() == near_limits(acme) == []
        for number in range(7, 10):
            api.data("post", "/leads", {"email": f"p{number}@a.example"})
        assert told() == [("limit.near", "leads", 8), ("limit.reached", "leads", 10)]
        assert near_limits(acme) == ["10 of 10 leads are used."]

    @pytest.mark.django_db(transaction=True)
    def test_many_at_once_do_not_overshoot(self, acme, allow):
        allow(leads=6)
        works = [lambda n=n: add_many_quietly(acme, n) for n in range(4)]
        assert not at_once(*works)
        assert Lead.objects.count() == 6


def add_many_quietly(workspace, number: int) -> None:
    from leads.services import import_leads

    import_leads(workspace=workspace, rows=[{"email": f"p{number}-{n}@a.example"} for n in range(3)], now=make.NOW)


class TestMailboxesAndDomains:
    def test_a_mailbox_too_many_is_403(self, api, acme, allow):
        make.mailbox(acme, "a@one.example")
        allow(mailboxes=2)
        api.data("post", "/mailboxes", {"email": "b@one.example"}, status=201)
        refused(api("post", "/mailboxes", {"email": "c@one.example"}), "mailboxes")
        assert told() == [("limit.near", "mailboxes", 2), ("limit.reached", "mailboxes", 2)]

    def test_a_deleted_one_makes_room_and_takes_it_again(self, api, acme, allow):
        allow(mailboxes=1)
        make.mailbox(acme, "a@one.example", retired_at=make.NOW)
        api.data("post", "/mailboxes", {"email": "b@one.example"}, status=201)
        refused(api("post", "/mailboxes", {"email": "a@one.example"}), "mailboxes")
        assert api.data("get", "/account")["usage"]["mailboxes"] == 1

    def test_a_domain_too_many_is_403_and_leaves_no_half(self, api, acme, allow):
        make.mailbox(acme, "a@one.example")
        allow(domains=1)
        api.data("post", "/mailboxes", {"email": "b@one.example"}, status=201)
        refused(api("post", "/mailboxes", {"email": "a@two.example"}), "domains")
        assert (len(api.data("get", "/mailboxes")), len(api.data("get", "/domains"))) == (2, 1)


class TestMonthlySends:
    @pytest.fixture
    def run(self, acme):
        for number in range(6):
            make.lead(acme, f"ok+{number}@sandbox.test")
        return make.run(acme)

    def test_at_the_limit_mail_is_held_says_why_and_goes_on_next_month(self, acme, run, api, allow):
        allow(monthly_sends=4)
        run_until_idle()

        assert Message.objects.filter(state="sent").count() == 4
        assert "of its tier this month" in str(api.data("get", f"/runs/{run.pk}"))
        assert told() == [("limit.near", "monthly_sends", 4), ("limit.reached", "monthly_sends", 4)]

        for _ in range(5):
            pass_time(acme, days=7)
        assert Message.objects.filter(state="sent").count() == 6

    def test_what_was_queued_before_is_held_with_the_reason(self, acme, run, allow):
        tick()
        allow(monthly_sends=4)
        dispatch()

        held = Message.objects.filter(state="queued")
        assert (held.count(), Message.objects.filter(state="sent").count()) == (2, 4)
        assert {row.state_reason for row in held} == {"The workspace has sent the 4 mails of its tier this month."}

    def test_what_was_sent_before_there_was_a_limit_counts(self, acme, run, allow):
        run_until_idle()
        make.lead(acme, "ok+late@sandbox.test")
        make.run(acme, include_active_elsewhere=True)
        allow(monthly_sends=6)
        run_until_idle()
        assert Message.objects.filter(state="sent").count() == 6

    def test_a_raised_tier_lets_the_rest_go_within_the_hour(self, acme, run, allow):
        tick()
        allow(monthly_sends=4)
        dispatch()
        allow(monthly_sends=100)
        turn_clock(workspace=acme, by=timedelta(hours=1, minutes=1))
        run_until_idle()
        assert Message.objects.filter(state="sent").count() == 6

    @pytest.mark.django_db(transaction=True)
    def test_many_mailboxes_at_once_send_exactly_the_limit(self, acme, allow):
        boxes = [make.mailbox(acme, f"box{number}@you.example") for number in range(4)]
        for number in range(20):
            make.lead(acme, f"ok+{number}@sandbox.test")
        make.run(acme, sender_email="")
        tick()
        allow(monthly_sends=7)

        at_once(*[dispatch for _ in boxes])
        dispatch()

        assert Message.objects.filter(state="sent").count() == 7
        assert SendCounter.objects.get(pk__startswith="month:").used == 7


class TestValidationCredits:
    def test_out_of_credits_is_unknown_with_the_reason(self, api, acme, allow):
        ids = [str(make.lead(acme, f"a@d{number}.example").pk) for number in range(3)]
        allow(validation_credits=2)

        answer = api.data("post", "/leads/validate", {"lead_ids": ids})

        assert (answer["queued"], Lead.objects.get(validation_status="unknown").validation_reason) == (
            2, "No validation credits are left.",
        )  # fmt: skip
        assert told() == [("limit.near", "validation_credits", 2), ("limit.reached", "validation_credits", 2)]


def test_without_configuration_nothing_is_limited(api, acme):
    assert api.data("get", "/account")["limits"] == dict.fromkeys(ALL)
    make.lead(acme)
    make.run(acme)
    run_until_idle()
    assert not SendCounter.objects.filter(pk__startswith="month:").exists()
    assert told() == []
