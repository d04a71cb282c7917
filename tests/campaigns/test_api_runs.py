"""REST of runs: what must be there to start one, what can be done to it, what it shows."""

from datetime import timedelta

import pytest

from apikeys.services import LATEST
from campaigns.models import Campaign
from leads.services import suppress
from sending.models import Mailbox, Message
from tests import make
from tests.base import Api
from tests.world import pass_time, run_until_idle

STEPS = [make.step(), make.step("", "<p>Again</p>", delay_days=3)]


@pytest.fixture
def live(db):
    workspace = make.workspace("Live", livemode=True)
    make.lead(workspace, "ann@people.example")
    return workspace


def launch(api, workspace, *, status: int = 201, **body):
    body = {"sequence_id": str(make.sequence(workspace, steps=STEPS).id), "schedule": make.ALL_HOURS, **body}
    answer = api("post", "/runs", body)
    assert answer.status_code == status, answer.content
    return answer.json() if status >= 400 else answer.json()["data"]


class TestStarting:
    def test_what_a_run_shows(self, api, acme):
        make.lead(acme, "ok+1@sandbox.test")
        run = launch(api, acme, sender_email="Hi@You.example", name="Mine", engine="native")

        assert (run["name"], run["engine"], run["status"], run["actions"]) == (
            "Mine",
            "native",
            "running",
            ["pause", "stop"],
        )
        assert run["sender_email"] == "hi@you.example"
        assert run["progress"] == {
            "total": 1,
            "sent": 0,
            "queued": 0,
            "in_flight": 0,
            "unknown": 0,
            "refused": 0,
            "replies": 0,
            "pct": 0,
        }
        assert run["lead_status_breakdown"]["active"] == 1
        assert set(run["lead_status_breakdown"]) == {
            "active",
            "paused",
            "held",
            "completed",
            "replied",
            "bounced",
            "unsubscribed",
            "stopped",
            "failed",
        }
        assert run["next_send_at"].endswith("Z")
        assert run["next_send_reason"]
        assert run["ended_at"] is None
        assert run["logs"][0]["kind"] == "campaign.launched"

    def test_without_a_schedule_it_is_office_hours(self, api, acme):
        make.lead(acme)
        sequence = make.sequence(acme)

        run = api.data("post", "/runs", {"sequence_id": sequence.name, "sender_email": "hi@you.example"})

        assert run["schedule"] == {
            "timezone": "UTC",
            "start_time": "09:00",
            "end_time": "17:00",
            "days": ["mon", "tue", "wed", "thu", "fri"],
            "daily_limit": 50,
            "send_gap_minutes": 17,
            "day_hours": {},
            "send_in_lead_timezone": False,
            "skip_holidays": False,
        }

    def test_in_a_test_workspace_any_sender_becomes_a_sandbox_mailbox(self, api, acme):
        make.lead(acme)
        launch(api, acme, sender_email="new@you.example")

        mailbox = Mailbox.objects.get()
        assert (mailbox.email, mailbox.provider) == ("new@you.example", "sandbox")

    @pytest.mark.parametrize(
        "sender", ["nobody", "@", "a@", "a b@you.example", "a@b@c", "x\r\nBcc: y@z.example", "a@you..example"]
    )
    def test_a_sender_that_is_no_address_is_400(self, api, acme, sender):
        make.lead(acme)
        said = launch(api, acme, sender_email=sender, status=400)

        assert list(said["details"]) == ["sender_email"]
        assert not Mailbox.objects.exists()

    def test_in_a_live_workspace_an_unknown_sender_is_400_that_lists_the_senders(self, live):
        make.mailbox(live, "one@you.example")
        make.mailbox(live, "two@you.example")
        said = launch(Api(make.key(live)), live, sender_email="nobody@you.example", status=400)

        assert "one@you.example, two@you.example" in said["details"]["sender_email"][0]
        assert not Campaign.objects.exists()

    def test_without_any_mailbox_it_is_400_that_says_so(self, live):
        assert list(launch(Api(make.key(live)), live, status=400)["details"]) == ["sender_email"]

    @pytest.mark.parametrize(("field", "word"), [("postal_address", "postal address"), ("public_url", "PUBLIC_URL")])
    def test_live_without_address_or_link_is_400_that_names_it(self, live, field, word):
        make.mailbox(live)
        type(live).objects.filter(pk=live.pk).update(**{field: ""})
        said = launch(Api(make.key(live)), live, sender_email="hi@you.example", status=400)

        assert word in said["error"]
        assert not Campaign.objects.exists()

    def test_nobody_left_is_400_that_says_why(self, api, acme):
        said = launch(api, acme, sender_email="hi@you.example", status=400)
        assert "no lead" in said["error"]

        make.lead(acme, "no@people.example")
        suppress(workspace=acme, value="no@people.example", kind="unsubscribed", now=make.NOW)
        make.lead(acme, "x@mailinator.com")
        said = launch(api, acme, sender_email="hi@you.example", status=400)
        assert "Nobody is left" in said["error"]
        assert said["error"].count("1 ×") == 2
        assert not Campaign.objects.exists()

    def test_who_walks_elsewhere_stays_out_unless_asked_for(self, api, acme):
        make.lead(acme)
        launch(api, acme, sender_email="hi@you.example")

        assert "Active in another run" in launch(api, acme, sender_email="hi@you.example", status=400)["error"]
        make.lead(acme)
        assert launch(api, acme, sender_email="hi@you.example")["leads_excluded"] == 1
        assert launch(api, acme, sender_email="hi@you.example", include_active_elsewhere=True)["progress"]["total"] == 2

    def test_the_group_alone_is_written_to(self, api, acme):
        lead = make.lead(acme)
        make.lead(acme)
        group = make.group(acme, members=[lead])

        run = launch(api, acme, sender_email="hi@you.example", group_id=str(group.id))

        assert (run["group_id"], run["progress"]["total"]) == (str(group.id), 1)

    @pytest.mark.parametrize(
        ("schedule", "named"),
        [
            ({"timezone": "Mars/Base"}, "schedule"),
            ({"timezone": "Europe"}, "schedule"),
            ({"timezone": "../etc/passwd"}, "schedule"),
            ({"start_time": "9"}, "schedule"),
            ({"start_time": "25:00"}, "schedule"),
            ({"start_time": "٠٩:٠٠"}, "schedule"),
            ({"start_time": "18:00"}, "schedule"),
            ({"end_time": "24:01"}, "schedule"),
            ({"days": []}, "schedule.days"),
            ({"days": ["monday"]}, "schedule.days.0"),
            ({"daily_limit": 0}, "schedule.daily_limit"),
            ({"daily_limit": 100_001}, "schedule.daily_limit"),
            ({"send_gap_minutes": 1441}, "schedule.send_gap_minutes"),
            ({"zzz": 1}, "schedule.zzz"),
        ],
    )
    def test_a_schedule_that_cannot_be_is_400_that_names_it(self, api, acme, schedule, named):
        make.lead(acme)
        said = launch(api, acme, sender_email="hi@you.example", schedule=schedule, status=400)

        assert list(said["details"])[0].startswith(named)
        assert not Campaign.objects.exists()

    def test_instantly_is_400_while_it_is_not_connected(self, api):
        answer = api("post", "/runs", {"engine": "instantly", "campaign_id": "x"})

        assert answer.status_code == 400
        assert list(answer.json()["details"]) == ["engine"]

    def test_a_native_run_needs_a_sequence(self, api):
        assert list(api("post", "/runs", {"sender_email": "hi@you.example"}).json()["details"]) == ["sequence_id"]


