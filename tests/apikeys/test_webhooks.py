"""Outgoing webhooks, over real HTTP to real servers, verified by the library that receivers use."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from apikeys.events import EVENT_KINDS, record_event, record_events
from apikeys.models import Event, WebhookDelivery, WebhookEndpoint
from apikeys.services import now_for, turn_clock
from apikeys.webhook_delivery import DEAD_IN_A_ROW, KEPT_BODY, RETRIES, deliver_due, forget_old_deliveries
from apikeys.webhooks import create_endpoint
from tests import make
from tests.base import Api
from tests.servers.receiver import LOOPBACK, Receiver, Says

State = WebhookDelivery.State
FAILS = Says(500, b"no")
# Enough to be past a moment's jitter of 10 %, and not enough to be.
LATE, EARLY = 1.11, 0.89


@pytest.fixture(autouse=True)
def _loopback_is_ours(settings):
    settings.OUTBOUND_PRIVATE_NETWORKS = LOOPBACK


def endpoint_of(workspace, server, kinds=("*",)) -> WebhookEndpoint:
    return create_endpoint(workspace=workspace, url=server.url, kinds=list(kinds), now=now_for(workspace))


def something_happens(workspace, kind="lead.replied", **facts) -> Event:
    return record_event(workspace=workspace, kind=kind, summary="Jo answered", now=now_for(workspace), **facts)


def turn(workspace, by: timedelta) -> None:
    workspace.clock_offset = turn_clock(workspace=workspace, by=by).clock_offset


def die(workspace) -> None:
    """One event through the whole schedule, down to the dead letter."""
    something_happens(workspace)
    deliver_due()
    for delay in RETRIES:
        turn(workspace, delay * LATE)
        deliver_due()


class TestWhatIsSent:
    def test_the_library_of_receivers_verifies_it(self, acme):
        lead = make.lead(acme)
        with Receiver() as server:
            endpoint = endpoint_of(acme, server)
            event = something_happens(acme, lead_id=lead.id, mood="glad")

            assert deliver_due() == 1

        got = server.got[0]
        said = Webhook(endpoint.secret).verify(got.body, got.headers)
        assert said["type"] == "lead.replied"
        assert said["timestamp"].endswith("Z")
        assert said["data"] == {
            "id": str(event.id), "workspace_id": str(acme.id), "livemode": False, "summary": "Jo answered",
            "campaign_id": None, "lead_id": str(event.lead_id), "message_id": None, "details": {"mood": "glad"},
        }  # fmt: skip
        assert got.headers["webhook-id"] == str(event.id)
        assert got.headers["content-type"] == "application/json"

    def test_any_other_body_or_secret_is_not_verified(self, acme):
        with Receiver() as server:
            endpoint = endpoint_of(acme, server)
            something_happens(acme)
            deliver_due()
        got = server.got[0]
        with pytest.raises(WebhookVerificationError):
            Webhook(endpoint.secret).verify(got.body.replace(b"Jo", b"Al"), got.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook("whsec_" + "A" * 44).verify(got.body, got.headers)

    def test_only_the_kinds_asked_for(self, acme):
        with Receiver() as server:
            endpoint_of(acme, server, ["reply.received"])
            something_happens(acme, "lead.replied")
            something_happens(acme, "reply.received")
            deliver_due()
        assert [json.loads(got.body)["type"] for got in server.got] == ["reply.received"]

    def test_every_endpoint_that_wants_it_is_told_once(self, acme):
        with Receiver() as one, Receiver() as other:
            endpoint_of(acme, one)
            endpoint_of(acme, other)
            facts = {"workspace": acme, "kind": "lead.created", "summary": "New", "now": now_for(acme)}
            record_events([facts, facts])
            deliver_due()
            assert deliver_due() == 0
        for server in (one, other):
            assert len({got.headers["webhook-id"] for got in server.got}) == len(server.got) == 2

    def test_nothing_of_acme_goes_to_rival(self, acme, rival):
        with Receiver() as server:
            endpoint_of(rival, server)
            something_happens(acme)
            acme.has_webhooks = True
            something_happens(acme)
            assert deliver_due() == 0
        assert server.got == []

    def test_after_a_rotation_both_secrets_are_good_for_a_day(self, acme, api):
        with Receiver() as server:
            endpoint = endpoint_of(acme, server)
            old, new = endpoint.secret, api.data("post", f"/webhooks/{endpoint.id}/rotate")["secret"]
            something_happens(acme)
            deliver_due()
            turn(acme, timedelta(hours=25))
            something_happens(acme)
            deliver_due()
        during, after = server.got
        for secret in (old, new):
            Webhook(secret).verify(during.body, during.headers)
        Webhook(new).verify(after.body, after.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(after.body, after.headers)


class TestTheOutbox:
    def test_an_event_that_is_rolled_back_is_never_told(self, acme):
        with Receiver() as server:
            endpoint_of(acme, server)
            with pytest.raises(RuntimeError), transaction.atomic():
                something_happens(acme)
                raise RuntimeError
            assert WebhookDelivery.objects.count() == 0

    def test_a_workspace_without_endpoints_pays_nothing(self, acme):
        with CaptureQueriesContext(connection) as queries:
            record_events([{"workspace": acme, "kind": "lead.created", "summary": "x", "now": make.NOW}] * 3)
        assert len([query for query in queries if "INSERT" in query["sql"]]) == 1
        assert not [query for query in queries if "webhook" in query["sql"]]

    def test_many_events_cost_one_question_and_one_insert(self, acme):
        with Receiver() as server:
            endpoint_of(acme, server)
            with CaptureQueriesContext(connection) as queries:
                record_events([{"workspace": acme, "kind": "lead.created", "summary": "x", "now": make.NOW}] * 200)
        about = [query["sql"].split()[0] for query in queries if "webhook" in query["sql"]]
        assert about == ["SELECT", "INSERT"]

    def test_what_a_dead_worker_held_is_sent_when_its_lease_is_over(self, acme):
        with Receiver() as server:
            endpoint_of(acme, server)
            something_happens(acme)
            WebhookDelivery.objects.update(state=State.SENDING, lease_until=make.NOW + timedelta(days=1))
            assert deliver_due() == 0
            WebhookDelivery.objects.update(lease_until=make.NOW - timedelta(days=1))
            assert deliver_due() == 1
        assert len(server.got) == 1

    def test_an_old_log_is_forgotten_and_what_is_open_stays(self, acme):
        with Receiver([Says(), FAILS]) as server:
            endpoint_of(acme, server)
            something_happens(acme)
            deliver_due()
            something_happens(acme)
            deliver_due()
        assert forget_old_deliveries(now=make.NOW + timedelta(days=31)) == 1
        assert WebhookDelivery.objects.get().state == State.PENDING


class TestTheSchedule:
    def test_it_is_retried_when_it_was_decided_and_not_before(self, acme):
        with Receiver(FAILS) as server:
            endpoint_of(acme, server)
            something_happens(acme)
            assert deliver_due() == 1
            for delay in RETRIES:
                turn(acme, delay * EARLY)
                assert deliver_due() == 0, f"before {delay}"
                turn(acme, delay * (LATE - EARLY))
                assert deliver_due() == 1, f"after {delay}"
            turn(acme, timedelta(days=60))
            assert deliver_due() == 0
        assert len(server.got) == 7
        assert [delay.total_seconds() for delay in RETRIES] == [30, 120, 600, 3600, 6 * 3600, 24 * 3600]

    def test_every_try_has_the_same_id_and_body_and_its_own_signature(self, acme):
        with Receiver([FAILS, Says()]) as server:
            endpoint = endpoint_of(acme, server)
            something_happens(acme)
            deliver_due()
            turn(acme, timedelta(minutes=1))
            deliver_due()
        first, second = server.got
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body
        for got in server.got:
            Webhook(endpoint.secret).verify(got.body, got.headers)

    def test_after_the_last_try_it_is_a_dead_letter_with_its_history(self, acme):
        with Receiver(FAILS) as server:
            endpoint_of(acme, server)
            die(acme)
        row = WebhookDelivery.objects.get()
        assert (row.state, row.tries, row.status_code, row.response_body) == (State.DEAD, 7, 500, "no")
        assert [entry["status_code"] for entry in row.history] == [500] * 7
        assert WebhookEndpoint.objects.get().enabled

    def test_five_dead_letters_in_a_row_switch_the_endpoint_off_and_say_so(self, acme):
        with Receiver(FAILS) as server, Receiver() as other:
            endpoint = endpoint_of(acme, server)
            endpoint_of(acme, other, ["webhook.disabled"])
            for number in range(1, DEAD_IN_A_ROW + 1):
                assert WebhookEndpoint.objects.get(pk=endpoint.pk).enabled, f"before number {number}"
                die(acme)
            endpoint.refresh_from_db()
            assert not endpoint.enabled
            assert endpoint.disabled_reason == "5 deliveries in a row could not be delivered."
            seen = len(server.got)
            something_happens(acme)
            deliver_due()
            assert len(server.got) == seen
        assert [json.loads(got.body)["data"]["details"]["webhook_id"] for got in other.got] == [str(endpoint.pk)]

    def test_one_success_starts_the_count_anew(self, acme):
        with Receiver([FAILS] * 7 * 4 + [Says()] + [FAILS]) as server:
            endpoint = endpoint_of(acme, server)
            for _ in range(4):
                die(acme)
            assert WebhookEndpoint.objects.get(pk=endpoint.pk).dead_in_a_row == 4
            something_happens(acme)
            deliver_due()
            for _ in range(4):
                die(acme)
        assert WebhookEndpoint.objects.get(pk=endpoint.pk).enabled

    def test_410_switches_it_off_at_once(self, acme):
        with Receiver(Says(410)) as server:
            endpoint_of(acme, server)
            something_happens(acme)
            deliver_due()
        endpoint = WebhookEndpoint.objects.get()
        assert (endpoint.enabled, endpoint.disabled_reason) == (False, "It answered 410 Gone.")
        assert WebhookDelivery.objects.get().state == State.DEAD

    @pytest.mark.parametrize("status", [200, 201, 204, 299])
    def test_any_2xx_is_a_success(self, acme, status):
        with Receiver(Says(status)) as server:
            endpoint_of(acme, server)
            something_happens(acme)
            deliver_due()
        assert WebhookDelivery.objects.get().state == State.DELIVERED

    @pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 429, 503])
    def test_any_other_answer_is_tried_again(self, acme, status):
        with Receiver(Says(status)) as server:
            endpoint_of(acme, server)
            something_happens(acme)
            deliver_due()
        row = WebhookDelivery.objects.get()
        assert (row.state, row.status_code) == (State.PENDING, status)
        assert row.error.startswith(f"Answered {status}.")

    def test_one_that_hangs_does_not_take_all_hands(self, acme):
        with Receiver(FAILS) as server, Receiver() as other:
            slow, quick = endpoint_of(acme, server), endpoint_of(acme, other)
            for _ in range(20):
                something_happens(acme)
            in_hand = list(slow.deliveries.values_list("id", flat=True)[:4])
            WebhookDelivery.objects.filter(id__in=in_hand).update(
                state=State.SENDING, lease_until=make.NOW + timedelta(hours=1)
            )
            deliver_due()
        assert (len(server.got), len(other.got)) == (0, 20)
        assert quick.deliveries.filter(state=State.DELIVERED).count() == 20


class TestWhatIsKept:
    def test_at_most_4_kb_of_an_answer_whatever_it_holds(self, acme):
        with Receiver(Says(500, b"\0\xff" * 40_000)) as server:
            endpoint_of(acme, server)
            something_happens(acme)
            deliver_due()
        assert 0 < len(WebhookDelivery.objects.get().response_body.encode()) <= KEPT_BODY

    def test_an_endless_answer_is_cut_off(self, acme):
        with Receiver(Says(200, b"x" * 10_000, headers={"content-length": str(10**12)})) as server:
            endpoint_of(acme, server)
            something_happens(acme)
            deliver_due()
        assert WebhookDelivery.objects.get().state == State.DELIVERED

    def test_no_secret_stands_in_the_database_or_in_a_list(self, acme, api):
        with Receiver() as server:
            secret = api.data("post", "/webhooks", {"url": server.url}, status=201)["secret"]
        with connection.cursor() as cursor:
            for table in ("apikeys_webhookendpoint", "apikeys_storedresponse", "apikeys_webhookdelivery"):
                cursor.execute(f"SELECT * FROM {table}")
                assert secret.removeprefix("whsec_") not in str(cursor.fetchall())
        shown = api.data("get", "/webhooks")[0]
        assert "secret" not in shown


class TestRest:
    def test_an_endpoint_is_made_shown_changed_and_deleted(self, acme, api):
        with Receiver() as server:
            made = api.data("post", "/webhooks", {"url": server.url, "kinds": ["lead.replied"]}, status=201)
            assert made["secret"].startswith("whsec_")
            shown = api.data("get", f"/webhooks/{made['id']}")
            assert shown == {name: value for name, value in made.items() if name != "secret"}
            changed = api.data("patch", f"/webhooks/{made['id']}", {"enabled": False, "description": "Ours"})
            assert (changed["enabled"], changed["disabled_reason"]) == (False, "Switched off by hand.")
            assert (changed["description"], changed["kinds"]) == ("Ours", ["lead.replied"])
            api.data("delete", f"/webhooks/{made['id']}", status=204)
            assert api("get", f"/webhooks/{made['id']}").status_code == 404

    def test_all_kinds_when_none_is_named(self, acme, api):
        with Receiver() as server:
            assert api.data("post", "/webhooks", {"url": server.url})["kinds"] == ["*"]

    @pytest.mark.parametrize("kinds", [[], ["lead"], ["lead.*"], "lead.replied", ["lead.replied", 5]])
    def test_an_unknown_kind_is_refused(self, acme, api, kinds):
        with Receiver() as server:
            assert api("post", "/webhooks", {"url": server.url, "kinds": kinds}).status_code == 400

    def test_a_repeat_with_the_same_key_shows_the_same_secret(self, acme, api):
        with Receiver() as server:
            first = api("post", "/webhooks", {"url": server.url}, idempotency_key="k1")
            again = api("post", "/webhooks", {"url": server.url}, idempotency_key="k1")
        assert again.json() == first.json()
        assert again["Idempotency-Replayed"] == "true"
        assert WebhookEndpoint.objects.count() == 1

    def test_a_test_event_is_tried_once_and_counts_for_nothing(self, acme, api):
        with Receiver(FAILS) as server:
            endpoint = endpoint_of(acme, server, ["lead.replied"])
            queued = api.data("post", f"/webhooks/{endpoint.id}/test")
            assert (queued["state"], queued["kind"]) == ("pending", "webhook.test")
            deliver_due()
        assert Webhook(endpoint.secret).verify(server.got[0].body, server.got[0].headers)["type"] == "webhook.test"
        log = api.data("get", f"/webhooks/{endpoint.id}/deliveries")
        assert [(each["state"], each["status_code"], each["error"]) for each in log] == [("dead", 500, "Answered 500.")]
        assert WebhookEndpoint.objects.get().dead_in_a_row == 0
        assert "webhook.test" not in EVENT_KINDS

    def test_a_replay_is_sent_with_the_same_id(self, acme, api):
        with Receiver([FAILS] * 7 + [Says()]) as server:
            endpoint = endpoint_of(acme, server)
            die(acme)
            [dead] = api.data("get", f"/webhooks/{endpoint.id}/deliveries?state=dead")
            again = api.data("post", f"/webhooks/{endpoint.id}/deliveries/{dead['id']}/replay")
            assert (again["state"], again["message_id"]) == ("pending", dead["message_id"])
            deliver_due()
        assert len(server.got) == 8
        assert {got.headers["webhook-id"] for got in server.got} == {dead["message_id"]}
        [done] = api.data("get", f"/webhooks/{endpoint.id}/deliveries")
        assert (done["state"], len(done["history"]), done["next_try_at"]) == ("delivered", 8, None)

    def test_what_was_held_while_switched_off_is_sent_when_it_is_on_again(self, acme, api):
        with Receiver([FAILS, Says()]) as server:
            endpoint = endpoint_of(acme, server)
            something_happens(acme)
            deliver_due()
            api.data("patch", f"/webhooks/{endpoint.id}", {"enabled": False})
            turn(acme, timedelta(hours=1))
            assert deliver_due() == 0
            refused = api("post", f"/webhooks/{endpoint.id}/test")
            assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")
            api.data("patch", f"/webhooks/{endpoint.id}", {"enabled": True})
            assert deliver_due() == 1
        assert len(server.got) == 2

    def test_rival_sees_and_changes_nothing(self, acme, rival, api, rival_api):
        with Receiver() as server:
            endpoint = endpoint_of(acme, server)
            something_happens(acme)
        delivery = WebhookDelivery.objects.get()
        assert rival_api.data("get", "/webhooks") == []
        for method, path in [
            ("get", ""), ("patch", ""), ("delete", ""), ("post", "/rotate"), ("post", "/test"), ("get", "/deliveries"),
            ("post", f"/deliveries/{delivery.id}/replay"),
        ]:  # fmt: skip
            answer = rival_api(method, f"/webhooks/{endpoint.id}{path}", {} if method == "patch" else None)
            assert answer.status_code == 404, (method, path)
        mine = endpoint_of(rival, server)
        assert rival_api("post", f"/webhooks/{mine.id}/deliveries/{delivery.id}/replay").status_code == 404

    def test_scopes_are_asked_for(self, acme):
        reader = Api(make.key(acme, scopes=["webhooks:read"]))
        assert reader("get", "/webhooks").status_code == 200
        refused = reader("post", "/webhooks", {"url": "https://example.com"})
        assert (refused.status_code, refused.json()["error"]) == (403, "Missing required scope: webhooks:write")


def test_every_kind_of_event_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
    assert dict(re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", text, re.M)) == EVENT_KINDS
