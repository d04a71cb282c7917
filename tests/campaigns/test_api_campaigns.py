"""Campaigns in Superkabe's words: draft, launch, pause, report, replies."""

from leads.models import Lead
from tests import make
from tests.world import pass_time, run_until_idle

STEPS = [make.step("Quick question about {{company}}"), make.step("Following up", delay_days=3)]


def draft(api, acme, emails=("ok+1@sandbox.test",), **fields):
    leads = [str(make.lead(acme, email, company_name="Acme").id) for email in emails]
    body = {"name": "Q2", "steps": STEPS, "lead_ids": leads, "schedule": make.ALL_HOURS, **fields}
    return api.data("post", "/campaigns", body, status=201)


def test_a_draft_says_who_was_assigned_and_who_blocked(api, acme):
    made = draft(api, acme, ["ok+1@sandbox.test", "info@acme.example", "x@mailinator.com"])

    assert (made["status"], made["steps_count"]) == ("draft", 2)
    assert (made["leads_assigned"], made["leads_blocked"], made["leads_paused"]) == (2, 1, 1)
    assert made["leads_excluded"] == {"The address is disposable.": 1}


def test_two_campaigns_may_have_one_name(api, acme):
    draft(api, acme)
    draft(api, acme, ["ok+2@sandbox.test"])

    assert [row["name"] for row in api.data("get", "/campaigns")] == ["Q2", "Q2"]


def test_launching_sends_and_the_report_counts(api, acme):
    make.mailbox(acme)
    made = draft(api, acme, ["ok+1@sandbox.test", "reply+1@sandbox.test"])

    launched = api.data("post", f"/campaigns/{made['id']}/launch")
    run_until_idle()
    pass_time(acme, days=1)

    report = api.data("get", f"/campaigns/{made['id']}/report")
    replies = api.data("get", f"/campaigns/{made['id']}/replies")
    assert launched == {"id": made["id"], "status": "active", "leads": 2, "steps": 2}
    assert (report["emails_sent"], report["replies"], report["reply_rate"]) == (2, 1, "50.00%")
    assert set(report["lead_status_breakdown"]) >= {"active", "paused", "completed", "unsubscribed", "failed"}
    assert replies["replies"][0]["contact_email"] == "reply+1@sandbox.test"
    assert api.data("get", f"/runs/{made['id']}")["status"] == "running"  # the same row, the same id


def test_launch_says_what_is_missing(api, acme):
    made = draft(api, acme, [])
    answer = api("post", f"/campaigns/{made['id']}/launch")
    assert (answer.status_code, "no lead" in answer.json()["error"]) == (400, True)

    made = draft(api, acme)
    answer = api("post", f"/campaigns/{made['id']}/launch")
    assert (answer.status_code, "No mailbox" in answer.json()["error"]) == (400, True)


def test_an_active_campaign_cannot_be_changed_or_launched_again(api, acme):
    make.mailbox(acme)
    made = draft(api, acme)
    api.data("post", f"/campaigns/{made['id']}/launch")

    patch = api("patch", f"/campaigns/{made['id']}", {"daily_limit": 100})
    again = api("post", f"/campaigns/{made['id']}/launch")

    assert patch.status_code == 400
    assert patch.json()["error"] == "Cannot update an active campaign. Pause it first."
    assert (again.status_code, again.json()["error"]) == (400, "This campaign is already active.")


def test_a_paused_campaign_takes_another_schedule_and_goes_on(api, acme):
    make.mailbox(acme)
    made = draft(api, acme)
    api.data("post", f"/campaigns/{made['id']}/launch")
    assert api.data("post", f"/campaigns/{made['id']}/pause")["status"] == "paused"

    shown = api.data("patch", f"/campaigns/{made['id']}", {"daily_limit": 7, "schedule_days": ["mon", "sat"]})
    again = api("post", f"/campaigns/{made['id']}/pause")
    api.data("post", f"/campaigns/{made['id']}/launch")

    assert (shown["daily_limit"], shown["schedule_days"]) == (7, ["mon", "sat"])
    assert (again.status_code, again.json()["error"]) == (400, "Only an active campaign can be paused.")


def test_a_key_without_leads_read_sees_ids_and_status_only(api, acme):
    from tests.base import Api

    made = draft(api, acme)
    lead = Lead.objects.get()

    blind = Api(make.key(acme, scopes=["campaigns:read"])).data("get", f"/campaigns/{made['id']}")

    assert blind["leads"] == [{"id": str(lead.id), "email": None, "status": "active", "reason": None, "position": 0}]
    assert api.data("get", f"/campaigns/{made['id']}")["leads"][0]["email"] == lead.email


def test_archiving_is_for_good_and_harmless_twice(api, acme):
    made = draft(api, acme)

    assert api.data("post", f"/campaigns/{made['id']}/archive")["status"] == "archived"
    assert api.data("post", f"/campaigns/{made['id']}/archive")["status"] == "archived"
    assert api("post", f"/campaigns/{made['id']}/launch").status_code == 400


def test_leads_can_be_added_later_but_not_twice(api, acme):
    made = draft(api, acme)
    more = [str(make.lead(acme, "ok+9@sandbox.test").id), str(Lead.objects.earliest("created_at").id)]

    api.data("post", f"/campaigns/{made['id']}/leads", {"lead_ids": more})

    assert api.data("get", f"/campaigns/{made['id']}")["leads_count"] == 2


def test_who_is_in_it_already_is_counted_apart_and_not_again(api, acme):
    made = draft(api, acme)
    first, new = str(Lead.objects.get().id), str(make.lead(acme, "ok+9@sandbox.test").id)

    mixed = api.data("post", f"/campaigns/{made['id']}/leads", {"lead_ids": [first, new]})
    again = api.data("post", f"/campaigns/{made['id']}/leads", {"lead_ids": [first, new]})

    assert (mixed["leads_assigned"], mixed["already_enrolled"]) == (1, 1)
    assert (again["leads_assigned"], again["already_enrolled"]) == (0, 2)