class TestControl:
    @pytest.fixture
    def run(self, api, acme):
        make.lead(acme, "ok+1@sandbox.test")
        make.lead(acme, "ok+2@sandbox.test")
        return launch(api, acme, sender_email="hi@you.example")

    def do(self, api, run, verb: str) -> tuple[int, str]:
        answer = api("post", f"/runs/{run['id']}/{verb}")
        body = answer.json()
        return answer.status_code, body["data"]["status"] if body["success"] else body["code"]

    def test_what_fits_and_what_does_not(self, api, run):
        assert self.do(api, run, "resume") == (409, "wrong_state")
        assert self.do(api, run, "pause") == (200, "paused")
        assert self.do(api, run, "pause") == (409, "wrong_state")
        assert self.do(api, run, "resume") == (200, "running")
        assert self.do(api, run, "stop") == (200, "stopped")
        assert self.do(api, run, "stop") == (200, "stopped")
        assert self.do(api, run, "pause") == (409, "wrong_state")
        assert self.do(api, run, "resume") == (409, "wrong_state")

    def test_a_409_says_what_the_run_is(self, api, run):
        body = api("post", f"/runs/{run['id']}/resume").json()

        assert body["error"] == "Only a paused run can be resumed. This one is running."

    def test_paused_nothing_leaves_and_resumed_the_rest_leaves_once(self, api, acme, run):
        self.do(api, run, "pause")
        run_until_idle()
        pass_time(acme, days=5)
        assert not Message.objects.filter(state="sent").exists()
        shown = api.data("get", f"/runs/{run['id']}")
        assert (shown["next_send_at"], shown["next_send_reason"], shown["actions"]) == (
            None,
            "The run is paused.",
            ["resume", "stop"],
        )

        self.do(api, run, "resume")
        run_until_idle()
        pass_time(acme, days=10)

        sent = Message.objects.filter(state="sent").values_list("to_email", "touch__position")
        assert sorted(sent) == [(f"ok+{n}@sandbox.test", position) for n in (1, 2) for position in (1, 2)]
        assert api.data("get", f"/runs/{run['id']}")["status"] == "completed"

    def test_stopped_nothing_leaves_for_ever(self, api, acme, run):
        run_until_idle()
        self.do(api, run, "stop")
        pass_time(acme, days=10)

        shown = api.data("get", f"/runs/{run['id']}")
        assert Message.objects.filter(state="sent").count() == 2
        assert (shown["status"], shown["actions"], shown["lead_status_breakdown"]["stopped"]) == ("stopped", [], 2)
        assert shown["ended_at"]

    def test_a_completed_run_takes_no_command(self, api, acme, run):
        run_until_idle()
        pass_time(acme, days=10)

        assert [self.do(api, run, verb)[0] for verb in ("pause", "resume", "stop")] == [409, 409, 409]

    def test_runs_are_listed_by_status(self, api, acme, run):
        make.lead(acme, "ok+3@sandbox.test")
        other = launch(api, acme, sender_email="hi@you.example")
        self.do(api, other, "pause")

        assert [each["id"] for each in api.data("get", "/runs?status=running")] == [run["id"]]
        assert [each["id"] for each in api.data("get", "/runs?status=paused")] == [other["id"]]
        assert [each["id"] for each in api.data("get", "/runs")] == [other["id"], run["id"]]
        assert api.data("get", "/runs?status=stopped") == []

    def test_a_draft_is_no_run(self, api, acme, run):
        lead = make.lead(acme)
        draft = api.data(
            "post", "/campaigns", {"name": "Draft", "steps": STEPS, "lead_ids": [str(lead.id)]}, status=201
        )

        assert api("get", f"/runs/{draft['id']}").status_code == 404
        assert api("post", f"/runs/{draft['id']}/stop").status_code == 404
        assert [each["id"] for each in api.data("get", "/runs")] == [run["id"]]


