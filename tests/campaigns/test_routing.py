"""Who came in is enrolled by the tick: where the row says so, else by the first rule that fits; or it says why not."""

import json

import pytest
from django.db import connection

from apikeys.inbound import create_connection, keep
from apikeys.models import Event
from campaigns.campaigns import archive_campaign, draft_campaign
from campaigns.models import Campaign, Enrollment
from campaigns.routing import route
from campaigns.routing_rules import create_rule
from campaigns.runner import complete_if_done, tick
from leads.clay import read_clay
from leads.models import Arrival, Lead
from leads.services import suppress
from outbound.clock import real_now
from tests import make
from tests.sending.test_concurrency import at_once


def campaign(workspace, name: str = "Q2") -> Campaign:
    return draft_campaign(workspace=workspace, name=name, steps=[make.step()], now=make.NOW)[0]


@pytest.fixture
def clay(acme):
    return create_connection(workspace=acme, source="clay", now=make.NOW)


def arrive(clay, *rows: dict) -> None:
    """A message of Clay's, worked off."""
    body = json.dumps(list(rows)).encode()
    keep(connection=clay, dedupe_key=f"{hash(body)}{real_now()}", body=body, now=make.NOW)
    read_clay()


def rule(target: Campaign, **fields):
    return create_rule(campaign=target, now=make.NOW, **fields)


def who(target: Campaign) -> list[str]:
    return sorted(target.enrollments.values_list("lead__email", flat=True))


def reasons(api) -> dict:
    return {row["email"]: row["reason"] for row in api.data("get", "/arrivals?state=refused")}


class TestWhere:
    def test_into_the_campaign_that_the_row_names(self, acme, clay):
        named, ruled = campaign(acme), campaign(acme, "Other")
        rule(ruled)
        arrive(clay, {"email": "jo@acme.example", "campaignId": str(named.pk)})

        tick()

        assert (who(named), who(ruled)) == (["jo@acme.example"], [])
        assert Lead.objects.get().status == "active"

    def test_else_by_the_first_rule_that_fits(self, acme, clay):
        founders, best, rest = (campaign(acme, name) for name in ("Founders", "Best", "Rest"))
        rule(rest, priority=300)
        rule(best, min_score=80, priority=200)
        rule(founders, persona="Founder", priority=100)
        rule(rest, persona="Founder", priority=1, enabled=False)
        arrive(
            clay, {"email": "f@a.example", "persona": "FOUNDER", "score": 90}, {"email": "b@a.example", "score": 80},
            {"email": "r@a.example", "score": 79},
        )  # fmt: skip

        tick()

        assert [who(each) for each in (founders, best, rest)] == [["f@a.example"], ["b@a.example"], ["r@a.example"]]

    def test_a_rule_whose_campaign_has_ended_is_passed_over(self, acme, clay):
        ended, open_one = campaign(acme), campaign(acme)
        rule(ended, priority=1)
        rule(open_one, priority=2)
        archive_campaign(campaign=ended, now=make.NOW)
        arrive(clay, {"email": "jo@a.example"})

        tick()

        assert (who(ended), who(open_one)) == ([], ["jo@a.example"])

    def test_a_running_campaign_writes_to_whom_it_was_given_and_waits_for_more(self, acme, clay):
        make.lead(acme)
        run = make.run(acme)
        rule(run)
        tick()
        run.enrollments.update(status="completed")
        arrive(clay, {"email": "jo@a.example"})

        tick()

        assert run.enrollments.get(lead__email="jo@a.example").position == 1
        run.enrollments.update(status="completed")
        assert not complete_if_done(run, now=make.NOW)

    def test_leads_of_other_doors_stay_where_they_are(self, acme, api):
        target = campaign(acme)
        rule(target)
        api.data("post", "/leads", {"email": "jo@a.example"})
        tick()
        assert who(target) == []