class TestMessages:
    def test_every_mail_out_and_in_with_pages(self, api, acme):
        for name in ("reply+1", "ok+1", "bounce+1"):
            make.lead(acme, f"{name}@sandbox.test")
        run = launch(api, acme, sender_email="hi@you.example")
        run_until_idle()
        pass_time(acme, days=4)

        everything = api("get", f"/runs/{run['id']}/messages").json()
        assert everything["meta"]["total"] == len(everything["data"])
        assert {message["direction"] for message in everything["data"]} == {"out", "in"}
        sent = api.data("get", f"/runs/{run['id']}/messages?state=sent")
        assert {(message["to_email"], message["position"]) for message in sent} >= {
            ("ok+1@sandbox.test", 1),
            ("ok+1@sandbox.test", 2),
        }
        assert all(message["html"] is None for message in sent)
        full = api.data("get", f"/runs/{run['id']}/messages?state=sent&bodies=true&limit=1")
        assert len(full) == 1
        assert "<p>" in full[0]["html"]
        assert full[0]["message_id"]

        walked, cursor = [], ""
        while cursor is not None:
            page = api("get", f"/runs/{run['id']}/messages?limit=2" + (f"&after={cursor}" if cursor else "")).json()
            walked += [message["id"] for message in page["data"]]
            cursor = page["meta"]["next_cursor"]
        assert walked == [message["id"] for message in everything["data"]]


class TestTheClock:
    def test_it_turns_forward_in_a_test_workspace(self, api):
        before = api.data("get", "/sandbox/clock")
        after = api.data("post", "/sandbox/clock", {"advance_seconds": 3600}, status=200)

        assert (before["turned_by_seconds"], after["turned_by_seconds"]) == (0, 3600)

    def test_neither_back_nor_both_nor_nothing_nor_live(self, api, live):
        for body in (
            {"to": "2000-01-01T00:00:00Z"},
            {"advance_seconds": -1},
            {},
            {"advance_seconds": 1, "to": "2030-01-01T00:00:00Z"},
        ):
            assert api("post", "/sandbox/clock", body).status_code == 400
        answer = Api(make.key(live))("post", "/sandbox/clock", {"advance_seconds": 1})
        assert (answer.status_code, answer.json()["code"]) == (400, "live_workspace")

    def test_however_often_it_is_turned_it_stays_a_time(self, api, acme):
        type(acme).objects.filter(pk=acme.pk).update(clock_offset=LATEST - make.NOW - timedelta(days=300))

        answer = api("post", "/sandbox/clock", {"advance_seconds": 366 * 86400})

        assert answer.status_code == 400