class TestWhoIsRefused:
    def test_says_why(self, acme, rival, clay, api):
        target, ended, theirs = campaign(acme), campaign(acme), campaign(rival)
        archive_campaign(campaign=ended, now=make.NOW)
        suppress(workspace=acme, value="no@a.example", kind="unsubscribed", now=make.NOW)
        arrive(
            clay, {"email": "no@a.example", "campaignId": str(target.pk)},
            {"email": "late@a.example", "campaignId": str(ended.pk)},
            {"email": "lost@a.example", "campaignId": "cmp_1"},
            {"email": "rival@a.example", "campaignId": str(theirs.pk)},
            {"email": "nowhere@a.example"},
        )  # fmt: skip

        tick()

        assert reasons(api) == {
            "no@a.example": "The address is suppressed.",
            "late@a.example": "The campaign has ended.",
            "lost@a.example": "There is no campaign cmp_1.",
            "rival@a.example": f"There is no campaign {theirs.pk}.",
            "nowhere@a.example": "No routing rule fits it.",
        }
        assert not Enrollment.objects.exists()
        told = Event.objects.filter(kind="lead.routed").values_list("summary", flat=True)
        assert len(told) == 4 and "no@a.example was not enrolled in Q2: The address is suppressed." in told

    def test_a_yellow_one_is_paused_as_at_any_enrollment(self, acme, clay):
        target = campaign(acme)
        rule(target)
        arrive(clay, {"email": "info@a.example"})
        tick()
        assert target.enrollments.get().status == "paused"

    def test_who_walks_in_another_run_stays_out(self, acme, clay, api):
        make.lead(acme, "jo@a.example")
        make.run(acme)
        target = campaign(acme)
        arrive(clay, {"email": "jo@a.example", "campaignId": str(target.pk)})
        tick()
        assert reasons(api) == {"jo@a.example": "Active in another run."}


class TestOnce:
    def test_the_same_lead_posted_again_is_enrolled_once(self, acme, clay, api):
        target = campaign(acme)
        for score in (1, 2):
            arrive(clay, {"email": "jo@a.example", "campaignId": str(target.pk), "score": score})
            tick()
        assert who(target) == ["jo@a.example"]
        assert reasons(api) == {"jo@a.example": "Enrolled in this campaign before."}

    def test_a_known_lead_without_a_campaign_is_not_routed_again(self, acme, clay):
        rule(campaign(acme))
        make.lead(acme, "jo@a.example")
        arrive(clay, {"email": "jo@a.example"})
        assert not Arrival.objects.exists()

    def test_one_lead_for_two_campaigns_at_once_gets_one(self, acme, clay):
        make.mailbox(acme)
        both = [campaign(acme), campaign(acme)]
        Campaign.objects.update(status="active")
        arrive(clay, *({"email": "jo@a.example", "campaignId": str(each.pk)} for each in both[:1]))
        arrive(clay, *({"email": "jo@a.example", "campaignId": str(each.pk)} for each in both[1:]))

        route(workspaces=[acme.pk], now=make.NOW)

        assert sum(len(who(each)) for each in both) == 1

    def test_one_campaigns_surprise_does_not_stop_the_others(self, acme, clay, api):
        broken, fine = campaign(acme), campaign(acme)
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(f"ALTER TABLE campaigns_enrollment ADD CHECK (campaign_id <> '{broken.pk}')")
            else:
                cursor.execute(
                    f"CREATE TRIGGER no BEFORE INSERT ON campaigns_enrollment WHEN NEW.campaign_id = '{broken.pk.hex}' "
                    "BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
        arrive(clay, *({"email": f"p{n}@a.example", "campaignId": str(c.pk)} for n, c in enumerate((broken, fine))))

        tick()

        assert (who(broken), who(fine)) == ([], ["p1@a.example"])
        assert reasons(api) == {"p0@a.example": "Something went wrong on our side."}

    @pytest.mark.django_db(transaction=True)
    def test_many_ticks_at_once_enroll_each_once(self, acme, clay):
        targets = [campaign(acme), campaign(acme)]
        arrive(clay, *({"email": f"p{n}@a.example", "campaignId": str(targets[n % 2].pk)} for n in range(40)))

        errors = at_once(*[tick] * 4)
        tick()

        assert not errors
        assert [len(who(each)) for each in targets] == [20, 20]
        assert set(Arrival.objects.values_list("state", flat=True)) == {"enrolled"}


class TestRules:
    def test_a_rule_is_made_changed_and_deleted(self, api, acme):
        target, other = campaign(acme), campaign(acme, "Other")
        made = api.data("post", "/routing-rules", {"campaign_id": str(target.pk), "persona": "CTO"}, status=201)
        assert (made["campaign_name"], made["persona"], made["min_score"], made["enabled"]) == ("Q2", "CTO", 0, True)

        changed = api.data("patch", f"/routing-rules/{made['id']}", {"campaign_id": str(other.pk), "min_score": 50})

        assert (changed["campaign_name"], changed["persona"], changed["min_score"]) == ("Other", "CTO", 50)
        assert api("delete", f"/routing-rules/{made['id']}").status_code == 204
        assert api.data("get", "/routing-rules") == []

    def test_an_ended_campaign_is_refused(self, api, acme):
        target = campaign(acme)
        archive_campaign(campaign=target, now=make.NOW)
        answer = api("post", "/routing-rules", {"campaign_id": str(target.pk)})
        assert (answer.status_code, list(answer.json()["details"])) == (400, ["campaign_id"])
